//! A request on its way to servers.

use std::ops::ControlFlow;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, header, request, uri::PathAndQuery};

use crate::{
    middleware::Chain,
    sanitize::{Peer, Sanitized, append_peer},
    service::{Pick, Server},
    settings::ForwardedHeaders,
    upstream::RequestBody,
};

/// A request that may still be offered to several servers.
#[derive(Debug)]
pub(crate) struct Call {
    method: Method,
    target: Uri,
    host: Option<HeaderValue>,
    headers: HeaderMap,
    body: RequestBody,
    websocket: bool,
}

impl Call {
    /// The call that `head` and `body` ask for.
    pub(crate) fn new(
        head: request::Parts,
        body: RequestBody,
        sanitized: &Sanitized,
        peer: &Peer,
        settings: &ForwardedHeaders,
    ) -> Self {
        let mut headers = head.headers;
        append_peer(&mut headers, peer, settings);
        for name in &sanitized.hop_by_hop {
            headers.remove(name);
        }
        if sanitized.trailers {
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
        }
        if sanitized.websocket {
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        }
        Self {
            host: headers.get(header::HOST).cloned(),
            target: head.uri,
            method: head.method,
            headers,
            body,
            websocket: sanitized.websocket,
        }
    }

    /// The client asks for a WebSocket.
    pub(super) fn websocket(&self) -> bool {
        self.websocket
    }

    /// True when sending it twice does no harm and is possible.
    pub(super) fn is_repeatable(&self) -> bool {
        self.method.is_idempotent() && self.body.is_empty() && !self.websocket
    }

    /// The request for the server of `pick`. With `keep`, the call can be made again even when this request
    /// does not come back.
    ///
    /// # Errors
    /// The answer of a middleware in front of the server.
    pub(super) fn request(
        &mut self,
        pick: &Pick,
        keep: bool,
    ) -> Result<Request<RequestBody>, Box<Response<Bytes>>> {
        let keep = keep || !pick.middlewares.is_empty();
        let headers = if keep {
            self.headers.clone()
        } else {
            std::mem::take(&mut self.headers)
        };
        let mut request = Request::new(std::mem::take(&mut self.body));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.target.clone();
        *request.headers_mut() = headers;
        if !pick.middlewares.is_empty() {
            request = self.meet(&pick.middlewares, request)?;
        }
        self.address(&mut request, &pick.server);
        Ok(request)
    }

    /// Leads the request through the chains of inner services.
    fn meet(
        &mut self,
        chains: &[Chain],
        request: Request<RequestBody>,
    ) -> Result<Request<RequestBody>, Box<Response<Bytes>>> {
        let (mut head, body) = request.into_parts();
        for middleware in chains.iter().flat_map(|chain| chain.iter()) {
            if let ControlFlow::Break(answer) = middleware.step.request(&mut head) {
                self.body = body;
                return Err(Box::new(answer));
            }
        }
        Ok(Request::from_parts(head, body))
    }

    /// Puts the server's name and path where they belong.
    fn address(&self, request: &mut Request<RequestBody>, server: &Server) {
        if (!server.pass_host_header || self.host.is_none())
            && let Ok(host) = HeaderValue::from_str(&server.authority)
        {
            request.headers_mut().insert(header::HOST, host);
        }
        if server.preserve_path && !server.url.path.is_empty() {
            let path = server.url.path.trim_end_matches('/');
            let rest = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
            if let Ok(joined) = PathAndQuery::try_from(format!("{path}{rest}")) {
                *request.uri_mut() = Uri::from(joined);
            }
        }
    }

    /// Takes back a request that was never written.
    pub(super) fn restore(&mut self, request: Request<RequestBody>, pick: &Pick) {
        let (head, body) = request.into_parts();
        self.body = body;
        // With middlewares in front of the server, the call kept its own headers.
        if pick.middlewares.is_empty() {
            self.headers = head.headers;
            if let Some(host) = &self.host {
                self.headers.insert(header::HOST, host.clone());
            }
        }
    }
}
