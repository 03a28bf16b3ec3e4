//! What is the same wherever clients prove who they are.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use super::{
    InvalidMiddleware, answer_text,
    identity::{reads_as, remove_all},
};
use crate::sanitize::is_hop_by_hop;

/// What a server learns of a user.
#[derive(Debug)]
pub(super) struct Introduced {
    header: Option<HeaderName>,
    remove: bool,
}

impl Introduced {
    /// By `header`, if it is named, and by what proved it unless that is to be removed.
    pub(super) fn new(header: &str, remove: bool) -> Result<Self, InvalidMiddleware> {
        let header = match header {
            "" => None,
            name => Some(own_header("headerField", name)?),
        };
        Ok(Self { header, remove })
    }

    /// Introduces `user` to whoever answers.
    pub(super) fn admit(&self, headers: &mut HeaderMap, user: &str) {
        if self.remove {
            headers.remove(header::AUTHORIZATION);
        }
        let Some(name) = &self.header else { return };
        remove_all(headers, |claimed| reads_as(claimed, name));
        if let Ok(value) = HeaderValue::from_bytes(user.as_bytes()) {
            headers.insert(name, value);
        }
    }
}

/// The name of a header that Mesh fills itself; those that frame messages are not for that.
pub(super) fn own_header(key: &'static str, name: &str) -> Result<HeaderName, InvalidMiddleware> {
    let invalid = |reason| InvalidMiddleware {
        key,
        found: name.to_owned(),
        reason,
    };
    let header: HeaderName = name.trim().parse().map_err(|_| invalid("is no header name"))?;
    if is_hop_by_hop(header.as_str()) || header == header::CONTENT_LENGTH {
        return Err(invalid("says how a message is sent; name another header"));
    }
    Ok(header)
}

/// What follows `scheme` in the only `Authorization` of a request.
pub(super) fn credentials<'h>(headers: &'h HeaderMap, scheme: &str) -> Option<&'h str> {
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return None;
    };
    let (found, rest) = line.to_str().ok()?.split_once(' ')?;
    found.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}

/// A text between quotes.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// What clients are told they need a password for, between quotes.
pub(super) fn realm(realm: &str) -> Result<String, InvalidMiddleware> {
    let text = quoted(realm);
    match HeaderValue::from_str(&text) {
        Ok(_) if !realm.is_empty() => Ok(text),
        _ => Err(InvalidMiddleware {
            key: "realm",
            found: realm.to_owned(),
            reason: "is nothing that a header can carry; write a word or two",
        }),
    }
}

/// The answer to a client that did not prove who it is.
pub(super) fn unauthorized(challenge: &HeaderValue) -> Response<Bytes> {
    let mut answer = answer_text(StatusCode::UNAUTHORIZED, "401 Unauthorized\n");
    answer
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, challenge.clone());
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let lines = lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, value);
        }
        headers
    }

    #[test]
    fn credentials_are_those_of_one_line_with_their_scheme() {
        let of = |lines: &[&str]| {
            let lines: Vec<_> = lines.iter().map(|line| ("authorization", *line)).collect();
            credentials(&headers(&lines), "Basic").map(str::to_owned)
        };
        assert_eq!(of(&["basic  YTpi"]), Some("YTpi".to_owned()));
        for none in [
            &[][..],
            &["Basic"],
            &["Bearer YTpi"],
            &["Basic YTpi", "Basic YTpi"],
        ] {
            assert_eq!(of(none), None, "{none:?}");
        }
    }

    #[test]
    fn a_server_learns_the_name_from_mesh_alone() {
        let mut head = headers(&[
            ("x-user", "forged"),
            ("x-user", "twice"),
            ("x_user", "spelled"),
            ("authorization", "Basic YTpi"),
        ]);
        Introduced::new("X-User", true).unwrap().admit(&mut head, "ann");
        assert_eq!(head.get_all("x-user").iter().collect::<Vec<_>>(), ["ann"]);
        assert!(!head.contains_key("authorization") && !head.contains_key("x_user"));
        for bad in ["a b", "Connection", "content-length", "Transfer-Encoding"] {
            assert!(Introduced::new(bad, false).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_realm_is_quoted() {
        assert_eq!(realm(r#"a "b" \c"#).unwrap(), r#""a \"b\" \\c""#);
        assert!(realm("").is_err() && realm("a\nb").is_err());
    }
}
