//! One plain HTTP request to a Mesh that runs on this machine or elsewhere.

use std::{io, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Longest time for the whole exchange.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Largest answer that is read.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    /// The URL is of no use.
    #[error("{0} is not a URL that can be asked: write http://host:port/path")]
    Url(String),
    /// Nobody is there.
    #[error("cannot connect to {authority}: {source}")]
    Connect {
        /// Who was asked.
        authority: String,
        /// The system's words.
        source: io::Error,
    },
    /// The exchange broke off.
    #[error("{authority} gave no usable answer: {reason}")]
    Broken {
        /// Who was asked.
        authority: String,
        /// Why.
        reason: String,
    },
    /// Too slow.
    #[error("{0} did not answer within 5s")]
    TimedOut(String),
}

/// Sends one request without body and reads the whole answer.
pub(crate) async fn send(method: Method, url: &str) -> Result<Response<Bytes>, RequestError> {
    let malformed = || RequestError::Url(url.to_owned());
    let uri: Uri = url.parse().map_err(|_| malformed())?;
    if uri.scheme_str() != Some("http") {
        return Err(malformed());
    }
    let authority = uri.authority().ok_or_else(malformed)?.to_string();
    tokio::time::timeout(TIMEOUT, exchange(method, &uri, &authority))
        .await
        .unwrap_or(Err(RequestError::TimedOut(authority)))
}

async fn exchange(method: Method, uri: &Uri, authority: &str) -> Result<Response<Bytes>, RequestError> {
    let broken = |reason: String| RequestError::Broken {
        authority: authority.to_owned(),
        reason,
    };
    let address = if uri.port().is_some() {
        authority.to_owned()
    } else {
        format!("{authority}:80")
    };
    let stream = TcpStream::connect(address)
        .await
        .map_err(|source| RequestError::Connect {
            authority: authority.to_owned(),
            source,
        })?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken(error.to_string()))?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(http::header::HOST, authority)
        .header(http::header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| broken(error.to_string()))?;
    let answer = async {
        let (head, body) = sender
            .send_request(request)
            .await
            .map_err(|error| error.to_string())?
            .into_parts();
        let body = Limited::new(body, MAX_BODY)
            .collect()
            .await
            .map_err(|error| error.to_string())?;
        Ok::<_, String>(Response::from_parts(head, body.to_bytes()))
    };
    let (_, answer) = tokio::join!(connection, answer);
    answer.map_err(broken)
}
