//! What a head says of the length of what follows it.

use http::{HeaderMap, Version, header};

/// A length that can be read in two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the length of the body is not clear")]
pub(crate) struct Unclear;

/// The `Content-Length`, if there is one. It may be repeated as long as it is the same; with `lists`, in one line,
/// too (RFC 9110 8.6).
pub(crate) fn content_length(headers: &HeaderMap, lists: bool) -> Result<Option<u64>, Unclear> {
    let mut length = None;
    for line in headers.get_all(header::CONTENT_LENGTH) {
        let text = line.to_str().map_err(|_| Unclear)?;
        let mut parts = text.split(',');
        let known = length;
        length = Some(number(parts.next().unwrap_or_default())?);
        for part in parts {
            if !lists || length != Some(number(part)?) {
                return Err(Unclear);
            }
        }
        if known.is_some() && known != length {
            return Err(Unclear);
        }
    }
    Ok(length)
}

fn number(text: &str) -> Result<u64, Unclear> {
    let text = text.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number).ok_or(Unclear)
}

/// True when the body comes in chunks. Nothing but exactly `chunked`, once, can be understood (RFC 9112 6.1).
pub(crate) fn is_chunked(headers: &HeaderMap, version: Version) -> Result<bool, Unclear> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else {
        return Ok(false);
    };
    let is_chunked = coding.as_bytes().eq_ignore_ascii_case(b"chunked") && codings.next().is_none();
    match is_chunked && version == Version::HTTP_11 {
        true => Ok(true),
        false => Err(Unclear),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let lines = lines.iter();
        lines
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn a_length_is_a_number_and_says_the_same_each_time() {
        let of = |values: &[&'static str], lists| {
            let lines: Vec<_> = values.iter().map(|value| ("content-length", *value)).collect();
            content_length(&headers(&lines), lists)
        };
        assert_eq!(of(&[], false), Ok(None));
        assert_eq!(of(&["5", "5"], false), Ok(Some(5)));
        assert_eq!(of(&["5, 5"], true), Ok(Some(5)));
        for (values, lists) in [
            (&["5, 5"][..], false),
            (&["5", "6"], true),
            (&["5, 6"], true),
            (&["6, 5", "5"], true),
            (&["+5"], true),
            (&[""], true),
            (&["5,"], true),
            (&["18446744073709551616"], true),
        ] {
            assert_eq!(of(values, lists), Err(Unclear), "{values:?}");
        }
    }

    #[test]
    fn only_chunked_alone_is_a_coding() {
        let of = |values: &[&'static str], version| {
            let lines: Vec<_> = values.iter().map(|value| ("transfer-encoding", *value)).collect();
            is_chunked(&headers(&lines), version)
        };
        assert_eq!(of(&[], Version::HTTP_10), Ok(false));
        assert_eq!(of(&["Chunked"], Version::HTTP_11), Ok(true));
        for values in [
            &["gzip, chunked"][..],
            &["chunked", "chunked"],
            &["identity"],
            &[""],
        ] {
            assert_eq!(of(values, Version::HTTP_11), Err(Unclear), "{values:?}");
        }
        assert_eq!(of(&["chunked"], Version::HTTP_10), Err(Unclear));
    }
}
