//! Lists of statuses: `["500", "502-504"]`.

use serde::{Deserialize, Serialize};

/// Ranges that one list may have.
const MAX_RANGES: usize = 100;

/// Statuses one by one and from one to another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct StatusRanges(Vec<(u16, u16)>);

/// Why a list is not one of statuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatusRangesError {
    /// Neither a status nor a range.
    #[error("{0:?} is no status from 100 to 599, nor a range of them: write \"503\" or \"502-504\"")]
    Status(String),
    /// Too many.
    #[error("{0} are too many: list {MAX_RANGES} at most")]
    TooMany(usize),
}

impl StatusRanges {
    /// True when `status` is in one of them.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|(from, to)| (*from..=*to).contains(&status))
    }

    /// The first and the last status of one entry; `None` for what is none.
    pub fn range(text: &str) -> Option<(u16, u16)> {
        range(text)
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<Vec<String>> for StatusRanges {
    type Error = StatusRangesError;

    fn try_from(texts: Vec<String>) -> Result<Self, StatusRangesError> {
        if texts.len() > MAX_RANGES {
            return Err(StatusRangesError::TooMany(texts.len()));
        }
        let ranges = texts
            .iter()
            .map(|text| range(text).ok_or_else(|| StatusRangesError::Status(text.clone())));
        ranges.collect::<Result<_, _>>().map(Self)
    }
}

impl From<StatusRanges> for Vec<String> {
    fn from(ranges: StatusRanges) -> Self {
        let written = ranges.0.iter().map(|(from, to)| match from == to {
            true => from.to_string(),
            false => format!("{from}-{to}"),
        });
        written.collect()
    }
}

fn range(text: &str) -> Option<(u16, u16)> {
    let status = |text: &str| {
        text.trim()
            .parse()
            .ok()
            .filter(|status| (100..600).contains(status))
    };
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to) = (status(from)?, status(to)?);
    (from <= to).then_some((from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[&str]) -> Result<StatusRanges, StatusRangesError> {
        let texts = texts.iter().map(|&text| text.to_owned());
        texts.collect::<Vec<_>>().try_into()
    }

    #[test]
    fn statuses_and_ranges_hold_their_ends_and_read_back() {
        let ranges = read(&["500", "502 - 504"]).unwrap();
        let held: Vec<_> = (100..600).filter(|status| ranges.contains(*status)).collect();
        assert_eq!(held, [500, 502, 503, 504]);
        assert_eq!(Vec::from(ranges), ["500", "502-504"]);
    }

    #[test]
    fn what_is_no_status_is_refused() {
        for text in ["", "5xx", "99", "600", "504-502", "500-", "-", "500-501-502"] {
            assert_eq!(read(&[text]), Err(StatusRangesError::Status(text.to_owned())));
        }
        assert_eq!(
            read(&["500"; MAX_RANGES + 1]),
            Err(StatusRangesError::TooMany(MAX_RANGES + 1))
        );
    }
}
