//! What is known of one finished request.

use std::time::Duration;

use http::{HeaderMap, Method, header};

use super::Label;

/// One finished request, as its worker saw it. Borrowed: recording clones a name only the first time a
/// combination of labels is seen.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// The entrypoint it came in on.
    pub entry_point: &'a Label,
    /// The qualified name of the router that took it; `None` when none matched.
    pub router: Option<&'a Label>,
    /// The qualified name of the service that answered; `None` when none was reached.
    pub service: Option<&'a Label>,
    /// The status sent to the client; for gRPC its [`GrpcStatus::code`].
    pub code: u16,
    /// The method of the request.
    pub method: &'a Method,
    /// What was spoken.
    pub protocol: Protocol,
    /// From the first byte of the request's head to the last of the answer.
    pub duration: Duration,
    /// Body bytes received from the client.
    pub request_bytes: u64,
    /// Body bytes sent to the client.
    pub response_bytes: u64,
    /// How often another server was tried.
    pub retries: u32,
    /// Answered by Mesh itself; counted only with `metrics.addInternals`.
    pub internal: bool,
}

/// What was spoken in a request, by its headers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Plain requests and answers.
    #[default]
    Http,
    /// A connection that was upgraded to WebSocket.
    Websocket,
    /// Server-sent events.
    Sse,
    /// gRPC.
    Grpc,
    /// gRPC as browsers speak it.
    GrpcWeb,
}

impl Protocol {
    /// Tells by the headers of a request.
    pub fn of(headers: &HeaderMap) -> Self {
        // One pass costs less than looking for each of them.
        let told = headers.iter().filter_map(|(name, value)| {
            let is = |prefix: &[u8]| {
                let start = value.as_bytes().get(..prefix.len());
                start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
            };
            match *name {
                header::UPGRADE if is(b"websocket") => Some((0, Self::Websocket)),
                header::CONTENT_TYPE if is(b"application/grpc-web") => Some((1, Self::GrpcWeb)),
                header::CONTENT_TYPE if is(b"application/grpc") => Some((1, Self::Grpc)),
                header::ACCEPT if is(b"text/event-stream") => Some((2, Self::Sse)),
                _ => None,
            }
        });
        told.min_by_key(|(rank, _)| *rank)
            .map_or(Self::Http, |(_, protocol)| protocol)
    }

    /// True for gRPC of either kind, where the status of HTTP says little.
    pub fn is_grpc(self) -> bool {
        matches!(self, Self::Grpc | Self::GrpcWeb)
    }

    /// As it appears in the label `protocol`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Websocket => "websocket",
            Self::Sse => "sse",
            Self::Grpc => "grpc",
            Self::GrpcWeb => "grpc-web",
        }
    }
}

/// What gRPC calls an outcome that nobody told.
const UNKNOWN: u16 = 2;

/// The outcome of a gRPC call: `grpc-status` in the head of its answer or, as a rule, in the trailers.
#[derive(Debug, Clone, Copy, Default)]
pub struct GrpcStatus(Option<u16>);

impl GrpcStatus {
    /// The last number that gRPC knows (`UNAUTHENTICATED`). Servers do not get to invent series.
    const MAX: u16 = 16;

    /// Takes what `headers` say, if anything.
    pub fn read(&mut self, headers: &HeaderMap) {
        let told = headers.get("grpc-status").and_then(|value| value.to_str().ok());
        let number = told.and_then(|text| text.parse().ok());
        self.0 = number.filter(|number| *number <= Self::MAX).or(self.0);
    }

    /// As it appears in the label `code`.
    pub fn code(self) -> u16 {
        self.0.unwrap_or(UNKNOWN)
    }
}

/// The label `method`: clients choose methods freely, so what is not well known has one name.
pub(super) fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ => "EXTENSION_METHOD",
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_protocol_shows_in_the_headers() {
        let of = |name: header::HeaderName, value| {
            Protocol::of(&HeaderMap::from_iter([(name, HeaderValue::from_static(value))]))
        };
        assert_eq!(of(header::UPGRADE, "WebSocket"), Protocol::Websocket);
        assert_eq!(of(header::CONTENT_TYPE, "application/grpc+proto"), Protocol::Grpc);
        assert_eq!(
            of(header::CONTENT_TYPE, "application/grpc-web"),
            Protocol::GrpcWeb
        );
        assert_eq!(of(header::ACCEPT, "text/event-stream"), Protocol::Sse);
        assert_eq!(of(header::ACCEPT, "*/*"), Protocol::Http);
    }

    #[test]
    fn the_outcome_of_a_call_is_unknown_until_a_known_number_tells_it() {
        let mut status = GrpcStatus::default();
        for (told, code) in [("", 2), ("-1", 2), ("17", 2), ("5", 5), ("x", 5), ("0", 0)] {
            let told = HeaderValue::from_str(told).unwrap();
            status.read(&HeaderMap::from_iter([("grpc-status".parse().unwrap(), told)]));
            assert_eq!(status.code(), code);
        }
    }

    #[test]
    fn unknown_methods_share_one_label() {
        let invented = Method::from_bytes(b"BREW").unwrap();
        assert_eq!(method_label(&invented), "EXTENSION_METHOD");
    }
}
