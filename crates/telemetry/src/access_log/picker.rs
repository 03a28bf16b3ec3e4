//! Which fields and headers of a request are logged.

use std::collections::{BTreeMap, BTreeSet};

use http::{HeaderMap, HeaderName, HeaderValue};
use mesh_config::redact::{REDACTED, is_secret_name};

use super::{
    record::Headers,
    settings::{FieldMode, Fields, HeaderFields, HeaderMode},
};

/// Decides for headers.
#[derive(Debug)]
pub(super) struct HeaderPicker {
    default_mode: HeaderMode,
    names: BTreeMap<String, HeaderMode>,
}

impl HeaderPicker {
    pub(super) fn new(fields: &HeaderFields) -> Self {
        let names = fields.names.iter();
        Self {
            default_mode: fields.default_mode,
            names: names
                .map(|(name, mode)| (name.to_ascii_lowercase(), *mode))
                .collect(),
        }
    }

    pub(super) fn mode(&self, name: &HeaderName) -> HeaderMode {
        match (self.names.get(name.as_str()), self.default_mode) {
            (Some(mode), _) => *mode,
            (None, HeaderMode::Keep) if is_secret_name(name.as_str()) => HeaderMode::Redact,
            (None, mode) => mode,
        }
    }

    /// The headers of `all` that lines need; redacted ones without their values.
    pub(super) fn pick(&self, all: &HeaderMap) -> Headers {
        let redacted = || HeaderValue::from_static(REDACTED);
        if self.default_mode != HeaderMode::Drop {
            let kept = all.iter().filter_map(|(name, value)| match self.mode(name) {
                HeaderMode::Keep => Some((name.clone(), value.clone())),
                HeaderMode::Redact => Some((name.clone(), redacted())),
                HeaderMode::Drop => None,
            });
            return Headers(kept.collect());
        }
        let mut picked = Vec::new();
        for (name, mode) in &self.names {
            for value in all.get_all(name.as_str()) {
                let Ok(name) = HeaderName::try_from(name.as_str()) else {
                    continue;
                };
                match mode {
                    HeaderMode::Keep => picked.push((name, value.clone())),
                    HeaderMode::Redact => picked.push((name, redacted())),
                    HeaderMode::Drop => {}
                }
            }
        }
        Headers(picked)
    }
}

/// Decides for fields.
#[derive(Debug)]
pub(super) struct FieldPicker {
    default_mode: FieldMode,
    /// In lower case.
    exceptions: BTreeSet<String>,
}

impl FieldPicker {
    pub(super) fn new(fields: &Fields) -> Self {
        let exceptions = fields
            .names
            .iter()
            .filter(|(_, mode)| **mode != fields.default_mode);
        Self {
            default_mode: fields.default_mode,
            exceptions: exceptions.map(|(name, _)| name.to_ascii_lowercase()).collect(),
        }
    }

    pub(super) fn keeps(&self, field: &str) -> bool {
        let default = self.default_mode == FieldMode::Keep;
        if self.exceptions.is_empty() {
            return default;
        }
        self.exceptions.contains(&field.to_ascii_lowercase()) != default
    }
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;

    fn headers() -> HeaderMap {
        HeaderMap::from_iter([
            (header::AUTHORIZATION, HeaderValue::from_static("Basic c2VjcmV0")),
            (header::USER_AGENT, HeaderValue::from_static("curl")),
        ])
    }

    fn picker(default_mode: HeaderMode, names: &[(&str, HeaderMode)]) -> HeaderPicker {
        HeaderPicker::new(&HeaderFields {
            default_mode,
            names: names
                .iter()
                .map(|(name, mode)| ((*name).to_owned(), *mode))
                .collect(),
        })
    }

    #[test]
    fn by_default_no_header_is_kept() {
        assert!(picker(HeaderMode::Drop, &[]).pick(&headers()).0.is_empty());
    }

    #[test]
    fn credentials_are_redacted_even_when_headers_are_kept() {
        let picked = picker(HeaderMode::Keep, &[]).pick(&headers());
        assert_eq!(picked.get(&header::AUTHORIZATION).unwrap(), "REDACTED");
        assert_eq!(picked.get(&header::USER_AGENT).unwrap(), "curl");
    }

    #[test]
    fn a_credential_is_kept_when_its_own_name_says_so() {
        let picked = picker(HeaderMode::Drop, &[("AUTHORIZATION", HeaderMode::Keep)]).pick(&headers());
        assert_eq!(picked.get(&header::AUTHORIZATION).unwrap(), "Basic c2VjcmV0");
        assert_eq!(picked.0.len(), 1);
    }

    #[test]
    fn a_field_named_in_any_case_is_an_exception() {
        let picker = FieldPicker::new(&Fields {
            names: BTreeMap::from([("clientHOST".to_owned(), FieldMode::Drop)]),
            ..Fields::default()
        });
        assert!(!picker.keeps("ClientHost") && picker.keeps("Duration"));
    }
}
