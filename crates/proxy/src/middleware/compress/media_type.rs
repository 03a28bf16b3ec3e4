//! Media types: which bodies are to be compressed.

use http::{HeaderMap, header};

/// A media type with its parameters, in lower case but for their values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MediaType {
    /// `text/html`.
    name: String,
    /// Sorted.
    parameters: Vec<(String, String)>,
}

impl MediaType {
    /// Reads one; `None` if `text` is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let name = parts.next()?.to_ascii_lowercase();
        let (kind, subtype) = name.split_once('/')?;
        if !is_token(kind) || !is_token(subtype) {
            return None;
        }
        let mut parameters = Vec::new();
        for part in parts.filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=')?;
            if !is_token(key) {
                return None;
            }
            parameters.push((key.to_ascii_lowercase(), value.trim_matches('"').to_owned()));
        }
        parameters.sort();
        Some(Self { name, parameters })
    }

    /// The `Content-Type` of `headers`: `None` without one, `Err` for one that cannot be read.
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Self>, ()> {
        let Some(value) = headers.get(header::CONTENT_TYPE) else {
            return Ok(None);
        };
        let text = value.to_str().ok();
        text.and_then(Self::parse).map(Some).ok_or(())
    }

    /// True if `self`, from the settings, means `found`: of any parameters, unless it has some itself.
    pub(super) fn means(&self, found: &Self) -> bool {
        self.name == found.name && (self.parameters.is_empty() || self.parameters == found.parameters)
    }

    /// True for `application/grpc`, with or without what it carries, and for gRPC-Web: messages are framed, and may be
    /// compressed by themselves.
    pub(super) fn is_grpc(&self) -> bool {
        self.name.starts_with("application/grpc")
    }

    /// True for what is read as it comes.
    pub(super) fn is_live(&self) -> bool {
        self.name == "text/event-stream"
    }
}

fn is_token(text: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_means_itself_with_any_parameters_unless_it_has_some() {
        let means = |settings: &str, found: &str| {
            MediaType::parse(settings)
                .unwrap()
                .means(&MediaType::parse(found).unwrap())
        };
        assert!(means("text/html", "Text/HTML; charset=utf-8"));
        assert!(means("text/html; charset=utf-8", "text/html;CHARSET=\"utf-8\""));
        assert!(means("a/b; x=1; y=2", "a/b;y=2;x=1;"));
        assert!(!means("text/html; charset=utf-8", "text/html"));
        assert!(!means("text/html; charset=utf-8", "text/html; charset=latin1"));
        assert!(!means("text/html", "text/htm"));
    }

    #[test]
    fn what_is_no_type_is_seen() {
        for wrong in [
            "",
            "text",
            "text/",
            "/html",
            "text/html; charset",
            "te xt/html",
            "a/b/c",
            "a/b; =1",
        ] {
            assert_eq!(MediaType::parse(wrong), None, "{wrong}");
        }
        for grpc in [
            "application/grpc",
            "application/grpc+proto",
            "application/grpc-web-text",
        ] {
            assert!(MediaType::parse(grpc).unwrap().is_grpc());
        }
    }
}
