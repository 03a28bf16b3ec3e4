//! Base64 of a body that comes in parts.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::middleware::Unreadable;

/// Reads Base64 part by part. Each run may be padded: clients join what they encoded message by message.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// Characters that are no four yet.
    rest: Vec<u8>,
}

/// Writes Base64 part by part.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    /// Bytes that are no three yet.
    rest: Vec<u8>,
}

impl Decoder {
    /// What `part` adds.
    pub(super) fn part(&mut self, part: &[u8]) -> Result<Vec<u8>, Unreadable> {
        let mut text = std::mem::take(&mut self.rest);
        text.extend_from_slice(part);
        self.rest = text.split_off(text.len() - text.len() % 4);
        let mut decoded = Vec::with_capacity(text.len() / 4 * 3);
        let mut runs = text.as_slice();
        while !runs.is_empty() {
            // Up to the four that are padded.
            let padded = runs.iter().position(|byte| *byte == b'=');
            let end = padded.map_or(runs.len(), |at| (at / 4 + 1) * 4);
            let (run, more) = runs.split_at_checked(end).unwrap_or((runs, &[]));
            let is_read = STANDARD.decode_vec(run, &mut decoded);
            is_read.map_err(|_| Unreadable("its Base64 is wrong"))?;
            runs = more;
        }
        Ok(decoded)
    }

    /// Nothing more comes.
    pub(super) fn end(&self) -> Result<(), Unreadable> {
        match self.rest.is_empty() {
            true => Ok(()),
            false => Err(Unreadable("its Base64 breaks off")),
        }
    }
}

impl Encoder {
    /// What can be written of `part`, and of what came before it.
    pub(super) fn part(&mut self, part: &[u8]) -> String {
        let mut bytes = std::mem::take(&mut self.rest);
        bytes.extend_from_slice(part);
        self.rest = bytes.split_off(bytes.len() - bytes.len() % 3);
        STANDARD.encode(&bytes)
    }

    /// The rest, padded.
    pub(super) fn flush(&mut self) -> String {
        STANDARD.encode(std::mem::take(&mut self.rest))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn runs_with_padding_are_joined() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.part(b"YQ==YmI=Y2Nj").unwrap(), b"abbccc");
        assert_eq!(decoder.part(b"Y").unwrap(), b"");
        assert!(decoder.end().is_err());
        assert_eq!(decoder.part(b"Q==").unwrap(), b"a");
        assert!(decoder.end().is_ok());
    }

    #[test]
    fn what_is_no_base64_is_seen() {
        for wrong in ["a?cd", "====", "a===", "Y Q=", "YQ=a", "abc\n"] {
            assert!(Decoder::default().part(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_was_written_in_parts_is_read_in_others(
            parts in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..20), any::<bool>()), 0..20),
            step in 1..9_usize,
        ) {
            let mut encoder = Encoder::default();
            let (mut text, mut whole) = (String::new(), Vec::new());
            for (part, flushes) in parts {
                text += &encoder.part(&part);
                whole.extend(part);
                if flushes {
                    text += &encoder.flush();
                }
            }
            text += &encoder.flush();
            let (mut decoder, mut decoded) = (Decoder::default(), Vec::new());
            for part in text.as_bytes().chunks(step) {
                decoded.extend(decoder.part(part).unwrap());
            }
            prop_assert!(decoder.end().is_ok());
            prop_assert_eq!(decoded, whole);
        }

        #[test]
        fn no_text_is_too_much(parts in prop::collection::vec("[A-Za-z0-9+/=\\n ]{0,9}", 0..9)) {
            let mut decoder = Decoder::default();
            for part in parts {
                let _either_is_fine = decoder.part(part.as_bytes());
            }
        }
    }
}
