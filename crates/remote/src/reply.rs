//! An answer that was read to its end.

use std::{error::Error, io};

use futures::StreamExt;
use http::HeaderMap;
use mesh_discovery::ProviderError;
use serde::de::DeserializeOwned;

/// Answers larger than this are refused; 10,000 instances with long tags take about a third of it.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// How much of a refusal's text is kept.
const MAX_REASON_CHARS: usize = 200;

/// A complete answer with status 200.
#[derive(Debug)]
pub struct Reply {
    pub(crate) endpoint: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// The body as JSON.
    ///
    /// # Errors
    /// [`ProviderError::Malformed`], with the beginning of the text, when it is something else.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ProviderError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            self.malformed(&format_args!("{error}; it begins with {:?}", excerpt(&self.body)))
        })
    }

    /// A header that holds a number; `None` when it is absent or holds something else.
    pub fn number(&self, name: &str) -> Option<u64> {
        number(&self.headers, name)
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// This answer cannot be used.
    pub fn malformed(&self, reason: &dyn std::fmt::Display) -> ProviderError {
        malformed(&self.endpoint, reason)
    }
}

pub(crate) fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// The whole body, if it is not too large and not cut.
pub(crate) async fn read_body(endpoint: &str, response: reqwest::Response) -> Result<Vec<u8>, ProviderError> {
    let mut body = Vec::new();
    let mut parts = response.bytes_stream();
    while let Some(part) = parts.next().await {
        let part = part.map_err(|error| match error.is_timeout() {
            true => unreachable(endpoint, error),
            false => malformed(
                endpoint,
                &format_args!("it was cut: {}", chain(&error.without_url())),
            ),
        })?;
        if body.len() + part.len() > MAX_ANSWER_BYTES {
            return Err(malformed(
                endpoint,
                &format_args!("it is larger than {MAX_ANSWER_BYTES} bytes"),
            ));
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}

pub(crate) fn unreachable(endpoint: &str, error: reqwest::Error) -> ProviderError {
    ProviderError::Unreachable {
        endpoint: endpoint.to_owned(),
        reason: if error.is_timeout() {
            "timed out".to_owned()
        } else if is_hung_up(&error) {
            format!(
                "it closed the connection without an answer: it stopped, or takes no more connections from this \
                 address: {}",
                chain(&error.without_url())
            )
        } else {
            chain(&error.without_url())
        },
    }
}

pub(crate) fn malformed(endpoint: &str, reason: &dyn std::fmt::Display) -> ProviderError {
    ProviderError::Malformed {
        endpoint: endpoint.to_owned(),
        reason: reason.to_string(),
    }
}

/// True when the other side took the connection and then closed it.
fn is_hung_up(error: &reqwest::Error) -> bool {
    let is_end = |cause: &(dyn Error + 'static)| {
        let http = cause.downcast_ref::<hyper::Error>();
        let io = cause.downcast_ref::<io::Error>();
        http.is_some_and(hyper::Error::is_incomplete_message)
            || io.is_some_and(|io| io.kind() == io::ErrorKind::ConnectionReset)
    };
    !error.is_connect() && causes(error).any(is_end)
}

/// An error with its causes, which hold what a user can act on (`connection refused`).
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut texts: Vec<String> = causes(error).map(ToString::to_string).collect();
    texts.dedup();
    texts.join(": ")
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// The beginning of a text on one line.
pub(crate) fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..4 * MAX_REASON_CHARS).unwrap_or(body));
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(MAX_REASON_CHARS).collect()
}
