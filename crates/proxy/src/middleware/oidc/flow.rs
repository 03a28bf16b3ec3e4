//! The steps of a login that need nobody's answer: what to ask the provider, and what to make of its word.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, Method, header, request};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How long a login may take, in seconds.
pub(super) const LOGIN_TIME: u64 = 10 * 60;

/// The longest address that a login returns to; from a longer one users return to the root.
const MAX_BACK: usize = 1024;

/// A login that has begun in one browser, which keeps it, sealed, until the provider answers.
#[derive(Serialize, Deserialize)]
pub(super) struct Login {
    /// Comes back with the answer.
    #[serde(rename = "s")]
    pub(super) state: String,
    /// Comes back within the ID token.
    #[serde(rename = "n")]
    pub(super) nonce: String,
    /// Proves that whoever brings the code also asked for it.
    #[serde(rename = "v")]
    pub(super) verifier: String,
    /// Where the user wanted to go, as a whole URL.
    #[serde(rename = "b")]
    pub(super) back: String,
    /// Seconds since 1970.
    #[serde(rename = "t")]
    pub(super) began: u64,
}

impl Login {
    /// One that returns to `target` at `origin`.
    pub(super) fn new(origin: &Origin, target: &str, now: u64) -> Self {
        let target = if target.len() > MAX_BACK { "/" } else { target };
        Self {
            state: random(),
            nonce: random(),
            verifier: random(),
            back: format!("{origin}{target}"),
            began: now,
        }
    }

    /// True if it began with `state`, and not too long ago.
    pub(super) fn is_answered_by(&self, state: &str, now: u64) -> bool {
        verify_slices_are_equal(self.state.as_bytes(), state.as_bytes()).is_ok()
            && now.saturating_sub(self.began) < LOGIN_TIME
    }

    /// Where a browser asks the provider: its address with our question.
    pub(super) fn question(&self, endpoint: &Url, asked: &Asked<'_>) -> Url {
        let mut url = endpoint.clone();
        let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(&self.verifier));
        url.query_pairs_mut()
            .extend_pairs(asked.more.iter().map(|(name, value)| (name, value)))
            .extend_pairs([
                ("response_type", "code"),
                ("client_id", asked.client_id),
                ("redirect_uri", asked.redirect),
                ("scope", asked.scope),
                ("state", &self.state),
                ("nonce", &self.nonce),
                ("code_challenge", &digest),
                ("code_challenge_method", "S256"),
            ]);
        url
    }
}

/// What is asked of a provider, in every login.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) client_id: &'a str,
    pub(super) redirect: &'a str,
    pub(super) scope: &'a str,
    pub(super) more: &'a [(String, String)],
}

/// Parameters of the question that are not for configuration.
pub(super) const OWN_PARAMETERS: [&str; 11] = [
    "response_type",
    "response_mode",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "request",
    "request_uri",
];

/// The provider's answer, as a browser brings it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// The user logged in.
    Code { code: String, state: String },
    /// The provider says no, for this reason.
    Error { error: String, state: String },
}

impl Told {
    /// Reads the query of a callback; `None` if it is no answer, or one of somebody else than `issuer` (RFC 9207).
    pub(super) fn read(query: &str, issuer: &str) -> Option<Self> {
        let url = Url::parse(&format!("http://callback/?{query}")).ok()?;
        let one = |name: &str| {
            let mut values = url
                .query_pairs()
                .filter(|(found, _)| found == name)
                .map(|(_, value)| value);
            let value = values.next()?;
            values.next().is_none().then(|| value.into_owned())
        };
        if url.query_pairs().any(|(name, _)| name == "iss") && one("iss").as_deref() != Some(issuer) {
            return None;
        }
        let state = one("state")?;
        match (one("code"), one("error")) {
            (Some(code), None) => Some(Self::Code { code, state }),
            (None, Some(error)) => {
                let error = error
                    .chars()
                    .filter(|c| c.is_ascii_lowercase() || *c == '_')
                    .take(64)
                    .collect();
                Some(Self::Error { error, state })
            }
            _ => None,
        }
    }

    /// The state of the login that it answers.
    pub(super) fn state(&self) -> &str {
        match self {
            Self::Code { state, .. } | Self::Error { state, .. } => state,
        }
    }
}

/// A scheme, a host and its port, as a client used them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    scheme: &'static str,
    authority: String,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

impl Origin {
    /// Where a request was sent to, by the word of the entrypoint or of a proxy that it trusts.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let authority: http::uri::Authority = headers.get(header::HOST)?.to_str().ok()?.parse().ok()?;
        let proto = headers.get("x-forwarded-proto").map(http::HeaderValue::as_bytes);
        Some(Self {
            scheme: if matches!(proto, Some(b"https" | b"wss")) {
                "https"
            } else {
                "http"
            },
            authority: authority.as_str().to_ascii_lowercase(),
        })
    }

    /// The host without its port.
    pub(super) fn host(&self) -> &str {
        host(&self.authority)
    }
}

/// An authority without its port.
fn host(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// Which hosts a login may return to.
#[derive(Debug)]
pub(super) struct Returns {
    /// Those that are named; none means all in the domain of the session.
    pub(super) hosts: Vec<String>,
    /// The domain of the session; empty means the callback's host alone.
    pub(super) domain: String,
}

impl Returns {
    /// True if a login that ends at `callback` may go on at `back`.
    pub(super) fn allow(&self, callback: &Origin, back: &str) -> bool {
        let Ok(back) = Url::parse(back) else { return false };
        let Some(host) = back
            .host_str()
            .filter(|_| matches!(back.scheme(), "http" | "https"))
        else {
            return false;
        };
        if back.scheme() == "http" && callback.scheme == "https" {
            return false;
        }
        if host == callback.host() {
            return true;
        }
        match self.hosts.is_empty() {
            true => !self.domain.is_empty() && is_within(host, &self.domain),
            false => self.hosts.iter().any(|allowed| match allowed.strip_prefix("*.") {
                Some(domain) => host != domain && is_within(host, domain),
                None => host == allowed,
            }),
        }
    }
}

/// True if `host` is `domain` or below it.
pub(super) fn is_within(host: &str, domain: &str) -> bool {
    let rest = host.strip_suffix(domain);
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// True for requests that a person waits for: those are sent to log in. Scripts, uploads and WebSockets are told to.
pub(super) fn wants_page(head: &request::Parts) -> bool {
    let value = |name: &str| {
        let name = HeaderName::try_from(name).ok()?;
        head.headers.get(name)?.to_str().ok()
    };
    let is_script = value("x-requested-with").is_some_and(|by| by.eq_ignore_ascii_case("XMLHttpRequest"));
    let is_navigation = value("sec-fetch-mode").is_none_or(|mode| mode == "navigate");
    let takes_pages =
        value("accept").is_none_or(|accept| accept.contains("text/html") || accept.contains("*/*"));
    matches!(head.method, Method::GET | Method::HEAD) && !is_script && is_navigation && takes_pages
}

/// 256 bits in text.
fn random() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        let (scheme, authority) = text.split_once("://").unwrap();
        Origin {
            scheme: if scheme == "https" { "https" } else { "http" },
            authority: authority.to_owned(),
        }
    }

    #[test]
    fn the_question_holds_what_ties_its_answer_to_this_browser() {
        let login = Login::new(&origin("https://a.test"), "/x?y", 100);
        let asked = Asked {
            client_id: "me",
            redirect: "https://a.test/oauth2/callback",
            scope: "openid email",
            more: &[("prompt".to_owned(), "login".to_owned())],
        };
        let endpoint = Url::parse("https://idp.test/auth?tenant=1").unwrap();
        let url = login.question(&endpoint, &asked);
        let value = |name: &str| {
            url.query_pairs()
                .find(|(found, _)| found == name)
                .unwrap()
                .1
                .into_owned()
        };
        assert_eq!(
            (value("tenant"), value("prompt")),
            ("1".to_owned(), "login".to_owned())
        );
        assert_eq!(
            (value("state"), value("nonce")),
            (login.state.clone(), login.nonce.clone())
        );
        let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(&login.verifier));
        assert_eq!(
            (value("code_challenge"), value("code_challenge_method")),
            (digest, "S256".to_owned())
        );
        assert!(!url.as_str().contains(&login.verifier));
        assert_eq!(login.back, "https://a.test/x?y");
        let other = Login::new(&origin("https://a.test"), "/", 100);
        assert!(other.state != login.state && other.nonce != login.nonce && login.nonce != login.state);
    }

    #[test]
    fn a_login_is_answered_by_its_own_state_in_time() {
        let login = Login::new(&origin("https://a.test"), "/", 100);
        let state = login.state.clone();
        assert!(login.is_answered_by(&state, 100 + LOGIN_TIME - 1));
        assert!(!login.is_answered_by(&state, 100 + LOGIN_TIME));
        assert!(!login.is_answered_by(&format!("{state}x"), 101));
        assert!(!login.is_answered_by("", 101));
    }

    #[test]
    fn answers_are_whole_and_of_the_one_who_was_asked() {
        let read = |query| Told::read(query, "https://idp.test");
        let code = |code: &str| {
            Some(Told::Code {
                code: code.to_owned(),
                state: "s".to_owned(),
            })
        };
        assert_eq!(read("code=a%2Fb&state=s"), code("a/b"));
        assert_eq!(read("code=a&state=s&iss=https%3A%2F%2Fidp.test"), code("a"));
        let error = read("error=access_denied&error_description=x&state=s").unwrap();
        assert!(matches!(&error, Told::Error { error, .. } if error == "access_denied"));
        let tainted = read("error=<script>&state=s").unwrap();
        assert!(matches!(&tainted, Told::Error { error, .. } if error == "script"));
        for query in [
            "",
            "code=a",
            "state=s",
            "code=a&state=s&state=t",
            "code=a&code=b&state=s",
            "code=a&error=b&state=s",
            "code=a&state=s&iss=https%3A%2F%2Fevil.test",
            "code=a&state=s&iss=https%3A%2F%2Fidp.test&iss=x",
        ] {
            assert_eq!(read(query), None, "{query}");
        }
    }

    #[test]
    fn logins_return_to_hosts_of_ours_only() {
        let alone = Returns {
            hosts: Vec::new(),
            domain: String::new(),
        };
        let shared = Returns {
            hosts: Vec::new(),
            domain: "a.test".to_owned(),
        };
        let named = Returns {
            hosts: vec!["b.a.test".to_owned(), "*.c.test".to_owned()],
            domain: "a.test".to_owned(),
        };
        let callback = origin("https://login.a.test:8443");
        for (returns, back, allowed) in [
            (&alone, "https://login.a.test/x", true),
            (&alone, "https://login.a.test//evil.test/", true),
            (&alone, "https://b.a.test/", false),
            (&alone, "http://login.a.test/", false),
            (&alone, "javascript:alert(1)", false),
            (&alone, "//evil.test/", false),
            (&alone, "https://login.a.test@evil.test/", false),
            (&shared, "https://b.a.test/", true),
            (&shared, "https://a.test/", true),
            (&shared, "https://evila.test/", false),
            (&shared, "https://a.test.evil.test/", false),
            (&named, "https://b.a.test/", true),
            (&named, "https://d.a.test/", false),
            (&named, "https://x.c.test/", true),
            (&named, "https://c.test/", false),
        ] {
            assert_eq!(returns.allow(&callback, back), allowed, "{back} by {returns:?}");
        }
    }

    #[test]
    fn origins_are_what_the_client_used() {
        let of = |headers: &[(&'static str, &str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.insert(*name, value.parse().unwrap());
            }
            Origin::of(&map).map(|origin| (origin.to_string(), origin.host().to_owned()))
        };
        let found = |origin: &str, host: &str| Some((origin.to_owned(), host.to_owned()));
        assert_eq!(of(&[("host", "A.test")]), found("http://a.test", "a.test"));
        let secure = [("host", "a.test:8443"), ("x-forwarded-proto", "https")];
        assert_eq!(of(&secure), found("https://a.test:8443", "a.test"));
        assert_eq!(of(&[("host", "[::1]:80")]), found("http://[::1]:80", "[::1]"));
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn only_who_waits_for_a_page_is_sent_to_log_in() {
        for (method, headers, is_page) in [
            ("GET", &[][..], true),
            ("HEAD", &[("accept", "*/*")], true),
            (
                "GET",
                &[("accept", "text/html,*/*;q=0.8"), ("sec-fetch-mode", "navigate")],
                true,
            ),
            ("GET", &[("accept", "application/json")], false),
            ("GET", &[("x-requested-with", "XMLHttpRequest")], false),
            ("GET", &[("accept", "*/*"), ("sec-fetch-mode", "cors")], false),
            ("GET", &[("sec-fetch-mode", "websocket")], false),
            ("POST", &[("accept", "text/html")], false),
        ] {
            let mut request = http::Request::builder().method(method);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let (head, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(wants_page(&head), is_page, "{method} {headers:?}");
        }
    }
}
