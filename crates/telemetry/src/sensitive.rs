//! Which headers carry credentials.

use http::HeaderName;

/// What is shown in place of a credential.
pub const REDACTED: &str = "REDACTED";

/// Words that make a header a credential wherever they stand in its name.
const WORDS: [&str; 8] = [
    "authorization",
    "cookie",
    "token",
    "secret",
    "password",
    "credential",
    "api-key",
    "apikey",
];

/// True for headers of the Authorization and Cookie kind, whose values are shown to nobody unless asked for
/// by name.
pub fn is_sensitive(header: &HeaderName) -> bool {
    is_sensitive_name(header.as_str())
}

/// The same for a name as written in configuration, in any case.
pub fn is_sensitive_name(header: &str) -> bool {
    let lower = header.to_ascii_lowercase();
    WORDS.iter().any(|word| lower.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_known_by_name() {
        for name in [
            "authorization",
            "Proxy-Authorization",
            "cookie",
            "Set-Cookie",
            "X-Api-Key",
            "X-Vault-Token",
        ] {
            assert!(is_sensitive_name(name), "{name}");
        }
    }

    #[test]
    fn ordinary_headers_are_not_credentials() {
        for name in ["accept", "user-agent", "x-forwarded-for", "host"] {
            assert!(!is_sensitive_name(name), "{name}");
        }
    }
}
