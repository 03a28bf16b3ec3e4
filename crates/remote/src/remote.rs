//! The only I/O towards a control plane.

use std::{path::Path, time::Duration};

use http::{HeaderName, HeaderValue, StatusCode};
use mesh_config::Secret;
use mesh_discovery::ProviderError;

use crate::{
    reply::{self, Reply},
    settings::HttpAuth,
    target::{Target, TargetError, Token},
};

/// How long an answer may take that need not wait for a change.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a query may take: at once, or blocking for `wait`, to which servers add up to a sixteenth by themselves.
pub fn blocking_timeout(wait: Option<Duration>) -> Duration {
    wait.map_or(Duration::ZERO, |wait| wait * 17 / 16) + ANSWER_TIMEOUT
}

/// A control plane over HTTP.
#[derive(Debug)]
pub struct Remote {
    http: reqwest::Client,
    /// Names it in messages.
    endpoint: String,
    url_base: String,
    token_header: HeaderName,
    token: Token,
    auth: Option<HttpAuth>,
}

impl Remote {
    /// A client for `target`.
    ///
    /// # Errors
    /// When its files or its credentials cannot be used.
    pub fn new(target: Target) -> Result<Self, TargetError> {
        Ok(Self {
            http: target.client()?,
            endpoint: target.base(),
            url_base: target.url_base()?,
            token_header: target.token_header,
            token: target.token,
            auth: target.auth,
        })
    }

    /// Names the control plane in messages: `http://127.0.0.1:8500`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// True when queries carry a token.
    pub fn has_token(&self) -> bool {
        self.token != Token::None
    }

    /// Asks for a page; a query parameter with an empty value is sent as its name alone.
    ///
    /// # Errors
    /// When nobody answers within `timeout`, with another status than 200, or the body is cut or too large.
    pub async fn get(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        timeout: Duration,
    ) -> Result<Reply, ProviderError> {
        let mut url =
            reqwest::Url::parse(&self.url_base).map_err(|error| reply::malformed(&self.endpoint, &error))?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(path);
        }
        for (name, value) in query {
            match value.is_empty() {
                true => url.query_pairs_mut().append_key_only(name),
                false => url.query_pairs_mut().append_pair(name, value),
            };
        }
        let request = self.authorized(self.http.get(url).timeout(timeout)).await?;
        let response = request
            .send()
            .await
            .map_err(|error| reply::unreachable(&self.endpoint, error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = reply::read_body(&self.endpoint, response).await?;
        if status != StatusCode::OK {
            return Err(ProviderError::Refused {
                endpoint: self.endpoint.clone(),
                status: status.as_u16(),
                reason: reply::excerpt(&body),
                retry_after: reply::number(&headers, "retry-after").map(Duration::from_secs),
            });
        }
        Ok(Reply {
            endpoint: self.endpoint.clone(),
            headers,
            body,
        })
    }

    async fn authorized(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<reqwest::RequestBuilder, ProviderError> {
        let request = match &self.auth {
            Some(auth) => request.basic_auth(&auth.username, Some(auth.password.expose())),
            None => request,
        };
        let token = match &self.token {
            Token::None => return Ok(request),
            Token::Value(token) => token.clone(),
            Token::File(path) => read_token(path).await?,
        };
        let value = HeaderValue::from_str(token.expose().trim());
        let mut value = value.map_err(|_| ProviderError::Unauthorized {
            endpoint: self.endpoint.clone(),
            reason: "the token holds characters that no HTTP header carries".to_owned(),
        })?;
        value.set_sensitive(true);
        Ok(request.header(&self.token_header, value))
    }
}

async fn read_token(path: &Path) -> Result<Secret, ProviderError> {
    let read = tokio::fs::read_to_string(path).await;
    read.map(Secret::new).map_err(|error| ProviderError::Unreadable {
        path: path.display().to_string(),
        reason: error.to_string(),
    })
}
