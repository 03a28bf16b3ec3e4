//! What servers learn about the client: the `X-Forwarded-*` family.

use std::{cell::Cell, net::IpAddr};

use bytes::{BufMut, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, header, request};

use super::{headers::Seen, host, owned};
use crate::settings::ForwardedHeaders;

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static X_FORWARDED_SCHEME: HeaderName = HeaderName::from_static("x-forwarded-scheme");
static X_FORWARDED_SERVER: HeaderName = HeaderName::from_static("x-forwarded-server");
static X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
static X_SCHEME: HeaderName = HeaderName::from_static("x-scheme");

/// The peer of a connection; made once when it is accepted.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Its address; of IPv4 peers on an IPv6 socket the IPv4 one.
    pub(crate) ip: IpAddr,
    /// The same as a header value.
    ip_value: HeaderValue,
    /// What it says about its client is believed.
    trusted: bool,
    /// This machine's name.
    server: HeaderValue,
    /// It is spoken to over TLS.
    secure: Cell<bool>,
}

impl Peer {
    pub(crate) fn new(ip: IpAddr, server: HeaderValue, settings: &ForwardedHeaders) -> Self {
        let ip = ip.to_canonical();
        Self {
            ip,
            ip_value: HeaderValue::from_str(&ip.to_string()).unwrap_or(HeaderValue::from_static("unknown")),
            trusted: settings.trusts(ip),
            server,
            secure: Cell::new(false),
        }
    }

    /// From now on it is spoken to over TLS.
    pub(crate) fn secure(&self) {
        self.secure.set(true);
    }

    /// True if it is spoken to over TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.secure.get()
    }

    /// How it came: `http` or `https`.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.is_secure() { "https" } else { "http" }
    }

    /// The client that the peer speaks for, in its own words, if it is believed.
    pub(crate) fn forwarded_for(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let believed = headers.get(&X_FORWARDED_FOR).filter(|_| self.trusted);
        believed.cloned()
    }
}

/// Drops what an untrusted peer claims, and says what is not said yet.
pub(super) fn set(
    head: &mut request::Parts,
    peer: &Peer,
    websocket: bool,
    seen: &Seen,
    settings: &ForwardedHeaders,
) {
    if seen.managed && !peer.trusted {
        drop_managed(&mut head.headers);
    }
    let known = seen.managed && peer.trusted;
    let (proto, usual_port) = match (websocket, peer.is_secure()) {
        (false, false) => ("http", "80"),
        (false, true) => ("https", "443"),
        (true, false) => ("ws", "80"),
        (true, true) => ("wss", "443"),
    };
    let (proto, usual_port) = (
        HeaderValue::from_static(proto),
        HeaderValue::from_static(usual_port),
    );
    let host = head.headers.get(header::HOST).cloned();
    let port = match host.as_ref().and_then(|host| host::port(host.to_str().ok()?)) {
        None => usual_port,
        Some(port) => HeaderValue::from_str(port).unwrap_or(usual_port),
    };
    let headers = &mut head.headers;
    let mut say = |name: &HeaderName, value: HeaderValue| {
        if !known || !headers.contains_key(name) {
            headers.insert(name, value);
        }
    };
    say(&X_REAL_IP, peer.ip_value.clone());
    say(&X_FORWARDED_PROTO, proto);
    say(&X_FORWARDED_PORT, port);
    if let Some(host) = host {
        say(&X_FORWARDED_HOST, host);
    }
    headers.insert(&X_FORWARDED_SERVER, peer.server.clone());
    if known {
        fold_lines(headers, &X_FORWARDED_FOR);
    }
    if settings.add_x_forwarded_scheme_headers
        && let Some(proto) = headers.get(&X_FORWARDED_PROTO).cloned()
    {
        headers.insert(&X_FORWARDED_SCHEME, proto.clone());
        headers.insert(&X_SCHEME, proto);
    }
}

fn drop_managed(headers: &mut HeaderMap) {
    let managed: Vec<HeaderName> = headers
        .keys()
        .filter(|name| owned::is_managed(name.as_str()))
        .cloned()
        .collect();
    for name in managed {
        headers.remove(name);
    }
}

/// Makes one line of several.
fn fold_lines(headers: &mut HeaderMap, name: &HeaderName) {
    let mut lines = headers.get_all(name).iter();
    let (Some(_), Some(_)) = (lines.next(), lines.next()) else {
        return;
    };
    let lines: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(value) = HeaderValue::from_bytes(&lines.join(&b", "[..])) {
        headers.insert(name, value);
    }
}

/// Adds the peer to `X-Forwarded-For`. A middleware that emptied the header wants it gone.
pub(crate) fn append_peer(headers: &mut HeaderMap, peer: &Peer, settings: &ForwardedHeaders) {
    match headers.get(&X_FORWARDED_FOR) {
        Some(value) if value.is_empty() => {
            headers.remove(&X_FORWARDED_FOR);
        }
        _ if settings.not_append_x_forwarded_for => {}
        None => {
            headers.insert(&X_FORWARDED_FOR, peer.ip_value.clone());
        }
        Some(before) => {
            let mut text = BytesMut::with_capacity(before.len() + 2 + peer.ip_value.len());
            text.put_slice(before.as_bytes());
            text.put_slice(b", ");
            text.put_slice(peer.ip_value.as_bytes());
            if let Ok(value) = HeaderValue::from_maybe_shared(text.freeze()) {
                headers.insert(&X_FORWARDED_FOR, value);
            }
        }
    }
}
