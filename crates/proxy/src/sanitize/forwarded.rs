//! What servers learn about the client: the `X-Forwarded-*` family.

use std::{
    cell::{Cell, OnceCell},
    net::IpAddr,
};

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, header, request};
use tokio_rustls::rustls::pki_types::CertificateDer;

use super::{headers::Seen, host, owned};
use crate::{http1::line, settings::ForwardedHeaders};

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
    /// By which it proved who it is, its own first.
    certificates: OnceCell<Vec<CertificateDer<'static>>>,
    /// Lines about it that are the same in every request.
    lines: OnceCell<Bytes>,
}

/// What servers learn about the client of a request that has no word on it, as it is written into a head: nobody on
/// the way looks at it, so that it need not be among the headers.
#[derive(Debug, Clone)]
pub(crate) struct Introduction {
    lines: Bytes,
    usual_port: &'static str,
}

impl Introduction {
    /// Writes it for a request to `host`.
    pub(crate) fn write(&self, host: Option<&HeaderValue>, out: &mut BytesMut) {
        out.put_slice(&self.lines);
        let port = host.and_then(|host| host::port(host.to_str().ok()?));
        let port = port.unwrap_or(self.usual_port);
        line(&X_FORWARDED_PORT, port.as_bytes(), out);
        if let Some(host) = host {
            line(&X_FORWARDED_HOST, host.as_bytes(), out);
        }
    }
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
            certificates: OnceCell::new(),
            lines: OnceCell::new(),
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

    /// It proved who it is by these certificates, its own first.
    pub(crate) fn present(&self, chain: &[CertificateDer<'static>]) {
        let _once = self.certificates.set(chain.to_vec());
    }

    /// The certificates by which it proved who it is, its own first; none if it did not.
    pub(crate) fn certificates(&self) -> &[CertificateDer<'static>] {
        self.certificates.get().map_or(&[], Vec::as_slice)
    }

    /// How it came: `http` or `https`.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.is_secure() { "https" } else { "http" }
    }

    /// What servers learn about it.
    pub(crate) fn introduction(&self, settings: &ForwardedHeaders) -> Introduction {
        let lines = self.lines.get_or_init(|| {
            let mut lines = BytesMut::new();
            line(&X_REAL_IP, self.ip_value.as_bytes(), &mut lines);
            line(&X_FORWARDED_PROTO, self.scheme().as_bytes(), &mut lines);
            line(&X_FORWARDED_SERVER, self.server.as_bytes(), &mut lines);
            if !settings.not_append_x_forwarded_for {
                line(&X_FORWARDED_FOR, self.ip_value.as_bytes(), &mut lines);
            }
            lines.freeze()
        });
        Introduction {
            lines: lines.clone(),
            usual_port: if self.is_secure() { "443" } else { "80" },
        }
    }

    /// The client that the peer speaks for, in its own words, if it is believed.
    pub(crate) fn forwarded_for(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let believed = headers.get(&X_FORWARDED_FOR).filter(|_| self.trusted);
        believed.cloned()
    }
}

/// Drops what an untrusted peer claims. False if nothing is known of the client then but what its connection tells, so
/// that its [`Introduction`] says it all.
pub(super) fn trust(head: &mut request::Parts, peer: &Peer, seen: &Seen) -> bool {
    if seen.managed && !peer.trusted {
        drop_managed(&mut head.headers);
    }
    seen.managed && peer.trusted
}

/// Says what is not said yet; `known` as [`trust`] found.
pub(super) fn set(
    head: &mut request::Parts,
    peer: &Peer,
    websocket: bool,
    known: bool,
    settings: &ForwardedHeaders,
) {
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

/// Makes one line of several. One that says nothing is none: an empty one stands for a middleware's will.
fn fold_lines(headers: &mut HeaderMap, name: &HeaderName) {
    let mut lines = headers.get_all(name).iter();
    if let (Some(line), None) = (lines.next(), lines.next())
        && !line.is_empty()
    {
        return;
    }
    let lines = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    let folded = HeaderValue::from_bytes(&lines.join(&b", "[..]));
    match folded {
        Ok(value) if !value.is_empty() => drop(headers.insert(name, value)),
        _ => drop(headers.remove(name)),
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

#[cfg(test)]
mod tests {
    use http::Request;
    use proptest::{prelude::*, sample::select};

    use super::{
        super::{sanitize, sanitize_silently},
        *,
    };
    use crate::settings::EntryPoint;

    /// Names and values of headers.
    type Lines = Vec<(String, String)>;

    /// Names that Mesh speaks for, names that some servers fold to those, and who names them in `Connection`.
    fn claims() -> impl Strategy<Value = Lines> {
        let managed = select(vec![
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-port",
            "x-forwarded-proto",
            "x-forwarded-prefix",
            "x-forwarded-server",
            "x-forwarded-scheme",
            "x-forwarded-client-cert",
            "x-real-ip",
            "x-scheme",
            "forwarded",
        ]);
        let other = "x-forwarded-[a-z]{1,6}(-[a-z]{1,3})?";
        let name = prop_oneof![4 => managed.prop_map(str::to_owned), 1 => other];
        let spelled = (name, select(vec!["-", "_", "."]), prop::bool::weighted(0.8)).prop_map(
            |(name, separator, usual)| match usual {
                true => name,
                false => name.replace('-', separator),
            },
        );
        let value = prop_oneof![
            Just("6.6.6.6".to_owned()),
            Just(String::new()),
            "[!-~]([ -~]{0,10}[!-~])?",
        ];
        let line = (spelled, value, prop::bool::weighted(0.1)).prop_map(|(name, value, hop)| match hop {
            true => ("connection".to_owned(), name),
            false => (name, value),
        });
        prop::collection::vec(line, 0..8)
    }

    fn entry_point() -> impl Strategy<Value = EntryPoint> {
        (any::<bool>(), any::<bool>()).prop_map(|(no_append, schemes)| {
            let mut settings = EntryPoint::new(":0".parse().unwrap());
            settings.forwarded_headers.not_append_x_forwarded_for = no_append;
            settings.forwarded_headers.add_x_forwarded_scheme_headers = schemes;
            settings
        })
    }

    fn of(lines: &Lines) -> request::Parts {
        let mut request = Request::builder()
            .uri("/")
            .header("host", "a.test:81")
            .header("x-own", "1");
        for (name, value) in lines {
            request = request.header(name, value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn hop(last: u8, trusting: bool, settings: &EntryPoint) -> (Peer, EntryPoint) {
        let mut settings = settings.clone();
        settings.forwarded_headers.insecure = trusting;
        let server = HeaderValue::from_static("edge-1");
        let peer = Peer::new([192, 0, 2, last].into(), server, &settings.forwarded_headers);
        (peer, settings)
    }

    /// What goes on to the next hop.
    fn passed(mut head: request::Parts, (peer, settings): &(Peer, EntryPoint)) -> request::Parts {
        sanitize(&mut head, peer, settings).unwrap();
        append_peer(&mut head.headers, peer, &settings.forwarded_headers);
        head
    }

    fn values(headers: &HeaderMap, name: &str) -> Vec<String> {
        let values = headers.get_all(name).iter();
        values.map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    proptest! {
        #[test]
        fn what_a_stranger_claims_changes_nothing(claims in claims(), settings in entry_point()) {
            let hop = hop(7, false, &settings);
            let (claimed, plain) = (passed(of(&claims), &hop), passed(of(&Lines::new()), &hop));
            prop_assert_eq!(claimed.headers, plain.headers);
        }

        #[test]
        fn an_introduction_says_what_headers_would(claims in claims(), settings in entry_point(), secure in any::<bool>(), port in select(vec!["", ":81", ":"])) {
            let (peer, settings) = hop(7, false, &settings);
            if secure {
                peer.secure();
            }
            let mut head = of(&claims);
            head.headers.insert(header::HOST, format!("a.test{port}").parse().unwrap());
            let mut expected = Request::new(()).into_parts().0;
            expected.headers.clone_from(&head.headers);
            let expected = passed(expected, &(peer, settings.clone())).headers;
            let (peer, _) = hop(7, false, &settings);
            if secure {
                peer.secure();
            }
            let sanitized = sanitize_silently(&mut head, &peer, &settings).unwrap();
            prop_assert_eq!(sanitized.is_silent, !settings.forwarded_headers.add_x_forwarded_scheme_headers);
            let mut out = BytesMut::new();
            if sanitized.is_silent {
                peer.introduction(&settings.forwarded_headers).write(head.headers.get(header::HOST), &mut out);
            } else {
                append_peer(&mut head.headers, &peer, &settings.forwarded_headers);
            }
            let mut got = head.headers;
            for line in std::str::from_utf8(&out).unwrap().lines() {
                let (name, value) = line.split_once(": ").unwrap();
                got.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
            }
            prop_assert_eq!(got, expected);
        }

        #[test]
        fn what_the_trusted_say_is_kept_and_added_to_once(claims in claims(), settings in entry_point()) {
            let hop = hop(7, true, &settings);
            let said = of(&claims).headers;
            let passed = passed(of(&claims), &hop).headers;
            let mut chain = values(&said, "x-forwarded-for");
            chain.retain(|line| !line.is_empty());
            if !settings.forwarded_headers.not_append_x_forwarded_for {
                chain.push("192.0.2.7".to_owned());
            }
            let chain: Vec<_> = Some(chain.join(", ")).filter(|chain| !chain.is_empty()).into_iter().collect();
            prop_assert_eq!(values(&passed, "x-forwarded-for"), chain);
            prop_assert_eq!(values(&passed, "x-forwarded-server"), ["edge-1"]);
            let schemes = settings.forwarded_headers.add_x_forwarded_scheme_headers;
            for name in said.keys().map(HeaderName::as_str) {
                let is_own = ["x-forwarded-for", "x-forwarded-server", "connection"].contains(&name);
                let is_scheme = schemes && ["x-forwarded-scheme", "x-scheme"].contains(&name);
                if is_own || is_scheme {
                    continue;
                }
                let kept = if name.contains(['_', '.']) { Vec::new() } else { values(&said, name) };
                prop_assert_eq!(values(&passed, name), kept, "{}", name);
            }
        }

        #[test]
        fn one_hop_says_it_once(claims in claims(), trusting in any::<bool>(), settings in entry_point()) {
            let (peer, settings) = hop(7, trusting, &settings);
            let mut head = of(&claims);
            sanitize(&mut head, &peer, &settings).unwrap();
            let once = head.headers.clone();
            sanitize(&mut head, &peer, &settings).unwrap();
            prop_assert_eq!(head.headers, once);
        }

        #[test]
        fn a_second_hop_that_trusts_the_first_adds_that_and_nothing_else(claims in claims(), settings in entry_point()) {
            let first = passed(of(&claims), &hop(7, false, &settings)).headers;
            let mut second = of(&Lines::new());
            second.headers.clone_from(&first);
            let second = passed(second, &hop(8, true, &settings)).headers;
            let mut expected = first;
            if !settings.forwarded_headers.not_append_x_forwarded_for {
                expected.insert(&X_FORWARDED_FOR, HeaderValue::from_static("192.0.2.7, 192.0.2.8"));
            }
            prop_assert_eq!(second, expected);
        }
    }
}
