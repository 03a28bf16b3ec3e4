//! What a client says, and whether it knows the password (RFC 7616).

use md5::{Digest, Md5};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Longest text that is looked at.
const MAX_TEXT: usize = 16 * 1024;

/// How sums are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Md5,
    Sha256,
}

impl Algorithm {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    fn sum(self, parts: &[&str]) -> String {
        let text = parts.join(":");
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match self {
            Self::Md5 => hex(&Md5::digest(text)),
            Self::Sha256 => hex(&Sha256::digest(text)),
        }
    }
}

/// The parameters of a client's `Authorization`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) user: String,
    pub(super) realm: String,
    pub(super) nonce: String,
    pub(super) uri: String,
    response: String,
    cnonce: String,
    count: String,
    algorithm: String,
    qop: String,
}

impl Claim {
    /// Reads what follows `Digest`; `None` for what is none, or repeats itself.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut claim = Self::default();
        let mut rest = text.get(..MAX_TEXT).unwrap_or(text);
        while !rest.is_empty() {
            let (name, after) = rest.split_once('=')?;
            let (value, after) = value(after)?;
            let place = match name.trim().to_ascii_lowercase().as_str() {
                "username" => &mut claim.user,
                "realm" => &mut claim.realm,
                "nonce" => &mut claim.nonce,
                "uri" => &mut claim.uri,
                "response" => &mut claim.response,
                "cnonce" => &mut claim.cnonce,
                "nc" => &mut claim.count,
                "algorithm" => &mut claim.algorithm,
                "qop" => &mut claim.qop,
                _ => &mut String::new(),
            };
            if !place.is_empty() {
                return None;
            }
            *place = value;
            rest = after.trim_start().trim_start_matches(',').trim_start();
        }
        let is_whole = [
            &claim.user,
            &claim.nonce,
            &claim.uri,
            &claim.response,
            &claim.cnonce,
        ];
        is_whole.iter().all(|part| !part.is_empty()).then_some(claim)
    }

    /// The count that goes with the nonce.
    pub(super) fn count(&self) -> Option<u64> {
        let is_hex = self.count.len() == 8 && self.count.bytes().all(|byte| byte.is_ascii_hexdigit());
        u64::from_str_radix(&self.count, 16).ok().filter(|_| is_hex)
    }

    /// True if it was made for `method` by who knows the password of `secret`.
    pub(super) fn is_right(&self, method: &str, algorithm: Algorithm, secret: &str) -> bool {
        let named = match self.algorithm.as_str() {
            "" => Algorithm::Md5.name(),
            named => named,
        };
        if !named.eq_ignore_ascii_case(algorithm.name()) || !self.qop.eq_ignore_ascii_case("auth") {
            return false;
        }
        let request = algorithm.sum(&[method, &self.uri]);
        let (nonce, count, cnonce, qop) = (&self.nonce, &self.count, &self.cnonce, &self.qop);
        let expected = algorithm.sum(&[secret, nonce, count, cnonce, qop, &request]);
        let response = self.response.to_ascii_lowercase();
        bool::from(expected.as_bytes().ct_eq(response.as_bytes()))
    }
}

/// The value at the start of `text`, with or without quotes, and what follows it.
fn value(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start();
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        let (value, rest) = text.split_at_checked(end)?;
        return Some((value.to_owned(), rest));
    };
    let (mut value, mut characters) = (String::new(), quoted.chars());
    loop {
        match characters.next()? {
            '"' => return Some((value, characters.as_str())),
            '\\' => value.push(characters.next()?),
            character => value.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example of RFC 7616 3.9.1.
    fn example(algorithm: &str, response: &str) -> Claim {
        Claim::read(&format!(
            "username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", algorithm={algorithm}, \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
             cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, response=\"{response}\", \
             opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
        ))
        .unwrap()
    }

    #[test]
    fn the_examples_of_the_standard_are_right() {
        for (algorithm, response) in [
            (Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
            (
                Algorithm::Sha256,
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
        ] {
            let secret = algorithm.sum(&["Mufasa", "http-auth@example.org", "Circle of Life"]);
            let claim = example(algorithm.name(), response);
            assert_eq!((claim.user.as_str(), claim.count()), ("Mufasa", Some(1)));
            assert!(claim.is_right("GET", algorithm, &secret));
            assert!(!claim.is_right("POST", algorithm, &secret));
            assert!(!claim.is_right("GET", algorithm, "0"));
            let other = if algorithm == Algorithm::Md5 {
                Algorithm::Sha256
            } else {
                Algorithm::Md5
            };
            assert!(!claim.is_right("GET", other, &secret));
        }
    }

    #[test]
    fn what_is_no_claim_is_none() {
        let whole = "username=a, nonce=b, uri=c, response=d, cnonce=e";
        assert_eq!(
            Claim::read(r#"username="a \"b\"", nonce=b, uri=c, response=d, cnonce=e"#)
                .unwrap()
                .user,
            "a \"b\""
        );
        assert!(Claim::read(whole).is_some());
        for text in [
            "",
            "username",
            "username=\"a",
            &format!("{whole}, username=b"),
            "username=a, nonce=b",
        ] {
            assert!(Claim::read(text).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "([a-z]{0,8}=?(\"([^\"]|\\\\.){0,9}\"?|[^,]{0,5}),? ?){0,9}") {
            if let Some(claim) = Claim::read(&text) {
                prop_assert!(!claim.is_right("GET", Algorithm::Md5, ""));
            }
        }
    }
}
