//! Tests a request against the tree of a rule.

use mesh_config::rule::{Expr, HostPattern, Matcher};

use super::request::{RequestView, query_values};
use crate::sanitize::is_managed;

/// True if `request` is what `expr` asks for.
pub(super) fn matches(expr: &Expr, request: &RequestView<'_>) -> bool {
    match expr {
        Expr::And(all) => all.iter().all(|expr| matches(expr, request)),
        Expr::Or(any) => any.iter().any(|expr| matches(expr, request)),
        Expr::Not(expr) => !matches(expr, request),
        Expr::Match(matcher) => test(matcher, request),
    }
}

/// The first part of `expr` that says no to `request`; `None` when nothing does.
pub(super) fn refusal<'e>(expr: &'e Expr, request: &RequestView<'_>) -> Option<&'e Expr> {
    match expr {
        Expr::And(all) => all.iter().find_map(|expr| refusal(expr, request)),
        Expr::Or(_) | Expr::Not(_) | Expr::Match(_) => (!matches(expr, request)).then_some(expr),
    }
}

/// True if `expr` looks at a header by which Mesh introduces a client.
pub(super) fn asks_who_came(expr: &Expr) -> bool {
    match expr {
        Expr::And(parts) | Expr::Or(parts) => parts.iter().any(asks_who_came),
        Expr::Not(expr) => asks_who_came(expr),
        Expr::Match(Matcher::Header { name, .. } | Matcher::HeaderRegexp { name, .. }) => is_managed(name),
        Expr::Match(_) => false,
    }
}

fn test(matcher: &Matcher, request: &RequestView<'_>) -> bool {
    match matcher {
        Matcher::Host(pattern) => test_host(pattern, request.host),
        Matcher::HostRegexp(pattern) => pattern.is_match(request.host),
        Matcher::Path(path) => request.path == path,
        Matcher::PathPrefix(prefix) => request.path.starts_with(prefix.as_str()),
        Matcher::PathRegexp(pattern) => pattern.is_match(request.path),
        Matcher::Method(method) => request.method.as_str() == method,
        Matcher::Header { name, value } => header_lines(request, name).any(|line| line == value.as_bytes()),
        Matcher::HeaderRegexp { name, pattern } => {
            header_lines(request, name).any(|line| pattern.is_match(&String::from_utf8_lossy(line)))
        }
        Matcher::Query { key, value } => {
            let value = value.as_deref().unwrap_or_default().as_bytes();
            query_values(request.query, key).any(|found| *found == *value)
        }
        Matcher::QueryRegexp { key, pattern } => {
            query_values(request.query, key).any(|found| pattern.is_match(&String::from_utf8_lossy(&found)))
        }
        Matcher::ClientIp(network) => network.contains(&request.peer.to_canonical()),
    }
}

fn test_host(pattern: &HostPattern, host: &str) -> bool {
    match pattern {
        HostPattern::Any => true,
        HostPattern::Exact(exact) => !host.is_empty() && host == exact,
        HostPattern::Wildcard(parent) => parent_domain(host) == Some(parent.as_str()),
    }
}

/// `example.com` for `www.example.com`.
pub(super) fn parent_domain(host: &str) -> Option<&str> {
    host.split_once('.')
        .filter(|(label, parent)| !label.is_empty() && !parent.is_empty())
        .map(|(_, parent)| parent)
}

/// The lines of a header. `Host` is not one: rules have a matcher for it.
fn header_lines<'r>(request: &RequestView<'r>, name: &'r str) -> impl Iterator<Item = &'r [u8]> {
    let lines = (name != "host").then(|| request.headers.get_all(name));
    lines.into_iter().flatten().map(|line| line.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use http::{HeaderMap, Method};

    use super::*;

    /// True if `matcher` takes a GET of `http://host/path?query` from 10.1.2.3 with two `X-A` lines.
    fn takes(matcher: Matcher, host: &str, path: &str, query: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert("host", host.parse().unwrap());
        headers.insert("x-a", "one".parse().unwrap());
        headers.append("x-a", "two,three".parse().unwrap());
        let request = RequestView {
            host,
            path,
            query: Some(query),
            method: &Method::GET,
            headers: &headers,
            peer: "::ffff:10.1.2.3".parse::<IpAddr>().unwrap(),
            secure: false,
        };
        matches(&Expr::Match(matcher), &request)
    }

    #[test]
    fn a_wildcard_stands_for_exactly_one_label() {
        let wildcard = || Matcher::Host(HostPattern::Wildcard("example.com".to_owned()));
        assert!(takes(wildcard(), "a.example.com", "/", ""));
        for host in ["example.com", "a.b.example.com", ".example.com", "aexample.com"] {
            assert!(!takes(wildcard(), host, "/", ""), "{host}");
        }
        assert!(takes(Matcher::Host(HostPattern::Any), "", "/", ""));
    }

    #[test]
    fn any_header_line_may_match_and_lists_are_not_split() {
        let header = |name: &str, value: &str| Matcher::Header {
            name: name.to_owned(),
            value: value.to_owned(),
        };
        assert!(takes(header("x-a", "two,three"), "a", "/", ""));
        assert!(!takes(header("x-a", "three"), "a", "/", ""));
        assert!(!takes(header("host", "a"), "a", "/", ""));
    }

    #[test]
    fn a_query_parameter_without_value_must_be_empty() {
        let query = |key: &str, value: Option<&str>| Matcher::Query {
            key: key.to_owned(),
            value: value.map(str::to_owned),
        };
        assert!(takes(query("k", None), "a", "/", "k"));
        assert!(takes(query("k", None), "a", "/", "x=1&k="));
        assert!(!takes(query("k", None), "a", "/", "k=1"));
        assert!(takes(query("k", Some("a b")), "a", "/", "k=1&k=a%20b"));
        assert!(!takes(query("k", Some("")), "a", "/", ""));
    }

    #[test]
    fn mapped_addresses_are_the_addresses_they_map() {
        assert!(takes(
            Matcher::ClientIp("10.0.0.0/8".parse().unwrap()),
            "a",
            "/",
            ""
        ));
        assert!(!takes(
            Matcher::ClientIp("11.0.0.0/8".parse().unwrap()),
            "a",
            "/",
            ""
        ));
    }

    #[test]
    fn patterns_are_found_anywhere() {
        assert!(takes(
            Matcher::HostRegexp("ex.mple".parse().unwrap()),
            "a.example.com",
            "/",
            ""
        ));
        assert!(takes(
            Matcher::PathRegexp("/v[0-9]+".parse().unwrap()),
            "a",
            "/api/v12/x",
            ""
        ));
        assert!(!takes(
            Matcher::PathRegexp("^/v".parse().unwrap()),
            "a",
            "/api/v1",
            ""
        ));
    }
}
