//! What a head says of its connection and of what follows it.

use http::{HeaderName, Version, header};

use super::{Chunked, Framing};

/// A length that can be read in two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the length of the body is not clear")]
pub(crate) struct Unclear;

/// What the lines of one head say, noted while they are read, so that nobody has to look for them.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// `Content-Length` may say the same number several times in one line, too (RFC 9110 8.6).
    lists: bool,
    length: Option<u64>,
    lengths: u32,
    codings: u32,
    chunked: bool,
    unclear: bool,
    /// `Connection: close`.
    pub(crate) close: bool,
    /// `Connection: keep-alive`.
    pub(crate) keep_alive: bool,
    /// `Expect: 100-continue`.
    pub(crate) go_ahead: bool,
    /// `TE: trailers`.
    pub(crate) trailers: bool,
}

impl Said {
    /// For heads in which `Content-Length` may be a list.
    pub(crate) fn with_lists() -> Self {
        Self {
            lists: true,
            ..Self::default()
        }
    }

    /// Takes note of one line.
    pub(crate) fn note(&mut self, name: &HeaderName, value: &[u8]) {
        match *name {
            header::CONTENT_LENGTH => self.note_length(value),
            header::TRANSFER_ENCODING => {
                self.codings += 1;
                self.chunked = value.eq_ignore_ascii_case(b"chunked");
            }
            header::CONNECTION => {
                self.close |= has(value, b"close");
                self.keep_alive |= has(value, b"keep-alive");
            }
            header::EXPECT => self.go_ahead |= has(value, b"100-continue"),
            header::TE => self.trailers |= has(value, b"trailers"),
            _ => {}
        }
    }

    fn note_length(&mut self, value: &[u8]) {
        for (index, part) in value.split(|byte| *byte == b',').enumerate() {
            let number = number(part);
            let differs = self.length.is_some() && self.length != number;
            self.unclear |= number.is_none() || differs || (index > 0 && !self.lists);
            self.length = number;
            self.lengths += 1;
        }
    }

    /// How long the body is; `None` when nothing says it (RFC 9112 6.3). Of codings nothing but exactly `chunked`,
    /// once, can be understood.
    pub(crate) fn framing(&self, version: Version) -> Result<Option<Framing>, Unclear> {
        match self.codings {
            _ if self.unclear => Err(Unclear),
            0 => Ok(self.length.map(Framing::Length)),
            1 if self.chunked && version == Version::HTTP_11 => {
                Ok(Some(Framing::Chunked(Chunked::default())))
            }
            _ => Err(Unclear),
        }
    }

    /// Another message may follow this one. Where it has two lengths, its sender and somebody in front of it may
    /// disagree on where it ends.
    pub(crate) fn is_followed(&self, version: Version) -> bool {
        let is_doubtful = self.codings > 0 && self.length.is_some();
        let asked = version != Version::HTTP_10 || self.keep_alive;
        asked && !self.close && !is_doubtful
    }

    /// The length, if it was said several times.
    pub(crate) fn repeated_length(&self) -> Option<u64> {
        self.length.filter(|_| self.lengths > 1)
    }

    /// The body comes in chunks.
    pub(crate) fn is_chunked(&self) -> bool {
        self.chunked
    }
}

/// True if `token` is one of those in `value`.
fn has(value: &[u8], token: &[u8]) -> bool {
    let mut tokens = value.split(|byte| *byte == b',');
    tokens.any(|found| found.trim_ascii().eq_ignore_ascii_case(token))
}

fn number(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text.trim_ascii()).ok()?;
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(mut said: Said, lines: &[(HeaderName, &str)]) -> Said {
        for (name, value) in lines {
            said.note(name, value.as_bytes());
        }
        said
    }

    #[test]
    fn a_length_is_a_number_and_says_the_same_each_time() {
        let of = |values: &[&'static str], lists| {
            let lines: Vec<_> = values
                .iter()
                .map(|value| (header::CONTENT_LENGTH, *value))
                .collect();
            let said = said(
                Said {
                    lists,
                    ..Said::default()
                },
                &lines,
            );
            match said.framing(Version::HTTP_11) {
                Ok(Some(Framing::Length(length))) => Ok(Some(length)),
                Ok(_) => Ok(None),
                Err(Unclear) => Err(Unclear),
            }
        };
        assert_eq!(of(&[], false), Ok(None));
        assert_eq!(of(&["5", "5"], false), Ok(Some(5)));
        assert_eq!(of(&["5, 5"], true), Ok(Some(5)));
        for (values, lists) in [
            (&["5, 5"][..], false),
            (&["5", "6"], true),
            (&["5, 6"], true),
            (&["6, 5", "5"], true),
            (&["x", "5"], true),
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
            let lines: Vec<_> = values
                .iter()
                .map(|value| (header::TRANSFER_ENCODING, *value))
                .collect();
            let framing = said(Said::default(), &lines).framing(version);
            framing.map(|framing| matches!(framing, Some(Framing::Chunked(_))))
        };
        assert_eq!(of(&[], Version::HTTP_10), Ok(false));
        assert_eq!(of(&["Chunked"], Version::HTTP_11), Ok(true));
        for values in [
            &["gzip, chunked"][..],
            &["chunked", "chunked"],
            &["gzip", "chunked"],
            &["identity"],
            &[""],
        ] {
            assert_eq!(of(values, Version::HTTP_11), Err(Unclear), "{values:?}");
        }
        assert_eq!(of(&["chunked"], Version::HTTP_10), Err(Unclear));
    }

    #[test]
    fn connections_are_kept_as_versions_and_words_say() {
        let of = |lines: &[(HeaderName, &str)], version| said(Said::default(), lines).is_followed(version);
        let connection = |value| [(header::CONNECTION, value)];
        assert!(of(&[], Version::HTTP_11));
        assert!(!of(&connection("x, Close"), Version::HTTP_11));
        assert!(!of(&[], Version::HTTP_10));
        assert!(of(&connection("Keep-Alive"), Version::HTTP_10));
        assert!(!of(&connection("keep-alive, close"), Version::HTTP_10));
        let both = [
            (header::CONTENT_LENGTH, "5"),
            (header::TRANSFER_ENCODING, "chunked"),
        ];
        assert!(!of(&both, Version::HTTP_11));
    }
}
