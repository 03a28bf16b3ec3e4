//! Paths as middlewares change them.

use http::{HeaderName, HeaderValue, Uri, request, uri::PathAndQuery};

use super::InvalidMiddleware;

/// Tells servers which path was there before.
static X_REPLACED_PATH: HeaderName = HeaderName::from_static("x-replaced-path");

/// `uri` with another path, the same query; `None` when `path` does not fit into a URI.
pub(super) fn with_path(uri: &Uri, path: &str) -> Option<Uri> {
    let path_and_query = match uri.query() {
        Some(query) => PathAndQuery::try_from(format!("{path}?{query}")),
        None => PathAndQuery::try_from(path),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path_and_query.ok()?);
    Uri::from_parts(parts).ok()
}

/// Puts `path` in the place of the path, and tells servers which one was there; `None` when it does not fit.
pub(super) fn replace(head: &mut request::Parts, path: &str) -> Option<()> {
    let uri = with_path(&head.uri, path)?;
    let before = HeaderValue::from_bytes(head.uri.path().as_bytes()).ok()?;
    head.headers.append(&X_REPLACED_PATH, before);
    head.uri = uri;
    Some(())
}

/// A path as it stands in settings, with a slash in front of it.
pub(super) fn written(key: &'static str, text: &str) -> Result<String, InvalidMiddleware> {
    let path = match text.starts_with('/') {
        true => text.to_owned(),
        false => format!("/{text}"),
    };
    let is_path = path.parse::<Uri>().is_ok_and(|uri| uri.path() == path);
    if is_path && is_normal(&path) && has_whole_escapes(&path) {
        return Ok(path);
    }
    Err(InvalidMiddleware {
        key,
        found: text.to_owned(),
        reason: "is no path; escape special characters, leave out `..` and `//`",
    })
}

/// True for a path that means the same to everybody: absolute, without empty or dot segments, plain or
/// escaped, or between escaped slashes. A trailing slash is fine.
pub(super) fn is_normal(path: &str) -> bool {
    let Some(segments) = path.strip_prefix('/') else {
        return false;
    };
    let mut segments = segments.split('/').rev();
    // The last segment may be empty: that is a trailing slash.
    let last = segments.next().unwrap_or_default();
    !has_dots(last) && segments.all(|segment| !segment.is_empty() && !has_dots(segment))
}

/// True if every percent sign begins an escape.
pub(super) fn has_whole_escapes(path: &str) -> bool {
    let mut escapes = path.split('%').skip(1);
    escapes
        .all(|text| matches!(text.as_bytes(), [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()))
}

/// True for `.` and `..`, with dots escaped or not, and with the parameters (`..;x`) that some servers drop; also
/// next to what some servers take for a slash.
fn has_dots(segment: &str) -> bool {
    if !segment.contains(['.', '%']) {
        return false;
    }
    let name = segment.replace("%2e", ".").replace("%2E", ".");
    let name = name.replace("%2f", "/").replace("%2F", "/");
    let name = name.replace("%5c", "/").replace("%5C", "/");
    let mut names = name.split(['/', '\\']).map(|name| name.split(';').next());
    names.any(|name| matches!(name, Some("." | "..")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dot_segments_are_seen_in_every_spelling() {
        for path in [
            "/..",
            "/a/../b",
            "/.",
            "/a/.",
            "/%2e%2E/b",
            "/.%2e",
            "/a//b",
            "//a",
            "/..;x/a",
            "/..%2Fadmin",
            "/a%2f..",
            "/a%5C%2e%2e%5cb",
            "/..\\b",
            "a",
            "",
        ] {
            assert!(!is_normal(path), "{path:?} passed");
        }
        for path in [
            "/",
            "/a/",
            "/a..b",
            "/...",
            "/.well-known/x",
            "/http:%2F%2Fa.test",
        ] {
            assert!(is_normal(path), "{path:?} was refused");
        }
    }

    #[test]
    fn broken_escapes_are_seen() {
        for (path, is_whole) in [
            ("/%2Fa%20", true),
            ("/", true),
            ("/%", false),
            ("/%2", false),
            ("/%zz", false),
        ] {
            assert_eq!(has_whole_escapes(path), is_whole, "{path}");
        }
    }
}
