//! One spelling for one path.

use std::borrow::Cow;

use percent_encoding::percent_encode_byte;

use super::Rejection;
use crate::settings::{EncodedCharacters, EntryPoint};

/// The path with unreserved characters decoded, other escapes in upper case, and (unless switched off) without
/// empty and dot segments. Allocates only when something changes.
pub(super) fn normalise<'p>(path: &'p str, settings: &EntryPoint) -> Result<Cow<'p, str>, Rejection> {
    let path = if path.contains('%') {
        Cow::Owned(escapes(path, &settings.http.encoded_characters)?)
    } else {
        Cow::Borrowed(path)
    };
    if !settings.http.sanitize_path || !has_idle_segments(&path) {
        return Ok(path);
    }
    Ok(Cow::Owned(resolve(&path)))
}

/// The path as a server would see it that takes an encoded slash or backslash for a slash; `None` when it has
/// neither.
pub(crate) fn resolve_encoded_slashes(path: &str) -> Option<String> {
    if !path.contains("%2F") && !path.contains("%5C") {
        return None;
    }
    Some(resolve(&path.replace("%2F", "/").replace("%5C", "/")))
}

/// Normalises every escape.
fn escapes(path: &str, allowed: &EncodedCharacters) -> Result<String, Rejection> {
    let mut text = String::with_capacity(path.len());
    let mut parts = path.split('%');
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).ok_or(Rejection::Escape)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(Rejection::Escape);
        }
        let byte = u8::from_str_radix(digits, 16).map_err(|_| Rejection::Escape)?;
        if !allowed.allows(byte) {
            return Err(Rejection::EncodedCharacter);
        }
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            text.push(char::from(byte));
        } else {
            text.push_str(percent_encode_byte(byte));
        }
        text.push_str(rest);
    }
    Ok(text)
}

/// True when there is a segment that [`resolve`] would remove.
fn has_idle_segments(path: &str) -> bool {
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        if matches!(segment, "." | "..") || (segment.is_empty() && !is_last) {
            return true;
        }
    }
    false
}

/// Removes empty and dot segments; `..` at the root stays at the root. A trailing slash stays.
fn resolve(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_in_directory = false;
    for segment in path.split('/') {
        ends_in_directory = matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            name => kept.push(name),
        }
    }
    let mut text = String::with_capacity(path.len());
    for segment in &kept {
        text.push('/');
        text.push_str(segment);
    }
    if text.is_empty() || ends_in_directory {
        text.push('/');
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn settings() -> EntryPoint {
        EntryPoint::new(":0".parse().unwrap())
    }

    #[test]
    fn every_spelling_of_a_path_becomes_one() {
        for (sent, normal) in [
            ("/%61dmin", "/admin"),
            ("/x/../admin", "/admin"),
            ("/./admin", "/admin"),
            ("/x/%2e%2E/admin", "/admin"),
            ("//admin", "/admin"),
            ("/../../admin/", "/admin/"),
            ("/a/..", "/"),
            ("/a/b/.", "/a/b/"),
            ("/a%20b/c%2fd", "/a%20b/c%2Fd"),
            ("/%7euser", "/~user"),
            ("/%25%61", "/%25a"),
            ("/", "/"),
        ] {
            assert_eq!(normalise(sent, &settings()).unwrap(), normal, "{sent}");
        }
    }

    #[test]
    fn a_path_in_order_is_not_copied() {
        assert!(matches!(
            normalise("/a/b.c/..d/", &settings()),
            Ok(Cow::Borrowed(_))
        ));
    }

    #[test]
    fn broken_and_forbidden_escapes_are_refused() {
        for sent in ["/%", "/%4", "/%zz", "/%+1"] {
            assert_eq!(normalise(sent, &settings()), Err(Rejection::Escape), "{sent}");
        }
        assert_eq!(normalise("/a%00", &settings()), Err(Rejection::EncodedCharacter));
        let mut strict = settings();
        strict.http.encoded_characters.allow_encoded_slash = false;
        assert_eq!(normalise("/a%2fb", &strict), Err(Rejection::EncodedCharacter));
    }

    #[test]
    fn without_sanitizing_segments_stay_as_sent() {
        let mut settings = settings();
        settings.http.sanitize_path = false;
        assert_eq!(normalise("/a//%2e%2e/%62", &settings).unwrap(), "/a//../b");
    }

    #[test]
    fn encoded_slashes_are_resolved_as_a_lenient_server_would() {
        assert_eq!(
            resolve_encoded_slashes("/x/..%2Fadmin").as_deref(),
            Some("/admin")
        );
        assert_eq!(resolve_encoded_slashes("/x"), None);
    }

    proptest! {
        #[test]
        fn normalising_again_changes_nothing(path in "/([a-c.%/]|%2e|%2F|%61|%25){0,20}") {
            if let Ok(once) = normalise(&path, &settings()) {
                prop_assert_eq!(normalise(&once, &settings()).unwrap(), &*once);
                prop_assert!(once.starts_with('/'));
                prop_assert!(!once.split('/').any(|segment| matches!(segment, "." | "..")));
                prop_assert!(!once.contains("//"));
            }
        }
    }
}
