//! Headers that are set or removed as they are written.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::super::{
    InvalidMiddleware,
    identity::{reads_as, remove_all},
};
use crate::sanitize::{is_hop_by_hop, is_valid_host};

/// What to do with each header: a value sets it, nothing removes it.
#[derive(Debug, Default)]
pub(super) struct Changes(Vec<(HeaderName, Option<HeaderValue>)>);

impl Changes {
    /// Those of requests.
    pub(super) fn of_requests(written: &BTreeMap<String, String>) -> Result<Self, InvalidMiddleware> {
        let key = "customRequestHeaders";
        let mut changes = Self::new(key, written)?;
        for (name, value) in &mut changes.0 {
            if *name == header::HOST && !value.as_ref().is_some_and(|it| is_valid_host(it.as_bytes())) {
                return Err(invalid(
                    key,
                    name.as_str(),
                    "is no host; write one such as shop.example.com:8080",
                ));
            }
            // An empty line says that the client's address is not added either.
            if name == "x-forwarded-for" && value.is_none() {
                *value = Some(HeaderValue::from_static(""));
            }
        }
        Ok(changes)
    }

    /// Those of answers.
    pub(super) fn of_answers(written: &BTreeMap<String, String>) -> Result<Self, InvalidMiddleware> {
        Self::new("customResponseHeaders", written)
    }

    fn new(key: &'static str, written: &BTreeMap<String, String>) -> Result<Self, InvalidMiddleware> {
        let changes = written.iter().map(|(name, value)| {
            // The value may be a secret: an error names the header only.
            let header = name
                .parse::<HeaderName>()
                .map_err(|_| invalid(key, name, "is no header name"))?;
            // Whoever frames a message must also be the one to say how.
            if matches!(header, header::CONTENT_LENGTH | header::TRANSFER_ENCODING) {
                return Err(invalid(key, name, "says how a body is framed; leave it to Mesh"));
            }
            let value = match value.as_str() {
                "" => None,
                _ if is_hop_by_hop(header.as_str()) => {
                    return Err(invalid(key, name, "is about one connection; leave it to Mesh"));
                }
                value => Some(
                    value
                        .parse()
                        .map_err(|_| invalid(key, name, "has a value with control characters"))?,
                ),
            };
            Ok((header, value))
        });
        changes.collect::<Result<_, _>>().map(Self)
    }

    /// The same for a request: what the client says in another spelling, that some servers take for one of these
    /// headers, goes, too.
    pub(super) fn apply_to_request(&self, headers: &mut HeaderMap) {
        if !self.0.is_empty() && headers.keys().any(|name| name.as_str().contains(['_', '.'])) {
            remove_all(headers, |name| self.0.iter().any(|(own, _)| reads_as(name, own)));
        }
        self.apply(headers);
    }

    pub(super) fn apply(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.0 {
            match value {
                Some(value) => drop(headers.insert(name, value.clone())),
                None => drop(headers.remove(name)),
            }
        }
    }
}

fn invalid(key: &'static str, found: &str, reason: &'static str) -> InvalidMiddleware {
    InvalidMiddleware {
        key,
        found: found.to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let pairs = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        pairs.collect()
    }

    #[test]
    fn a_value_replaces_all_lines_and_an_empty_one_removes_them() {
        let changes =
            Changes::of_requests(&written(&[("X-A", "new"), ("x-b", ""), ("Host", "b.test")])).unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in [("x-a", "1"), ("x-a", "2"), ("x-b", "3"), ("host", "a.test")] {
            headers.append(name, HeaderValue::from_static(value));
        }
        changes.apply(&mut headers);
        assert_eq!(headers.get_all("x-a").iter().collect::<Vec<_>>(), ["new"]);
        assert_eq!(headers.get("x-b"), None);
        assert_eq!(headers["host"], "b.test");
    }

    #[test]
    fn what_servers_may_take_for_one_of_them_goes() {
        let changes = Changes::of_requests(&written(&[("X-A", "new"), ("x-b", "")])).unwrap();
        let mut headers = HeaderMap::new();
        for name in ["x_a", "x.b", "x_c"] {
            headers.append(name, HeaderValue::from_static("forged"));
        }
        changes.apply_to_request(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["x-a", "x_c"]);
    }

    #[test]
    fn an_emptied_x_forwarded_for_stays_empty() {
        let name = "X-Forwarded-For";
        let mut headers = HeaderMap::new();
        Changes::of_requests(&written(&[(name, "")]))
            .unwrap()
            .apply(&mut headers);
        assert_eq!(headers[name], "");
        Changes::of_answers(&written(&[(name, "")]))
            .unwrap()
            .apply(&mut headers);
        assert!(headers.is_empty());
    }

    #[test]
    fn what_no_header_can_carry_is_refused_without_telling_the_value() {
        let error = Changes::of_requests(&written(&[("Authorization", "hunter2\n")])).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
        for name in [
            "a b",
            "Content-Length",
            "transfer-encoding",
            "Connection",
            "TE",
            "Upgrade",
        ] {
            for made in [Changes::of_requests, Changes::of_answers] {
                assert!(made(&written(&[(name, "1")])).is_err(), "{name} was taken");
            }
        }
        for host in ["", "a b", "a.test/x", "a,b"] {
            assert!(
                Changes::of_requests(&written(&[("host", host)])).is_err(),
                "{host} was taken"
            );
        }
        assert!(Changes::of_requests(&written(&[("Connection", "")])).is_ok());
    }
}
