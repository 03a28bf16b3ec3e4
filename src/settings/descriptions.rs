//! What each option does, in one line, for `--help` and the reference.

/// Path, default as written (empty: absent or empty), and what it does.
pub(crate) const DESCRIPTIONS: &[(&str, &str, &str)] = &[];
