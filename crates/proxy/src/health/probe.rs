//! One probe: a request on a connection of its own.

use std::pin::pin;

use bytes::Bytes;
use futures::future::{Either, select};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Uri, header, uri::PathAndQuery};
use http_body_util::Empty;
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use mesh_config::model::{HealthCheck, Scheme, ServerUrl};

use crate::{
    forward::name_authority,
    upstream::{Transport, wire},
};

/// Redirects that one probe follows.
const MAX_REDIRECTS: usize = 5;

/// Asks the server at `url` how it is; the error says what is wrong with it. Without limit in time.
pub(super) async fn probe(url: &ServerUrl, transport: &Transport, check: &HealthCheck) -> Result<(), String> {
    let target = ServerUrl {
        scheme: check.scheme.unwrap_or(url.scheme),
        port: if check.port == 0 { url.port } else { check.port },
        ..url.clone()
    };
    let mut path = first_path(&check.path)?;
    for _ in 0..=MAX_REDIRECTS {
        let response = exchange(&target, transport, check, path.clone()).await?;
        if !(check.follow_redirects && response.status().is_redirection()) {
            return judge(response.status(), check);
        }
        match response.headers().get(header::LOCATION) {
            Some(location) => path = redirected(location, &target, check, &path)?,
            None => return judge(response.status(), check),
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

/// The path to ask for first. A URL with a host is a mistake: a probe goes to its server and nowhere else.
fn first_path(path: &str) -> Result<PathAndQuery, String> {
    let path = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    };
    path.parse()
        .map_err(|_| format!("healthCheck.path {path:?} is no path"))
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
    if !text.contains("://") && !text.starts_with("//") {
        let directory = from
            .path()
            .rsplit_once('/')
            .map_or("", |(directory, _)| directory);
        let absolute = match text.chars().next() {
            Some('/') => text.to_owned(),
            Some('?') => format!("{}{text}", from.path()),
            _ => format!("{directory}/{text}"),
        };
        return absolute.parse().map_err(|_| elsewhere());
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
) -> Result<Response<Incoming>, String> {
    let mut request = request(target, check, path)?;
    let (wire, speaks_http2) = wire(target, transport, false)
        .await
        .map_err(|error| format!("cannot connect to {}: {error}", target.authority()))?;
    let broken = |error: hyper::Error| format!("no usable answer: {error}");
    if speaks_http2 {
        name_authority(&mut request, target);
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(wire));
        let (mut sender, connection) = handshake.await.map_err(broken)?;
        return match select(pin!(sender.send_request(request)), pin!(connection)).await {
            Either::Left((response, _)) => response,
            Either::Right((_, response)) => response.await,
        }
        .map_err(broken);
    }
    let (mut sender, connection) = http1::handshake(TokioIo::new(wire)).await.map_err(broken)?;
    // The connection is driven here, so that nothing outlives the probe.
    match select(pin!(sender.send_request(request)), pin!(connection)).await {
        Either::Left((response, _)) => response,
        Either::Right((_, response)) => response.await,
    }
    .map_err(broken)
}

fn request(
    target: &ServerUrl,
    check: &HealthCheck,
    path: PathAndQuery,
) -> Result<Request<Empty<Bytes>>, String> {
    let host = if check.hostname.is_empty() {
        target.authority()
    } else {
        check.hostname.clone()
    };
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = Uri::from(path);
    *request.method_mut() = check
        .method
        .to_ascii_uppercase()
        .parse()
        .map_err(|_| format!("healthCheck.method {:?} is no method", check.method))?;
    let headers = request.headers_mut();
    for (name, value) in &check.headers {
        let invalid = |_| format!("healthCheck.headers.{name} cannot be sent");
        let value: HeaderValue = value.parse().map_err(|_| invalid(()))?;
        headers.insert(name.parse::<HeaderName>().map_err(|_| invalid(()))?, value);
    }
    let host = host
        .parse()
        .map_err(|_| format!("healthCheck.hostname {host:?} is no host"))?;
    headers.insert(header::HOST, host);
    headers
        .entry(header::USER_AGENT)
        .or_insert(HeaderValue::from_static("mesh-health-check"));
    Ok(request)
}
