//! What takes the place of what an expression finds.

use mesh_config::rule::Pattern;

use super::InvalidMiddleware;

/// Longest replacement as it is written, in bytes.
const MAX_LENGTH: usize = 2048;

/// Groups of the expression that one replacement may name.
const MAX_GROUPS: usize = 32;

/// Longest text that may come of one, in bytes: that of the longest URI there is.
const MAX_REPLACED: usize = 65_534;

/// An expression and what takes the place of what it finds.
#[derive(Debug)]
pub(super) struct Replacement {
    regex: Pattern,
    template: String,
}

/// What comes of a replacement is too long.
#[derive(Debug)]
pub(super) struct TooLong;

impl Replacement {
    pub(super) fn new(regex: &Pattern, template: &str) -> Result<Self, String> {
        let invalid = |reason| InvalidMiddleware {
            key: "replacement",
            found: template.chars().take(100).collect(),
            reason,
        };
        if template.len() > MAX_LENGTH {
            return Err(invalid("is longer than 2048 bytes").into());
        }
        if template.matches('$').count() > MAX_GROUPS {
            return Err(invalid("names more than 32 groups").into());
        }
        if template.contains(|letter: char| letter.is_control()) {
            return Err(invalid("holds control characters").into());
        }
        if let Some(group) = regex.unknown_group(template) {
            let digits = group.chars().take_while(char::is_ascii_digit).count();
            let (number, text) = group.split_at_checked(digits).unwrap_or_default();
            let instead = match (number.is_empty(), text.is_empty()) {
                (false, false) => {
                    format!("; for group {number} followed by {text:?} write ${{{number}}}{text}")
                }
                _ => String::new(),
            };
            let unknown = invalid("names a group that regex does not have");
            return Err(format!(
                "{unknown}, {group:?}: there are {}{instead}",
                regex.groups()
            ));
        }
        Ok(Self {
            regex: regex.clone(),
            template: template.to_owned(),
        })
    }

    /// As it is written.
    pub(super) fn template(&self) -> &str {
        &self.template
    }

    /// `text` with everything replaced; `None` when there is nothing to replace.
    pub(super) fn of(&self, text: &str) -> Result<Option<String>, TooLong> {
        let replaced = self.regex.replaced(text, &self.template, MAX_REPLACED);
        replaced.map_err(|_| TooLong)
    }
}
