//! What browsers ask and are told about requests of other sites (CORS, the Fetch standard).

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, header, request};
use mesh_config::{model, rule::Pattern};

use super::super::InvalidMiddleware;

/// Longest origin or list of names that is looked at, in bytes.
const MAX_ASKED: usize = 4096;

/// What other sites may do.
#[derive(Debug)]
pub(super) struct Cors {
    credentials: bool,
    headers: Names,
    methods: Names,
    expose: Names,
    any_origin: bool,
    origins: Vec<String>,
    patterns: Vec<Pattern>,
    max_age: Option<HeaderValue>,
    vary: bool,
}

/// Names in a list, and whether it holds a `*`.
#[derive(Debug, Default)]
struct Names {
    joined: Option<HeaderValue>,
    all: bool,
}

impl Cors {
    /// `None` when nothing is said about other sites.
    pub(super) fn new(settings: &model::Headers) -> Result<Option<Self>, InvalidMiddleware> {
        let names = |key, list: &[String]| Names::new(key, list);
        let cors = Self {
            credentials: settings.access_control_allow_credentials,
            headers: names(
                "accessControlAllowHeaders",
                &settings.access_control_allow_headers,
            )?,
            methods: names(
                "accessControlAllowMethods",
                &settings.access_control_allow_methods,
            )?,
            expose: names(
                "accessControlExposeHeaders",
                &settings.access_control_expose_headers,
            )?,
            any_origin: settings
                .access_control_allow_origin_list
                .iter()
                .any(|it| it == "*"),
            origins: settings.access_control_allow_origin_list.clone(),
            patterns: settings.access_control_allow_origin_list_regex.clone(),
            max_age: settings.access_control_max_age.map(HeaderValue::from),
            vary: settings.add_vary_header,
        };
        // They are told to browsers as they are.
        if let Some(wrong) = cors.origins.iter().find(|it| HeaderValue::from_str(it).is_err()) {
            return Err(InvalidMiddleware {
                key: "accessControlAllowOriginList",
                found: wrong.clone(),
                reason: "is no origin; write one such as https://shop.example.com",
            });
        }
        let says_nothing = !cors.credentials
            && cors.headers.joined.is_none()
            && cors.methods.joined.is_none()
            && cors.expose.joined.is_none()
            && cors.origins.is_empty()
            && cors.patterns.is_empty()
            && cors.max_age.is_none()
            && !cors.vary;
        Ok((!says_nothing).then_some(cors))
    }

    /// The value of `Access-Control-Allow-Origin`, if the site that asks may read the answer.
    pub(super) fn allowed(&self, head: &request::Parts) -> Option<HeaderValue> {
        let origin = head.headers.get(header::ORIGIN);
        let text = origin.and_then(|origin| origin.to_str().ok());
        let text = text.filter(|text| text.len() <= MAX_ASKED);
        let is_listed = |text: &str| self.origins.iter().any(|listed| listed == text);
        // A part of an origin is another origin: https://shop.example.com.evil.example.
        let matches = |pattern: &Pattern, text: &str| pattern.find(text) == Some(0..text.len());
        let own = || origin.cloned();
        match text {
            Some(text) if text != "*" && is_listed(text) => own(),
            // No site has the origin `null`, but every page has that hides where it comes from.
            Some("null") if self.credentials => None,
            Some(_) if self.any_origin && self.credentials => own(),
            _ if self.any_origin => Some(HeaderValue::from_static("*")),
            Some(text) if self.patterns.iter().any(|pattern| matches(pattern, text)) => own(),
            _ => None,
        }
    }

    /// The answer to a browser that asks whether it may send a request; `None` for any other request.
    pub(super) fn preflight(&self, head: &request::Parts) -> Option<Response<Bytes>> {
        let asked = |name| head.headers.get(name).filter(|value| !value.is_empty());
        let method = asked(header::ACCESS_CONTROL_REQUEST_METHOD)?;
        if head.method != Method::OPTIONS || asked(header::ORIGIN).is_none() {
            return None;
        }
        let mut answer = Response::new(Bytes::new());
        let headers = answer.headers_mut();
        let mut say = |name, value: Option<HeaderValue>| {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        };
        let wanted = asked(header::ACCESS_CONTROL_REQUEST_HEADERS);
        say(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, self.credentials_value());
        say(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            self.headers.told(self.credentials, wanted),
        );
        say(
            header::ACCESS_CONTROL_ALLOW_METHODS,
            self.methods.told(self.credentials, Some(method)),
        );
        say(header::ACCESS_CONTROL_ALLOW_ORIGIN, self.allowed(head));
        say(header::ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        say(header::CONTENT_LENGTH, Some(HeaderValue::from_static("0")));
        if self.vary {
            vary(headers);
        }
        Some(answer)
    }

    /// Tells a site which may read the answer, `allowed` as found, what it may.
    pub(super) fn tell(&self, allowed: Option<HeaderValue>, headers: &mut HeaderMap) {
        if let Some(origin) = allowed {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
        if let Some(credentials) = self.credentials_value() {
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, credentials);
        }
        // With credentials a `*` would be the name of a header.
        if let Some(expose) = self
            .expose
            .joined
            .clone()
            .filter(|_| !(self.expose.all && self.credentials))
        {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, expose);
        }
        if self.vary {
            vary(headers);
        }
    }

    fn credentials_value(&self) -> Option<HeaderValue> {
        self.credentials.then(|| HeaderValue::from_static("true"))
    }
}

impl Names {
    fn new(key: &'static str, list: &[String]) -> Result<Self, InvalidMiddleware> {
        let joined = list.join(",");
        let value = HeaderValue::from_str(&joined).map_err(|_| InvalidMiddleware {
            key,
            found: joined.escape_default().to_string(),
            reason: "holds what is no name",
        })?;
        Ok(Self {
            joined: Some(value).filter(|value| !value.is_empty()),
            all: list.iter().any(|name| name.trim() == "*"),
        })
    }

    /// With credentials a `*` is no joker: then all that is wanted is.
    fn told(&self, credentials: bool, wanted: Option<&HeaderValue>) -> Option<HeaderValue> {
        match self.all && credentials {
            true => wanted.filter(|wanted| wanted.len() <= MAX_ASKED).cloned(),
            false => self.joined.clone(),
        }
    }
}

/// Answers depend on the site that asks.
fn vary(headers: &mut HeaderMap) {
    let lines = headers.get_all(header::VARY).iter();
    let mut names = lines.flat_map(|line| line.to_str().unwrap_or_default().split(','));
    if !names.any(|name| name.trim().eq_ignore_ascii_case("origin") || name.trim() == "*") {
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    fn settings(origins: &[&str], credentials: bool) -> model::Headers {
        model::Headers {
            access_control_allow_origin_list: list(origins),
            access_control_allow_credentials: credentials,
            ..model::Headers::default()
        }
    }

    fn cors(settings: &model::Headers) -> Cors {
        Cors::new(settings).unwrap().unwrap()
    }

    fn head(method: &str, headers: &[(&str, &str)]) -> request::Parts {
        let mut request = http::Request::builder().method(method);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn allowed(cors: &Cors, origin: &str) -> Option<String> {
        let head = match origin {
            "" => head("GET", &[]),
            origin => head("GET", &[("origin", origin)]),
        };
        let origin = cors.allowed(&head);
        origin.map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn listed_origins_may_read_answers() {
        let one = cors(&settings(&["https://a.test"], false));
        let all = cors(&settings(&["https://a.test", "*"], false));
        let with_cookies = cors(&settings(&["*"], true));
        let opaque = cors(&settings(&["null"], true));
        for (cors, origin, expected) in [
            (&one, "https://a.test", Some("https://a.test")),
            (&one, "https://a.test.evil.test", None),
            (&one, "http://a.test", None),
            (&one, "", None),
            (&all, "https://a.test", Some("https://a.test")),
            (&all, "https://b.test", Some("*")),
            (&all, "null", Some("*")),
            (&all, "", Some("*")),
            (&with_cookies, "https://b.test", Some("https://b.test")),
            (&with_cookies, "null", None),
            (&with_cookies, "", Some("*")),
            (&opaque, "null", Some("null")),
        ] {
            assert_eq!(allowed(cors, origin).as_deref(), expected, "{origin}");
        }
    }

    #[test]
    fn expressions_see_the_whole_origin() {
        let mut settings = settings(&[], false);
        settings.access_control_allow_origin_list_regex = vec!["https://[a-z]+\\.a\\.test".parse().unwrap()];
        let cors = cors(&settings);
        assert_eq!(
            allowed(&cors, "https://b.a.test").as_deref(),
            Some("https://b.a.test")
        );
        for origin in [
            "https://b.a.test.evil.test",
            "https://a.test",
            "xhttps://b.a.test",
            "",
        ] {
            assert_eq!(allowed(&cors, origin), None, "{origin}");
        }
    }

    #[test]
    fn a_browser_that_asks_first_gets_an_answer_and_others_do_not() {
        let mut settings = settings(&["https://a.test"], true);
        settings.access_control_allow_methods = list(&["GET", "PUT"]);
        settings.access_control_allow_headers = list(&["*"]);
        settings.access_control_max_age = Some(600);
        settings.add_vary_header = true;
        let cors = cors(&settings);
        let asks = [
            ("origin", "https://a.test"),
            ("access-control-request-method", "PUT"),
            ("access-control-request-headers", "x-a,x-b"),
        ];
        let answer = cors.preflight(&head("OPTIONS", &asks)).unwrap();
        let mut told: Vec<_> = answer
            .headers()
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        told.sort();
        assert_eq!(
            told,
            [
                "access-control-allow-credentials: true",
                "access-control-allow-headers: x-a,x-b",
                "access-control-allow-methods: GET,PUT",
                "access-control-allow-origin: https://a.test",
                "access-control-max-age: 600",
                "content-length: 0",
                "vary: Origin",
            ]
        );
        let stranger = head("OPTIONS", &[("origin", "https://b.test"), asks[1]]);
        let answer = cors.preflight(&stranger).unwrap();
        assert!(!answer.headers().contains_key("access-control-allow-origin"));
        for other in [
            head("GET", &asks),
            head("OPTIONS", &asks[..1]),
            head("OPTIONS", &asks[1..]),
        ] {
            assert!(cors.preflight(&other).is_none(), "{other:?}");
        }
    }

    #[test]
    fn an_answer_tells_more_than_the_server_did() {
        let mut settings = settings(&["https://a.test"], true);
        settings.access_control_expose_headers = list(&["X-A", "X-B"]);
        settings.add_vary_header = true;
        let mut headers = HeaderMap::new();
        headers.insert("access-control-allow-origin", "*".parse().unwrap());
        headers.insert("vary", "Accept".parse().unwrap());
        let asking = head("GET", &[("origin", "https://a.test")]);
        let cors_of = cors(&settings);
        cors_of.tell(cors_of.allowed(&asking), &mut headers);
        cors_of.tell(cors_of.allowed(&asking), &mut headers);
        assert_eq!(headers["access-control-allow-origin"], "https://a.test");
        assert_eq!(headers["access-control-expose-headers"], "X-A,X-B");
        assert_eq!(headers["access-control-allow-credentials"], "true");
        assert_eq!(
            headers.get_all("vary").iter().collect::<Vec<_>>(),
            ["Accept", "Origin"]
        );
        settings.access_control_expose_headers = list(&["*"]);
        let (mut headers, cors) = (HeaderMap::new(), cors(&settings));
        cors.tell(cors.allowed(&asking), &mut headers);
        assert!(!headers.contains_key("access-control-expose-headers"));
    }

    #[test]
    fn what_cannot_be_told_is_refused_and_nothing_is_nothing() {
        assert!(Cors::new(&settings(&["https://a.test\n"], false)).is_err());
        let mut names = settings(&[], false);
        names.access_control_allow_headers = list(&["a\r\nb"]);
        assert!(Cors::new(&names).is_err());
        assert!(Cors::new(&settings(&[], false)).unwrap().is_none());
    }
}
