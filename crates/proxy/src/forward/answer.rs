//! What came back.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, Version, header, response};
use hyper::body::Incoming;
use smallvec::SmallVec;

use super::{Call, ForwardError};
use crate::{
    respond::X_MESH_REASON,
    sanitize::{is_hop_by_hop, tokens},
    service::InFlight,
    upstream::{AnswerBody, Lease, Sender, Switched},
};

/// An answer for the client.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Status and headers.
    pub(crate) head: response::Parts,
    /// What follows.
    pub(crate) body: Source,
}

/// What follows the head of an answer.
#[derive(Debug)]
pub(crate) enum Source {
    /// Bytes made in this process.
    Local(Bytes),
    /// The body of a server.
    Server(Box<AnswerBody>),
    /// Another protocol, from here on both ways.
    Tunnel(Switched, InFlight),
}

impl From<Response<Bytes>> for Answer {
    fn from(response: Response<Bytes>) -> Self {
        let (head, body) = response.into_parts();
        Self {
            head,
            body: Source::Local(body),
        }
    }
}

/// Checks an answer, and takes off what belongs to the server's connection. Its body is `shared` where requests
/// share the connection.
pub(super) fn accept(
    mut response: Response<()>,
    shared: Option<Incoming>,
    lease: Lease,
    in_flight: InFlight,
    call: &Call,
) -> Result<Answer, ForwardError> {
    let switches = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    if switches && !call.offered().is_some_and(|name| switches_to(&response, name)) {
        return Err(ForwardError::UnaskedUpgrade(lease.server.authority.clone()));
    }
    if switches
        && !call
            .handshake()
            .is_none_or(|it| it.is_accepted(response.headers()))
    {
        return Err(ForwardError::Handshake(lease.server.authority.clone()));
    }
    if response.status().as_u16() > 599 {
        return Err(ForwardError::Status {
            server: lease.server.authority.clone(),
            status: response.status(),
        });
    }
    // Over HTTP/1.1 the codec has left it out already, but for what tells of an upgrade.
    if shared.is_some() || switches {
        strip(&mut response).map_err(|()| ForwardError::TransferEncoding(lease.server.authority.clone()))?;
    }
    let (mut head, ()) = response.into_parts();
    // What the codec notes for itself is not the client's business.
    head.extensions.clear();
    // Each hop speaks its own version (RFC 9110 2.5); the codec lowers it for an older client.
    head.version = Version::HTTP_11;
    if !switches {
        let mut body = AnswerBody::new(shared, lease, in_flight);
        body.limit(call.limits().idle, call.deadline());
        let body = Source::Server(Box::new(body));
        return Ok(Answer { head, body });
    }
    let switched = match lease.sender {
        Sender::One(connection) => connection.into_switched(),
        Sender::Shared(_) => None,
    };
    let switched = switched.ok_or_else(|| ForwardError::UnaskedUpgrade(lease.server.authority.clone()))?;
    tell(&mut head, call);
    Ok(Answer {
        head,
        body: Source::Tunnel(switched, in_flight),
    })
}

/// Tells the client that it goes on with another protocol: within HTTP/2 by success alone (RFC 8441 5).
fn tell(head: &mut response::Parts, call: &Call) {
    if call.handshake().is_some() {
        head.status = StatusCode::OK;
        head.headers.remove(header::SEC_WEBSOCKET_ACCEPT);
        head.headers.remove(header::CONTENT_LENGTH);
        return;
    }
    head.headers
        .insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    if let Some(name) = call.offered() {
        head.headers.insert(header::UPGRADE, name.clone());
    }
}

/// True when a server goes on with what it was asked for, and nothing beside it.
fn switches_to<B>(response: &Response<B>, name: &HeaderValue) -> bool {
    let mut upgrades = tokens(response.headers(), header::UPGRADE);
    let is_same = |token: &str| token.as_bytes().eq_ignore_ascii_case(name.as_bytes());
    upgrades.next().is_some_and(is_same) && upgrades.next().is_none()
}

/// Takes off hop-by-hop headers and framing; fails on framing that can be read in two ways.
fn strip<B>(response: &mut Response<B>) -> Result<(), ()> {
    let mut dropped: SmallVec<[HeaderName; 4]> = SmallVec::new();
    let mut chunked = false;
    response.headers_mut().remove(&X_MESH_REASON);
    for name in response.headers().keys() {
        if !is_hop_by_hop(name.as_str()) {
            continue;
        }
        dropped.push(name.clone());
        if *name == header::TRANSFER_ENCODING {
            let mut lines = response.headers().get_all(name).iter();
            let is_chunked = lines
                .next()
                .is_some_and(|line| line.as_bytes().eq_ignore_ascii_case(b"chunked"));
            if !is_chunked || lines.next().is_some() {
                return Err(());
            }
            chunked = true;
        }
        if *name == header::CONNECTION {
            let named = tokens(response.headers(), header::CONNECTION)
                .filter_map(|token| HeaderName::from_bytes(token.as_bytes()).ok())
                .filter(|name| *name != header::CONTENT_LENGTH);
            dropped.extend(named);
        }
    }
    if chunked {
        dropped.push(header::CONTENT_LENGTH);
    }
    for name in dropped {
        response.headers_mut().remove(name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(headers: &[(&str, &str)]) -> Result<Vec<String>, ()> {
        let mut response = Response::new(());
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            response.headers_mut().append(name, value.parse().unwrap());
        }
        strip(&mut response)?;
        let mut names: Vec<_> = response.headers().keys().map(ToString::to_string).collect();
        names.sort();
        Ok(names)
    }

    #[test]
    fn what_belongs_to_the_servers_connection_is_taken_off() {
        let headers = [
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            ("keep-alive", "5"),
            ("proxy-authenticate", "x"),
            ("upgrade", "h2c"),
            ("trailer", "x-sum"),
            ("x-mesh-reason", "forged"),
            ("x-kept", "1"),
        ];
        assert_eq!(stripped(&headers).unwrap(), ["trailer", "x-kept"]);
    }

    #[test]
    fn chunked_wins_over_a_length_and_nothing_else_is_a_coding() {
        let both = [("content-length", "5"), ("transfer-encoding", "chunked")];
        assert!(stripped(&both).unwrap().is_empty());
        assert!(stripped(&[("transfer-encoding", "foo")]).is_err());
        assert!(stripped(&[("transfer-encoding", "gzip, chunked")]).is_err());
    }
}
