//! Protocols that a client may go on with after HTTP/1.1.

use serde::{Deserialize, Serialize};

/// Protocols that one service may list.
const MAX_UPGRADES: usize = 16;

/// Longest name of one, in bytes.
const MAX_TOKEN: usize = 64;

/// Names of protocols, as the header `Upgrade` has them. By default `websocket`; none when empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Upgrades(Vec<String>);

/// Why a list is not one of protocols to go on with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpgradesError {
    /// No name of a protocol.
    #[error(
        "{0:?} is not the name of a protocol: write it as it stands in the header Upgrade, websocket for one"
    )]
    Token(String),
    /// HTTP or TLS, by which further requests would come that no rule has seen.
    #[error("{0:?} cannot be allowed: requests within it would pass every rule and middleware by")]
    Unsafe(String),
    /// Too many.
    #[error("{0} protocols are too many: list {MAX_UPGRADES} at most")]
    TooMany(usize),
}

impl Upgrades {
    /// The names, as written.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl Default for Upgrades {
    fn default() -> Self {
        Self(vec!["websocket".to_owned()])
    }
}

impl TryFrom<Vec<String>> for Upgrades {
    type Error = UpgradesError;

    fn try_from(names: Vec<String>) -> Result<Self, UpgradesError> {
        if names.len() > MAX_UPGRADES {
            return Err(UpgradesError::TooMany(names.len()));
        }
        match names.iter().find_map(|name| check(name).err()) {
            Some(error) => Err(error),
            None => Ok(Self(names)),
        }
    }
}

impl From<Upgrades> for Vec<String> {
    fn from(upgrades: Upgrades) -> Self {
        upgrades.0
    }
}

/// A name and perhaps a version: `websocket`, `SPDY/3.1`.
fn check(text: &str) -> Result<(), UpgradesError> {
    let (name, version) = text
        .split_once('/')
        .map_or((text, None), |(name, version)| (name, Some(version)));
    if text.len() > MAX_TOKEN || !is_token(name) || !version.is_none_or(is_token) {
        return Err(UpgradesError::Token(text.to_owned()));
    }
    let carries_requests = ["h2", "h2c", "h3", "http", "https", "tls"];
    if carries_requests
        .iter()
        .any(|unsafe_one| name.eq_ignore_ascii_case(unsafe_one))
    {
        return Err(UpgradesError::Unsafe(text.to_owned()));
    }
    Ok(())
}

/// RFC 9110 5.6.2.
fn is_token(text: &str) -> bool {
    let is_char = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_char)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(names: &[&str]) -> Result<Upgrades, UpgradesError> {
        names
            .iter()
            .map(|&name| name.to_owned())
            .collect::<Vec<_>>()
            .try_into()
    }

    #[test]
    fn names_with_and_without_version_are_taken_and_an_empty_list_too() {
        for names in [&["websocket"][..], &["tcp", "SPDY/3.1"], &[]] {
            assert_eq!(read(names).unwrap().iter().collect::<Vec<_>>(), names);
        }
        assert_eq!(Upgrades::default(), read(&["websocket"]).unwrap());
    }

    #[test]
    fn what_carries_requests_is_refused() {
        for name in ["h2c", "H2C", "HTTP/2.0", "http/1.1", "TLS/1.0", "tls", "h2"] {
            assert_eq!(
                read(&["websocket", name]),
                Err(UpgradesError::Unsafe(name.to_owned()))
            );
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long = "a".repeat(MAX_TOKEN + 1);
        for name in ["", "a b", "a,b", "/1", "a/", "a/1/2", "ä", "a\r\nb", &long] {
            assert_eq!(read(&[name]), Err(UpgradesError::Token(name.to_owned())));
        }
        assert_eq!(
            read(&["a"; MAX_UPGRADES + 1]),
            Err(UpgradesError::TooMany(MAX_UPGRADES + 1))
        );
    }
}
