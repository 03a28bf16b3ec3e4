//! `errors`: puts a page of another service in place of an answer that tells of an error.

use std::{fmt::Write as _, sync::Arc};

use futures::future::LocalBoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header, request};
use mesh_config::{Reference, model};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Around, InvalidMiddleware, Next, Visit};
use crate::{
    forward::{Answer, Source, ask, let_go},
    service::Service,
    upstream::RequestBody,
};

/// What stands as it is in a part of a query.
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Headers that belong to the body or the connection of the request, or ask for a part of an answer: they mean
/// nothing for the page.
const OWN: [HeaderName; 14] = [
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::UPGRADE,
    header::TE,
    header::EXPECT,
    header::RANGE,
    header::IF_RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
];

/// Which answers are replaced, and by what.
#[derive(Debug)]
pub(super) struct Errors {
    settings: Arc<Settings>,
    /// Who has the page; `None` until a router is made.
    service: Option<Arc<Service>>,
}

#[derive(Debug)]
struct Settings {
    status: model::StatusRanges,
    /// Narrow ranges first.
    rewrites: Vec<(u16, u16, StatusCode)>,
    service: Reference,
    query: String,
    headers: Option<Vec<HeaderName>>,
}

impl Errors {
    pub(super) fn new(settings: &model::Errors) -> Result<Self, InvalidMiddleware> {
        let invalid = |key, found: &str, reason| InvalidMiddleware {
            key,
            found: found.to_owned(),
            reason,
        };
        if settings.status.is_empty() {
            return Err(invalid(
                "status",
                "",
                "replaces nothing; list statuses such as 500-599",
            ));
        }
        let mut rewrites = Vec::new();
        for (written, status) in &settings.status_rewrites {
            let status = StatusCode::from_u16(*status).ok();
            let status = status.filter(|status| (200..600).contains(&status.as_u16()));
            let rewrite = model::StatusRanges::range(written).zip(status);
            let ((from, to), status) = rewrite.ok_or_else(|| {
                let reason = "is no status, or its new one is none; write \"410-418\": 404";
                invalid("statusRewrites", written, reason)
            })?;
            rewrites.push((from, to, status));
        }
        rewrites.sort_by_key(|(from, to, _)| (to - from, *from));
        let query = settings.query.trim();
        let query = if query.is_empty() { "/" } else { query };
        let filled = fill(query, StatusCode::OK, StatusCode::OK, "http://a/");
        if !query.starts_with('/') || filled.parse::<Uri>().is_err() {
            return Err(invalid(
                "query",
                query,
                "is no path; write /errors/{status}.html, say",
            ));
        }
        let header = |name: &String| {
            let invalid = || invalid("errorRequestHeaders", name, "is no header name");
            name.parse::<HeaderName>().map_err(|_| invalid())
        };
        let headers = settings.error_request_headers.as_ref();
        let headers = headers
            .map(|names| names.iter().map(header).collect())
            .transpose()?;
        Ok(Self {
            settings: Arc::new(Settings {
                status: settings.status.clone(),
                rewrites,
                service: settings.service.clone(),
                query: query.to_owned(),
                headers,
            }),
            service: None,
        })
    }
}

impl Settings {
    /// The status that clients see for `status`.
    fn shown(&self, status: StatusCode) -> StatusCode {
        let code = status.as_u16();
        let rewrite = self
            .rewrites
            .iter()
            .find(|(from, to, _)| (*from..=*to).contains(&code));
        rewrite.map_or(status, |(_, _, shown)| *shown)
    }

    /// The request for the page in place of an answer of `status` to `asked`.
    fn page(&self, asked: &Asked, headers: &HeaderMap, status: StatusCode) -> Option<request::Parts> {
        let target = fill(&self.query, self.shown(status), status, &asked.url);
        let request = http::Request::builder().uri(target).method(match asked.method {
            Method::HEAD => Method::HEAD,
            _ => Method::GET,
        });
        let (mut head, ()) = request.body(()).ok()?.into_parts();
        match &self.headers {
            None => {
                head.headers = headers.clone();
                for name in &OWN {
                    head.headers.remove(name);
                }
            }
            Some(names) => {
                for name in names.iter().filter(|name| !OWN.contains(name)) {
                    for value in headers.get_all(name) {
                        head.headers.append(name, value.clone());
                    }
                }
            }
        }
        if let Some(host) = &asked.host {
            head.headers.insert(header::HOST, host.clone());
        }
        Some(head)
    }
}

/// What is remembered of a request until its answer comes.
struct Asked {
    method: Method,
    host: Option<HeaderValue>,
    url: String,
}

impl Asked {
    fn of(visit: &Visit<'_>, uri: &Uri) -> Self {
        let host = visit.head.headers.get(header::HOST).cloned();
        let written = host
            .as_ref()
            .and_then(|host| host.to_str().ok())
            .unwrap_or_default();
        let rest = uri.path_and_query().map_or("/", |rest| rest.as_str());
        Self {
            method: visit.head.method.clone(),
            url: format!("{}://{written}{rest}", visit.client.peer().scheme()),
            host,
        }
    }
}

impl Around for Errors {
    fn call<'a>(&'a self, visit: &'a mut Visit<'_>, mut next: Next<'a>) -> LocalBoxFuture<'a, Answer> {
        Box::pin(async move {
            // Middlewares behind this one may change it.
            let (uri, host) = (
                visit.head.uri.clone(),
                visit.head.headers.get(header::HOST).cloned(),
            );
            let mut answer = next.run(visit).await;
            let status = answer.head.status;
            let is_meant = self.settings.status.contains(status.as_u16());
            let Some(service) = self.service.as_ref().filter(|_| is_meant) else {
                return answer;
            };
            if matches!(answer.body, Source::Tunnel(_)) {
                return answer;
            }
            let asked = Asked {
                host,
                ..Asked::of(visit, &uri)
            };
            let Some(head) = self.settings.page(&asked, &visit.head.headers, status) else {
                return answer;
            };
            let mut page = ask(&visit.client, service, Box::new(head), RequestBody::default()).await;
            page.head.status = self.settings.shown(status);
            page.stands_for(&mut answer);
            let_go(answer, visit.client.upstreams());
            page
        })
    }

    fn asks(&self) -> Option<&Reference> {
        Some(&self.settings.service)
    }

    fn asking(&self, service: Arc<Service>) -> Option<Arc<dyn Around>> {
        Some(Arc::new(Self {
            settings: self.settings.clone(),
            service: Some(service),
        }))
    }

    fn asked(&self) -> Option<&Arc<Service>> {
        self.service.as_ref()
    }
}

/// `query` with what its placeholders stand for.
fn fill(query: &str, shown: StatusCode, original: StatusCode, url: &str) -> String {
    let mut filled = String::with_capacity(query.len() + url.len());
    let mut rest = query;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let known = [("status}", 0), ("originalStatus}", 1), ("url}", 2)];
        let found = known
            .iter()
            .find_map(|(name, which)| Some((after.strip_prefix(name)?, *which)));
        // A text takes all that is written to it.
        let _written = match found {
            Some((_, 0)) => write!(filled, "{}", shown.as_u16()),
            Some((_, 1)) => write!(filled, "{}", original.as_u16()),
            Some(_) => write!(filled, "{}", utf8_percent_encode(url, IN_QUERY)),
            None => write!(filled, "%7B"),
        };
        rest = found.map_or(after, |(after, _)| after);
    }
    filled.push_str(&rest.replace('}', "%7D"));
    filled
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn errors(mut settings: Value) -> Result<Errors, String> {
        settings["service"] = json!("pages");
        let settings = serde_json::from_value(settings).map_err(|error| error.to_string())?;
        Errors::new(&settings).map_err(|error| error.to_string())
    }

    fn page(settings: Value, status: u16) -> request::Parts {
        let asked = Asked {
            method: Method::POST,
            host: Some(HeaderValue::from_static("a.test:81")),
            url: "https://a.test:81/x?y=ü&z".to_owned(),
        };
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("accept", "text/html"),
            ("content-length", "7"),
            ("if-none-match", "x"),
            ("x-a", "1"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let errors = errors(settings).unwrap();
        let status = StatusCode::from_u16(status).unwrap();
        errors.settings.page(&asked, &headers, status).unwrap()
    }

    #[test]
    fn placeholders_stand_for_the_statuses_and_the_whole_url() {
        let settings = json!({
            "status": ["400-599"], "statusRewrites": {"500-599": 500, "503": 404},
            "query": "/{status}/{originalStatus}?u={url}&{other}",
        });
        let page = page(settings, 503);
        let url = "https%3A%2F%2Fa.test%3A81%2Fx%3Fy%3D%C3%BC%26z";
        assert_eq!(page.uri.to_string(), format!("/404/503?u={url}&%7Bother%7D"));
        assert_eq!(page.method, Method::GET);
    }

    #[test]
    fn the_narrowest_rewrite_counts() {
        let errors = errors(
            json!({"status": ["400-599"], "statusRewrites": {"400-599": 500, "410-418": 404, "418": 200}}),
        );
        let errors = errors.unwrap();
        for (status, shown) in [(418, 200), (410, 404), (599, 500), (302, 302)] {
            assert_eq!(
                errors
                    .settings
                    .shown(StatusCode::from_u16(status).unwrap())
                    .as_u16(),
                shown
            );
        }
    }

    #[test]
    fn the_page_is_asked_for_with_those_headers_that_mean_something() {
        let names = |settings| {
            let page = page(settings, 500);
            let mut names: Vec<_> = page.headers.keys().map(ToString::to_string).collect();
            names.sort();
            names.join(" ")
        };
        assert_eq!(names(json!({"status": ["500"]})), "accept host x-a");
        assert_eq!(
            names(json!({"status": ["500"], "errorRequestHeaders": []})),
            "host"
        );
        let some = json!({"status": ["500"], "errorRequestHeaders": ["X-A", "Content-Length", "X-B"]});
        assert_eq!(names(some), "host x-a");
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        for (settings, reason) in [
            (json!({}), "500-599"),
            (json!({"status": ["500"], "query": "errors.html"}), "is no path"),
            (json!({"status": ["500"], "query": "/a b"}), "is no path"),
            (
                json!({"status": ["500"], "statusRewrites": {"x": 404}}),
                "410-418",
            ),
            (
                json!({"status": ["500"], "statusRewrites": {"500": 99}}),
                "410-418",
            ),
            (
                json!({"status": ["500"], "errorRequestHeaders": ["a b"]}),
                "is no header name",
            ),
        ] {
            let error = errors(settings).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
