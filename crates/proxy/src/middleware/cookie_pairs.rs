//! The cookies of a request, each as it is written. Those of others may hold bytes of any kind.

use http::{HeaderMap, HeaderValue, header};

/// One cookie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair<'h>(&'h [u8]);

impl<'h> Pair<'h> {
    /// Its name, if that is text.
    pub(super) fn name(self) -> Option<&'h str> {
        let name = self.0.split(|byte| *byte == b'=').next()?;
        std::str::from_utf8(name.trim_ascii()).ok()
    }

    /// Its value, if that is text.
    pub(super) fn value(self) -> Option<&'h str> {
        let at = self.0.iter().position(|byte| *byte == b'=')?;
        let (_, value) = self.0.split_at_checked(at.saturating_add(1))?;
        std::str::from_utf8(value.trim_ascii()).ok()
    }
}

/// All of them, in the order of the request.
pub(super) fn pairs(headers: &HeaderMap) -> impl Iterator<Item = Pair<'_>> {
    let lines = headers.get_all(header::COOKIE).iter();
    let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    let pairs = pairs.map(|pair| Pair(pair.trim_ascii()));
    pairs.filter(|pair| !pair.0.is_empty())
}

/// Takes those off a request whose names do not `stay`.
pub(super) fn keep_pairs(headers: &mut HeaderMap, stay: impl Fn(&str) -> bool) {
    let others = pairs(headers).filter(|pair| pair.name().is_none_or(&stay));
    let others: Vec<_> = others.map(|pair| pair.0).collect();
    let others = others.join(&b"; "[..]);
    headers.remove(header::COOKIE);
    if let Ok(others) = HeaderValue::try_from(others)
        && !others.is_empty()
    {
        headers.insert(header::COOKIE, others);
    }
}
