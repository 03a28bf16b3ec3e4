//! What stands in a cookie: encrypted, and refused when anything of it was changed.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hkdf::{HKDF_SHA256, KeyType, Salt},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// Secrets shorter than this can be guessed.
pub(super) const MIN_SECRET: usize = 32;

/// The first one encrypts, each of them decrypts.
pub(super) struct Keys(Vec<RandomizedNonceKey>);

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys", self.0.len())
    }
}

/// What came out of a cookie.
#[derive(Debug)]
pub(super) struct Opened {
    /// The text.
    pub(super) text: Vec<u8>,
    /// An older key had to be used.
    pub(super) is_old: bool,
}

impl Keys {
    /// Keys made from secrets; `None` if one is too short, or there is none.
    pub(super) fn new<'s>(secrets: impl IntoIterator<Item = &'s str>) -> Option<Self> {
        let keys: Option<Vec<_>> = secrets.into_iter().map(key).collect();
        keys.filter(|keys| !keys.is_empty()).map(Self)
    }

    /// `text` for a cookie that is meant `for_what` alone.
    pub(super) fn seal(&self, for_what: &str, text: &[u8]) -> Option<String> {
        let mut sealed = text.to_vec();
        let key = self.0.first()?;
        let nonce = key
            .seal_in_place_append_tag(Aad::from(for_what), &mut sealed)
            .ok()?;
        let mut whole = nonce.as_ref().to_vec();
        whole.append(&mut sealed);
        Some(URL_SAFE_NO_PAD.encode(whole))
    }

    /// What [`seal`](Self::seal) was given; `None` for anything else.
    pub(super) fn open(&self, for_what: &str, value: &str) -> Option<Opened> {
        let whole = URL_SAFE_NO_PAD.decode(value).ok()?;
        let (nonce, sealed) = whole.split_at_checked(NONCE_LEN)?;
        self.0.iter().enumerate().find_map(|(index, key)| {
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let mut text = sealed.to_vec();
            let length = key
                .open_in_place(nonce, Aad::from(for_what), &mut text)
                .ok()?
                .len();
            text.truncate(length);
            Some(Opened {
                text,
                is_old: index > 0,
            })
        })
    }
}

fn key(secret: &str) -> Option<RandomizedNonceKey> {
    if secret.len() < MIN_SECRET {
        return None;
    }
    let mut bytes = [0; 32];
    let extracted = Salt::new(HKDF_SHA256, SALT).extract(secret.as_bytes());
    let expanded = extracted.expand(&[b"cookie"], Length(bytes.len())).ok()?;
    expanded.fill(&mut bytes).ok()?;
    RandomizedNonceKey::new(&AES_256_GCM_SIV, &bytes).ok()
}

/// Keys of other uses of the same secret differ.
const SALT: &[u8] = b"mesh oidc 1";

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OLD: &str = "an old secret of more than 32 bytes";
    const NEW: &str = "a new secret of more than 32 bytes!";

    fn opened(keys: &Keys, for_what: &str, value: &str) -> Option<(Vec<u8>, bool)> {
        keys.open(for_what, value)
            .map(|opened| (opened.text, opened.is_old))
    }

    #[test]
    fn what_was_sealed_opens_for_its_purpose_alone() {
        let keys = Keys::new([NEW]).unwrap();
        let value = keys.seal("session", b"text").unwrap();
        assert_eq!(opened(&keys, "session", &value), Some((b"text".to_vec(), false)));
        assert_eq!(opened(&keys, "login", &value), None);
        assert!(!value.contains("text"));
        assert_ne!(
            keys.seal("session", b"text").unwrap(),
            value,
            "each value is unlike the others"
        );
    }

    #[test]
    fn an_old_secret_still_opens_and_a_forgotten_one_does_not() {
        let value = Keys::new([OLD]).unwrap().seal("session", b"text").unwrap();
        let both = Keys::new([NEW, OLD]).unwrap();
        assert_eq!(opened(&both, "session", &value), Some((b"text".to_vec(), true)));
        assert_eq!(opened(&Keys::new([NEW]).unwrap(), "session", &value), None);
    }

    #[test]
    fn short_secrets_make_no_keys() {
        assert!(Keys::new(["short"]).is_none());
        assert!(Keys::new([NEW, "short"]).is_none());
        assert!(Keys::new([]).is_none());
    }

    proptest! {
        #[test]
        fn nothing_that_was_changed_opens(at in 0_usize..60, bit in 0_u8..6) {
            let keys = Keys::new([NEW]).unwrap();
            let value = keys.seal("session", b"a text of some length").unwrap();
            let mut bytes = URL_SAFE_NO_PAD.decode(&value).unwrap();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            prop_assert!(keys.open("session", &URL_SAFE_NO_PAD.encode(bytes)).is_none());
        }

        #[test]
        fn no_value_makes_it_panic(value in ".{0,80}") {
            prop_assert!(Keys::new([NEW]).unwrap().open("session", &value).is_none());
        }
    }
}
