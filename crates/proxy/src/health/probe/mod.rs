//! One probe, on a connection of its own that ends with it.

mod grpc;
mod http;

use std::{error::Error, future::Future, pin::pin};

use ::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};
use futures::future::{Either, select};
use http_body::Body;
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use mesh_config::model::{HealthCheck, HealthCheckMode, ServerUrl};

use crate::{
    forward::name_authority,
    upstream::{ServerWire, Transport, wire},
};

/// Asks the server at `url` how it is; the error says what is wrong with it. Without limit in time.
pub(super) async fn probe(url: &ServerUrl, transport: &Transport, check: &HealthCheck) -> Result<(), String> {
    let target = ServerUrl {
        scheme: check.scheme.unwrap_or(url.scheme),
        port: if check.port == 0 { url.port } else { check.port },
        ..url.clone()
    };
    match check.mode {
        HealthCheckMode::Http => http::probe(&target, transport, check).await,
        HealthCheckMode::Grpc => grpc::probe(target, transport, check).await,
        HealthCheckMode::Tcp => connect(&target, transport).await.map(drop),
    }
}

/// A connection as requests have it, and whether HTTP/2 is spoken over it.
async fn connect(target: &ServerUrl, transport: &Transport) -> Result<(ServerWire, bool), String> {
    wire(target, transport, false)
        .await
        .map_err(|error| format!("cannot connect to {}: {error}", target.authority()))
}

/// Sends `request`, and reads of its answer what `read` wants to.
async fn ask<B, F, T>(
    target: &ServerUrl,
    (wire, speaks_http2): (ServerWire, bool),
    mut request: Request<B>,
    read: impl FnOnce(Response<Incoming>) -> F,
) -> Result<T, String>
where
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
    F: Future<Output = Result<T, String>>,
{
    let broken = |error: hyper::Error| format!("no usable answer: {error}");
    let wire = TokioIo::new(wire);
    if speaks_http2 {
        name_authority(&mut request, target);
        let handshake = http2::handshake(TokioExecutor::new(), wire);
        let (mut sender, connection) = handshake.await.map_err(broken)?;
        let asking = async move { read(sender.send_request(request).await.map_err(broken)?).await };
        return driven(asking, connection).await;
    }
    let (mut sender, connection) = http1::handshake(wire).await.map_err(broken)?;
    let asking = async move { read(sender.send_request(request).await.map_err(broken)?).await };
    driven(asking, connection).await
}

/// Drives the connection that `asking` needs, so that nothing outlives the probe.
async fn driven<T>(asking: impl Future<Output = T>, connection: impl Future) -> T {
    match select(pin!(asking), pin!(connection)).await {
        Either::Left((answer, _)) => answer,
        Either::Right((_, asking)) => asking.await,
    }
}

/// Adds the headers of every probe of `target`.
fn put_headers(headers: &mut HeaderMap, target: &ServerUrl, check: &HealthCheck) -> Result<(), String> {
    for (name, value) in &check.headers {
        let invalid = |_| format!("healthCheck.headers.{name} cannot be sent");
        let value: HeaderValue = value.parse().map_err(|_| invalid(()))?;
        headers.insert(name.parse::<HeaderName>().map_err(|_| invalid(()))?, value);
    }
    let host = match check.hostname.as_str() {
        "" => target.authority(),
        named => named.to_owned(),
    };
    let host = host
        .parse()
        .map_err(|_| format!("healthCheck.hostname {host:?} is no host"))?;
    headers.insert(header::HOST, host);
    headers
        .entry(header::USER_AGENT)
        .or_insert(HeaderValue::from_static("mesh-health-check"));
    Ok(())
}
