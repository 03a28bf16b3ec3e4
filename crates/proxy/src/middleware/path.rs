//! Paths as middlewares change them.

use http::{Uri, uri::PathAndQuery};

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

/// True for a path that means the same to everybody: absolute, without empty or dot segments, plain or
/// escaped. A trailing slash is fine.
pub(super) fn is_normal(path: &str) -> bool {
    let Some(segments) = path.strip_prefix('/') else {
        return false;
    };
    let mut segments = segments.split('/').rev();
    // The last segment may be empty: that is a trailing slash.
    let last = segments.next().unwrap_or_default();
    !is_dots(last) && segments.all(|segment| !segment.is_empty() && !is_dots(segment))
}

/// True for `.` and `..`, with dots escaped or not, and with the parameters (`..;x`) that some servers drop.
fn is_dots(segment: &str) -> bool {
    let name = segment.split(';').next().unwrap_or_default();
    let name = name.replace("%2e", ".").replace("%2E", ".");
    matches!(name.as_str(), "." | "..")
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
            "a",
            "",
        ] {
            assert!(!is_normal(path), "{path:?} passed");
        }
        for path in ["/", "/a/", "/a..b", "/...", "/.well-known/x"] {
            assert!(is_normal(path), "{path:?} was refused");
        }
    }
}
