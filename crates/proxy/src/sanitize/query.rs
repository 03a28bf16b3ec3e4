//! Semicolons in queries, which half the world takes for separators.

use std::borrow::Cow;

/// The query with `;` encoded, or turned into the separator that everybody agrees on. All else stays as sent.
pub(super) fn normalise(query: &str, encode: bool) -> Cow<'_, str> {
    if !query.contains(';') {
        return Cow::Borrowed(query);
    }
    Cow::Owned(query.replace(';', if encode { "%3B" } else { "&" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn semicolons_become_what_the_settings_say_and_nothing_else_changes() {
        assert_eq!(normalise("a=1;b=%2F&z=/../q", false), "a=1&b=%2F&z=/../q");
        assert_eq!(normalise("a=1;b", true), "a=1%3Bb");
        assert!(matches!(normalise("a=%2f&b=//", false), Cow::Borrowed(_)));
    }
}
