//! Cookies that bring a client back to where it was served before.

use serde::{Deserialize, Deserializer, Serialize, de::Error};

use super::is_default;

/// Keeps clients with the server, or the service, that served them first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Sticky {
    /// By a cookie; absent means not at all.
    #[serde(skip_serializing_if = "is_default")]
    pub cookie: Option<StickyCookie>,
}

/// The cookie that clients get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct StickyCookie {
    /// Its name; empty means one made of the service's.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    /// Clients send it over TLS only.
    pub secure: bool,
    /// Scripts do not see it.
    pub http_only: bool,
    /// Whether requests from pages of other sites carry it; absent leaves that to the browser.
    #[serde(deserialize_with = "same_site", skip_serializing_if = "is_default")]
    pub same_site: Option<SameSite>,
    /// Seconds for which clients keep it; 0 until they end, negative not at all.
    #[serde(skip_serializing_if = "is_default")]
    pub max_age: i64,
    /// Requests below this path carry it.
    #[serde(deserialize_with = "attribute")]
    pub path: String,
    /// Requests to this domain and those below it carry it; empty means the host asked for alone.
    #[serde(deserialize_with = "attribute", skip_serializing_if = "is_default")]
    pub domain: String,
}

impl Default for StickyCookie {
    fn default() -> Self {
        Self {
            name: String::new(),
            secure: false,
            http_only: false,
            same_site: None,
            max_age: 0,
            path: "/".to_owned(),
            domain: String::new(),
        }
    }
}

/// Whether requests from pages of other sites carry a cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SameSite {
    /// They do; browsers want `secure` with it.
    None,
    /// When a user follows a link.
    Lax,
    /// They do not.
    Strict,
}

fn same_site<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SameSite>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
    match text.trim().to_ascii_lowercase().as_str() {
        "" => Ok(None),
        "none" => Ok(Some(SameSite::None)),
        "lax" => Ok(Some(SameSite::Lax)),
        "strict" => Ok(Some(SameSite::Strict)),
        _ => Err(D::Error::custom("sameSite is one of none, lax, strict")),
    }
}

/// The value of an attribute of a cookie (RFC 6265 4.1.1).
fn attribute<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let is_free = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b';';
    match text.bytes().all(is_free) {
        true => Ok(text),
        false => Err(D::Error::custom(
            "an attribute of a cookie is plain ASCII without a semicolon",
        )),
    }
}
