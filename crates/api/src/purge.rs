//! `DELETE /api/cache`: throws away what middlewares keep. The one thing in the API that changes anything.
//!
//! A page of another site cannot have a browser do it: `DELETE` is never sent without asking first, which nothing here
//! allows, and whatever a browser says of a page is refused, since a name can be made to lead here.

use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};
use mesh_config::redact::text;
use mesh_proxy::{Place, Purge};
use serde_json::json;

use crate::{
    answer::{self, Answer},
    query::Query,
    views::Views,
};

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
static X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Longest text of a parameter that is logged, in bytes.
const MAX_LOGGED: usize = 512;

/// Answers one request.
pub(crate) fn purge(views: &Views, request: &Request<()>, query: &Query) -> Answer {
    if request.method() != Method::DELETE {
        let mut refused = answer::message(
            StatusCode::METHOD_NOT_ALLOWED,
            format!("{} is not allowed here: use DELETE", request.method()),
        );
        let allowed = HeaderValue::from_static("DELETE");
        refused.headers_mut().insert(header::ALLOW, allowed);
        return refused;
    }
    let headers = request.headers();
    if headers.contains_key(header::ORIGIN) || headers.contains_key(&SEC_FETCH_SITE) {
        return answer::message(StatusCode::FORBIDDEN, "pages may not purge: use a program");
    }
    let purge = match meant(query) {
        Ok(purge) => purge,
        Err(why) => return answer::message(StatusCode::BAD_REQUEST, why),
    };
    let purged = (views.table)().caches().purge(&purge);
    let client = headers.get(&X_REAL_IP).and_then(|line| line.to_str().ok());
    let what = query.pairs().map(|(name, value)| format!("{name}={value}"));
    let what = what.collect::<Vec<_>>().join(" ");
    let what = text(&what);
    let what = what
        .get(..what.floor_char_boundary(MAX_LOGGED))
        .unwrap_or_default();
    tracing::info!(client, ?what, purged, "caches were purged through the API");
    answer::json(StatusCode::OK, json!({"purged": purged}))
}

/// What the parameters name. What is misspelt names nothing: it must not become more.
fn meant(query: &Query) -> Result<Purge, String> {
    const KNOWN: [&str; 7] = ["all", "host", "middleware", "prefix", "router", "tag", "url"];
    let mut purge = Purge::default();
    let mut is_all = false;
    let mut seen = Vec::new();
    for (name, value) in query.pairs() {
        if seen.contains(&name) || value.is_empty() {
            return Err(format!("{name} has no value, or several: give it one"));
        }
        seen.push(name);
        let place = || {
            let place = value.parse::<Place>();
            place.map_err(|error| format!("{name} {:?} {error}", text(value)))
        };
        match name {
            "all" if value == "true" => is_all = true,
            "all" => return Err("all is true, or left out".to_owned()),
            "host" => purge.answers.host = Some(value.to_ascii_lowercase()),
            "middleware" => purge.middleware = Some(value.to_owned()),
            "prefix" => purge.answers.prefix = Some(place()?),
            "router" => purge.owner = Some(value.to_owned()),
            "tag" => purge.answers.tag = Some(value.to_owned()),
            "url" => purge.answers.url = Some(place()?),
            other => return Err(format!("{other:?} is unknown here (known: {})", KNOWN.join(", "))),
        }
    }
    match is_all == (purge == Purge::default()) {
        true => Ok(purge),
        false if is_all => Err("all goes with nothing else".to_owned()),
        false => Err(format!("say what to purge: {}", KNOWN.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Purge, String> {
        meant(&Query::parse(Some(query)))
    }

    #[test]
    fn what_is_to_go_is_said_and_nothing_is_guessed() {
        let purge = read("url=http://a.test/x%3Fy&middleware=keep@file&router=a@file&tag=a%20b").unwrap();
        assert_eq!(purge.answers.url, Some("http://a.test/x?y".parse().unwrap()));
        assert_eq!(
            (purge.middleware.as_deref(), purge.owner.as_deref()),
            (Some("keep@file"), Some("a@file"))
        );
        assert_eq!(purge.answers.tag.as_deref(), Some("a b"));
        assert_eq!(read("all=true"), Ok(Purge::default()));
        assert_eq!(
            read("host=A.test").unwrap().answers.host.as_deref(),
            Some("a.test")
        );
        for bad in [
            "",
            "all=false",
            "all=true&tag=a",
            "tag=",
            "tag=a&tag=b",
            "tags=a&url=http://a.test/",
            "url=/x",
            "prefix=a.test",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(!read("url=x?token=s3cret").unwrap_err().contains("s3cret"));
    }
}
