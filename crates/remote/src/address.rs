//! Where a control plane is, as users and their environment write it.

use std::path::PathBuf;

use crate::settings::Scheme;

/// `host:port`, `http://host:port`, `https://host:port` or `unix:///path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The scheme, where one was written.
    pub scheme: Option<Scheme>,
    /// `host`, `host:port`, `[::1]:port`; `localhost` for a socket.
    pub authority: String,
    /// The path of a Unix socket.
    pub socket: Option<PathBuf>,
}

impl Address {
    /// Reads `text`; `None` when it is no address, or more than one: a user or a path has no place in it.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = split_scheme(text.trim());
        if let Some(path) = rest.strip_prefix("unix://") {
            return (!path.is_empty()).then(|| Self {
                scheme,
                authority: "localhost".to_owned(),
                socket: Some(PathBuf::from(path)),
            });
        }
        let authority = rest.trim_end_matches('/');
        is_authority(authority).then(|| Self {
            scheme,
            authority: authority.to_owned(),
            socket: None,
        })
    }
}

fn split_scheme(text: &str) -> (Option<Scheme>, &str) {
    [Scheme::Http, Scheme::Https]
        .into_iter()
        .find_map(|scheme| {
            let rest = text.strip_prefix(scheme.as_str())?.strip_prefix("://")?;
            Some((Some(scheme), rest))
        })
        .unwrap_or((None, text))
}

fn is_authority(text: &str) -> bool {
    text.parse::<http::uri::Authority>()
        .is_ok_and(|authority| !authority.host().is_empty() && !authority.as_str().contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_have_a_scheme() {
        let address = Address::parse("https://consul.internal:8501/").unwrap();
        assert_eq!(address.scheme, Some(Scheme::Https));
        assert_eq!(address.authority, "consul.internal:8501");
        assert_eq!(Address::parse("[::1]:4646").unwrap().scheme, None);
    }

    #[test]
    fn an_address_may_be_a_socket() {
        let address = Address::parse("unix:///secrets/api.sock").unwrap();
        assert_eq!(address.socket, Some("/secrets/api.sock".into()));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "unix://", "user@host:1", "host:1/path", "a b", "http://"] {
            assert_eq!(Address::parse(text), None, "{text:?} was taken");
        }
    }
}
