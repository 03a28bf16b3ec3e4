//! Headers in which Mesh tells servers who asks: nobody else may.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, header};

use super::InvalidMiddleware;

/// Headers that a middleware sets, each with the name of what it tells.
#[derive(Debug, Default)]
pub(super) struct Told(Vec<(HeaderName, Box<str>)>);

impl Told {
    /// The headers of `settings`, which stand at `key`.
    pub(super) fn new(
        key: &'static str,
        settings: &BTreeMap<String, String>,
    ) -> Result<Self, InvalidMiddleware> {
        let headers = settings.iter().map(|(name, told)| {
            let invalid = |reason| InvalidMiddleware {
                key,
                found: name.clone(),
                reason,
            };
            let header = name
                .parse::<HeaderName>()
                .map_err(|_| invalid("is no header name"))?;
            let is_of_framing = matches!(
                header,
                header::CONTENT_LENGTH
                    | header::TRANSFER_ENCODING
                    | header::CONNECTION
                    | header::HOST
                    | header::TE
                    | header::UPGRADE
            );
            if is_of_framing {
                return Err(invalid("says how a request is sent; choose a name of your own"));
            }
            if told.is_empty() {
                return Err(invalid("tells nothing; name what it is to tell"));
            }
            Ok((header, told.as_str().into()))
        });
        headers.collect::<Result<_, _>>().map(Self)
    }

    /// Each header with the name of what it tells.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&HeaderName, &str)> {
        self.0.iter().map(|(header, told)| (header, &**told))
    }

    /// Removes what a client says in these headers, in any spelling that some servers take for theirs.
    pub(super) fn remove_forged(&self, headers: &mut HeaderMap) {
        remove_all(headers, |name| {
            self.0.iter().any(|(header, _)| reads_as(name, header))
        });
    }
}

/// Removes all headers with names that are `forged`.
pub(super) fn remove_all(headers: &mut HeaderMap, forged: impl Fn(&HeaderName) -> bool) {
    let forged: Vec<_> = headers.keys().filter(|name| forged(name)).cloned().collect();
    for name in forged {
        headers.remove(name);
    }
}

/// True for a name that some servers take for `other`: `x_user` and `x.user` for `x-user`.
pub(super) fn reads_as(name: &HeaderName, other: &HeaderName) -> bool {
    name.as_str().len() == other.as_str().len() && fold(name).eq(fold(other))
}

/// What a challenge calls the place that is guarded: `mesh` if `settings` do not say.
pub(super) fn realm(settings: &str) -> Result<String, InvalidMiddleware> {
    let is_plain = |c: char| (c.is_ascii_graphic() || c == ' ') && c != '"' && c != '\\';
    match settings {
        "" => Ok("mesh".to_owned()),
        text if text.chars().all(is_plain) => Ok(text.to_owned()),
        text => Err(InvalidMiddleware {
            key: "realm",
            found: text.to_owned(),
            reason: "holds characters that no challenge can carry; write letters, digits and blanks",
        }),
    }
}

fn fold(name: &HeaderName) -> impl Iterator<Item = u8> {
    name.as_str().bytes().map(|byte| match byte {
        b'_' | b'.' => b'-',
        byte => byte,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(names: &[&str]) -> Result<Told, InvalidMiddleware> {
        let map = names.iter().map(|name| ((*name).to_owned(), "sub".to_owned()));
        Told::new("headers", &map.collect())
    }

    #[test]
    fn what_clients_say_in_these_headers_is_removed_in_every_spelling() {
        let mut headers = HeaderMap::new();
        for name in ["x-user", "x_user", "x.user", "X-Other", "x_other"] {
            headers.append(name.parse::<HeaderName>().unwrap(), "forged".parse().unwrap());
            headers.append(name.parse::<HeaderName>().unwrap(), "twice".parse().unwrap());
        }
        told(&["X-User"]).unwrap().remove_forged(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["x-other", "x_other"]);
    }

    #[test]
    fn names_that_no_header_has_or_that_frame_requests_are_refused() {
        for name in ["a b", "", "Host", "connection", "Transfer-Encoding"] {
            assert!(told(&[name]).is_err(), "{name:?} was taken");
        }
    }
}
