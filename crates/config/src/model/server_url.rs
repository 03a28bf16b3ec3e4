//! Where a server is.

use std::{
    borrow::Cow,
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Scheme;
use crate::redact;

/// The URL of a server: scheme, host, port and an optional path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerUrl {
    /// How to speak to it.
    pub scheme: Scheme,
    /// Host name or address; an IPv6 address without brackets.
    pub host: String,
    /// The port; the scheme's own when none was written.
    pub port: u16,
    /// The path; empty when none was written.
    pub path: String,
    /// The text that it was read from, if that differs from what is shown of it.
    pub written: Written,
}

/// A text that says the same as what it stands beside, so that it takes no part in comparisons.
#[derive(Debug, Clone, Default)]
pub struct Written(Option<Box<str>>);

impl PartialEq for Written {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Written {}

impl PartialOrd for Written {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Written {
    fn cmp(&self, _: &Self) -> Ordering {
        Ordering::Equal
    }
}

impl Hash for Written {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// Why a text is not the URL of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a server URL: {reason}; write http://host:port")]
pub struct ServerUrlError {
    text: String,
    reason: &'static str,
}

impl FromStr for ServerUrl {
    type Err = ServerUrlError;

    fn from_str(text: &str) -> Result<Self, ServerUrlError> {
        let error = |reason| ServerUrlError {
            text: redact::url(text),
            reason,
        };
        if text.contains('#') {
            return Err(error("it has a fragment"));
        }
        let uri: http::Uri = text.trim().parse().map_err(|_| error("it does not parse"))?;
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            Some("h2c") => Scheme::H2c,
            Some(_) => return Err(error("its scheme is none of http, https, h2c")),
            None => return Err(error("it has no scheme")),
        };
        let authority = uri.authority().ok_or_else(|| error("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(error("user names and passwords do not belong in it"));
        }
        if uri.query().is_some() {
            return Err(error("it has a query"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(error("it has no host"));
        }
        let port = match authority.port_u16() {
            Some(0) => return Err(error("port 0 cannot be reached")),
            Some(port) => port,
            None if authority.as_str() != authority.host() => {
                return Err(error("its port is not a number from 1 to 65535"));
            }
            None => scheme.default_port(),
        };
        let path = if uri.path() == "/" { "" } else { uri.path() };
        let mut url = Self {
            scheme,
            host: host.to_owned(),
            port,
            path: path.to_owned(),
            written: Written::default(),
        };
        if url.to_string() != text.trim() {
            url.written = Written(Some(text.trim().into()));
        }
        Ok(url)
    }
}

impl ServerUrl {
    /// The text that it was read from: `http://a/` where `http://a:80` is shown.
    pub fn as_written(&self) -> Cow<'_, str> {
        match &self.written.0 {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(self.to_string()),
        }
    }

    /// `host:port`, with brackets around an IPv6 address.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.as_str(), self.authority(), self.path)
    }
}

impl Serialize for ServerUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.as_written())
    }
}

impl<'de> Deserialize<'de> for ServerUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_urls_keep_scheme_host_port_and_path() {
        let url: ServerUrl = "https://[::1]/api".parse().unwrap();
        assert_eq!(
            (url.scheme, url.host.as_str(), url.port, url.path.as_str()),
            (Scheme::Https, "::1", 443, "/api")
        );
        assert_eq!(url.to_string(), "https://[::1]:443/api");
    }

    #[test]
    fn server_urls_are_equal_however_they_are_written_and_know_how_they_were() {
        let [short, long]: [ServerUrl; 2] = ["http://a/", "http://a:80"].map(|text| text.parse().unwrap());
        assert_eq!(short, long);
        assert_eq!(
            (&*short.as_written(), &*long.as_written()),
            ("http://a/", "http://a:80")
        );
    }

    #[test]
    fn a_password_in_a_url_is_not_quoted() {
        let error = "http://u:hunter2@a/x"
            .parse::<ServerUrl>()
            .unwrap_err()
            .to_string();
        assert!(
            !error.contains("hunter2") && error.contains("http://REDACTED@a/x"),
            "{error}"
        );
    }

    #[test]
    fn what_is_no_server_url_is_refused() {
        for text in [
            "",
            "10.0.0.1:80",
            "ftp://a",
            "http://",
            "http://a:0",
            "http://a:99999",
            "http://u:p@a",
            "http://a/?q",
            "http://a#f",
            "http://a/x#f",
        ] {
            assert!(text.parse::<ServerUrl>().is_err(), "{text:?} was taken");
        }
    }
}
