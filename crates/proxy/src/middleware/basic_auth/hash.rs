//! Hashes of passwords, as `htpasswd` writes them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use md5::{Digest, Md5};
use sha1::Sha1;
use subtle::ConstantTimeEq;

/// Highest cost of a bcrypt hash: each further one doubles the time of a check, which is a second at this one.
const MAX_COST: u32 = 14;

/// Rounds of the MD5 scheme.
const ROUNDS: usize = 1000;

/// Longest password that is checked; browsers send no longer ones.
const MAX_PASSWORD: usize = 1024;

/// One hash.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Hash {
    /// `$2y$…`; slow by intent.
    Bcrypt { text: Box<str>, cost: u32 },
    /// `$apr1$salt$…`, or `$1$salt$…`: a thousand rounds of MD5.
    Md5 {
        magic: &'static str,
        salt: Box<str>,
        sum: [u8; 16],
    },
    /// `{SHA}…`: one round, without salt.
    Sha1([u8; 20]),
}

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hash")
    }
}

impl Hash {
    /// Reads a hash; `None` for what is none of these kinds.
    pub(super) fn read(text: &str) -> Option<Self> {
        if let Some(sum) = text.strip_prefix("{SHA}") {
            let sum = STANDARD.decode(sum).ok()?;
            return sum.try_into().ok().map(Self::Sha1);
        }
        for magic in ["$apr1$", "$1$"] {
            if let Some(rest) = text.strip_prefix(magic) {
                let (salt, sum) = rest.split_once('$')?;
                let salt = salt.get(..salt.len().min(8))?;
                let sum = unpacked(sum)?;
                let salt = salt.into();
                return Some(Self::Md5 { magic, salt, sum });
            }
        }
        let parts: bcrypt::HashParts = text.parse().ok()?;
        let (text, cost) = (text.into(), parts.get_cost());
        (4..=MAX_COST)
            .contains(&cost)
            .then_some(Self::Bcrypt { text, cost })
    }

    /// True if `password` is the one.
    pub(super) fn verify(&self, password: &[u8]) -> bool {
        if password.len() > MAX_PASSWORD {
            return false;
        }
        match self {
            Self::Bcrypt { text, .. } => bcrypt::verify(password, text).unwrap_or(false),
            Self::Md5 { magic, salt, sum } => {
                bool::from(md5_crypt(password, magic.as_bytes(), salt.as_bytes()).ct_eq(sum))
            }
            Self::Sha1(sum) => bool::from(Sha1::digest(password).as_slice().ct_eq(sum)),
        }
    }

    /// True if a check takes no time to speak of.
    pub(super) fn is_quick(&self) -> bool {
        matches!(self, Self::Sha1(_))
    }

    /// How long a check takes, against others.
    pub(super) fn effort(&self) -> u32 {
        match self {
            Self::Sha1(_) => 0,
            Self::Md5 { .. } => 1,
            Self::Bcrypt { cost, .. } => *cost,
        }
    }

    /// What tells it from others.
    pub(super) fn print(&self) -> &[u8] {
        match self {
            Self::Bcrypt { text, .. } => text.as_bytes(),
            Self::Md5 { sum, .. } => sum,
            Self::Sha1(sum) => sum,
        }
    }
}

/// The MD5 scheme of FreeBSD, which Apache uses with another `magic`.
fn md5_crypt(password: &[u8], magic: &[u8], salt: &[u8]) -> [u8; 16] {
    let inner = Md5::new_with_prefix(password)
        .chain_update(salt)
        .chain_update(password)
        .finalize();
    let mut outer = Md5::new_with_prefix(password)
        .chain_update(magic)
        .chain_update(salt);
    for part in password.chunks(16) {
        outer.update(inner.get(..part.len()).unwrap_or_default());
    }
    let mut left = password.len();
    while left > 0 {
        let byte = if left & 1 == 1 { Some(&0) } else { password.first() };
        outer.update(byte.map(std::slice::from_ref).unwrap_or_default());
        left >>= 1;
    }
    let mut sum = outer.finalize();
    for round in 0..ROUNDS {
        let mut next = Md5::new();
        next.update(if round % 2 == 1 { password } else { sum.as_slice() });
        if round % 3 != 0 {
            next.update(salt);
        }
        if round % 7 != 0 {
            next.update(password);
        }
        next.update(if round % 2 == 1 { sum.as_slice() } else { password });
        sum = next.finalize();
    }
    sum.into()
}

/// The sum in the 22 characters that the MD5 scheme writes: groups of three bytes from all over it, six bits at a time,
/// the lowest first.
fn unpacked(text: &str) -> Option<[u8; 16]> {
    const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const GROUPS: [&[usize]; 6] = [
        &[0, 6, 12],
        &[1, 7, 13],
        &[2, 8, 14],
        &[3, 9, 15],
        &[4, 10, 5],
        &[11],
    ];
    let mut sum = [0; 16];
    let mut characters = text.bytes();
    for group in GROUPS {
        let mut bits = 0_u32;
        for place in 0..if group.len() == 3 { 4 } else { 2 } {
            let character = characters.next()?;
            let value = ALPHABET.iter().position(|known| *known == character)?;
            bits |= u32::try_from(value).ok()? << (6 * place);
        }
        let bytes = bits.to_be_bytes();
        let bytes = bytes.get(4 - group.len()..)?;
        for (byte, place) in bytes.iter().zip(group) {
            *sum.get_mut(*place)? = *byte;
        }
    }
    characters.next().is_none().then_some(sum)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn passwords_are_checked_against_every_kind_of_hash() {
        for hash in [
            "$apr1$9x8jRFOk$kjrU.04SY8m1eD1hSKtkQ1",
            "$1$9x8jRFOk$vZFVN2LuRnQuit.yzyWNh.",
            "{SHA}fEqNCco3Yq9h5ZUglD3CZJT4lBs=",
            "$2y$05$abcdefghijklmnopqrstuu1Z..wm/IlVbtpza52hgqCBArL1cvSg6",
        ] {
            let hash = Hash::read(hash).unwrap();
            assert!(hash.verify(b"123456"), "{hash:?}");
            for wrong in [&b""[..], b"12345", b"1234567", b"123456\0", &[b'1'; 2000]] {
                assert!(!hash.verify(wrong), "{hash:?} {wrong:?}");
            }
        }
    }

    #[test]
    fn a_long_password_with_a_short_salt_is_checked_as_others_do() {
        let hash = Hash::read("$apr1$ab$syi4qVjTpcRZWfHU3lnTT1").unwrap();
        assert!(hash.verify("a long password with more than sixteen bytes: ü".as_bytes()));
    }

    #[test]
    fn what_is_no_known_hash_is_none() {
        for text in [
            "",
            "secret",
            "{SHA}short",
            "{SSHA}fEqNCco3Yq9h5ZUglD3CZJT4lBs=",
            "$apr1$salt",
            "$apr1$salt$short",
            "$apr1$salt$kjrU.04SY8m1eD1hSKtkQ1x",
            "$6$salt$sum",
            "$2y$31$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyzABCDEFG",
            "rqXexS6ZhobKA",
        ] {
            assert!(Hash::read(text).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(text in "(\\$(apr1|1|2y|2b\\$04)\\$|\\{SHA\\})?.{0,60}", password in ".{0,40}") {
            if let Some(hash) = Hash::read(&text) && hash.effort() < 5 {
                prop_assert!(!hash.verify(password.as_bytes()) || !password.is_empty());
            }
        }
    }
}
