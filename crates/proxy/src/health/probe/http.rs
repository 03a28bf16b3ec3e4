//! An HTTP request, and the head of its answer.

use std::future::ready;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, header, uri::PathAndQuery};
use http_body_util::Empty;
use mesh_config::model::{HealthCheck, Scheme, ServerUrl};

use super::{ask, connect, put_headers};
use crate::upstream::Transport;

/// Redirects that one probe follows.
const MAX_REDIRECTS: usize = 5;

/// Asks the server at `target`, and judges what it answers.
pub(super) async fn probe(
    target: &ServerUrl,
    transport: &Transport,
    check: &HealthCheck,
) -> Result<(), String> {
    let mut path = first_path(&target.path, &check.path)?;
    for _ in 0..=MAX_REDIRECTS {
        let (status, headers) = exchange(target, transport, check, path.clone()).await?;
        if !(check.follow_redirects && status.is_redirection()) {
            return judge(status, check);
        }
        match headers.get(header::LOCATION) {
            Some(location) => path = redirected(location, target, check, &path)?,
            None => return judge(status, check),
        }
    }
    Err(format!("it redirects more than {MAX_REDIRECTS} times"))
}

fn judge(status: StatusCode, check: &HealthCheck) -> Result<(), String> {
    let healthy = match check.status {
        0 => (200..400).contains(&status.as_u16()),
        wanted => status.as_u16() == wanted,
    };
    if healthy {
        Ok(())
    } else {
        Err(format!("it answered {status}"))
    }
}

/// The path to ask for first, as a reference beside that of the server. A URL with a host is a mistake: a probe goes to
/// its server and nowhere else.
fn first_path(of_server: &str, path: &str) -> Result<PathAndQuery, String> {
    let wrong = || format!("healthCheck.path {path:?} is no path");
    if has_host(path) {
        return Err(wrong());
    }
    let of_server = if of_server.is_empty() { "/" } else { of_server };
    relative(path, of_server).parse().map_err(|_| wrong())
}

fn has_host(reference: &str) -> bool {
    let path = reference.split(['?', '#']).next().unwrap_or_default();
    path.contains("://") || path.starts_with("//")
}

/// What `reference`, which has no host, means beside the path `base` (RFC 3986 5.2).
fn relative(reference: &str, base: &str) -> String {
    let directory = base.rsplit_once('/').map_or("", |(directory, _)| directory);
    match reference.chars().next() {
        Some('/') => reference.to_owned(),
        Some('?') | None => format!("{base}{reference}"),
        Some(_) => format!("{directory}/{reference}"),
    }
}

/// Where a redirect leads on the same server.
fn redirected(
    location: &HeaderValue,
    target: &ServerUrl,
    check: &HealthCheck,
    from: &PathAndQuery,
) -> Result<PathAndQuery, String> {
    let elsewhere = || format!("it redirects to {location:?}, which is not on the same server");
    let text = location.to_str().map_err(|_| elsewhere())?;
    if !has_host(text) {
        return relative(text, from.path()).parse().map_err(|_| elsewhere());
    }
    let uri: Uri = text.parse().map_err(|_| elsewhere())?;
    let same_host = uri.host().is_some_and(|host| {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case(&target.host) || host.eq_ignore_ascii_case(&check.hostname)
    });
    let (scheme, port) = match target.scheme {
        Scheme::Https => ("https", 443),
        Scheme::Http | Scheme::H2c => ("http", 80),
    };
    let same_port = uri.port_u16().unwrap_or(port) == target.port;
    if uri.scheme_str() != Some(scheme) || !same_host || !same_port {
        return Err(elsewhere());
    }
    Ok(uri
        .path_and_query()
        .cloned()
        .unwrap_or_else(|| PathAndQuery::from_static("/")))
}

/// One request and the head of its answer; the body is left unread.
async fn exchange(
    target: &ServerUrl,
    transport: &Transport,
    check: &HealthCheck,
    path: PathAndQuery,
) -> Result<(StatusCode, HeaderMap), String> {
    let request = request(target, check, path)?;
    let connection = connect(target, transport).await?;
    ask(target, connection, request, |response| {
        let (head, _) = response.into_parts();
        ready(Ok((head.status, head.headers)))
    })
    .await
}

fn request(
    target: &ServerUrl,
    check: &HealthCheck,
    path: PathAndQuery,
) -> Result<Request<Empty<Bytes>>, String> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = Uri::from(path);
    *request.method_mut() = check
        .method
        .to_ascii_uppercase()
        .parse()
        .map_err(|_| format!("healthCheck.method {:?} is no method", check.method))?;
    put_headers(request.headers_mut(), target, check)?;
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_relative_to_that_of_the_server() {
        for (server, path, asked) in [
            ("", "", "/"),
            ("", "healthz", "/healthz"),
            ("/base", "", "/base"),
            ("/base", "?deep=1", "/base?deep=1"),
            ("/base/", "healthz?to=http://x", "/base/healthz?to=http://x"),
            ("/base/", "/healthz", "/healthz"),
        ] {
            assert_eq!(
                first_path(server, path).unwrap().as_str(),
                asked,
                "{server} {path}"
            );
        }
    }

    #[test]
    fn a_path_with_a_host_is_none() {
        for path in ["http://other/healthz", "//other/healthz"] {
            assert!(first_path("/", path).is_err(), "{path}");
        }
    }
}
