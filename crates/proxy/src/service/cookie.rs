//! What stands in the cookies of sticky sessions, and finding it in requests.

use http::{HeaderMap, header};
use mesh_config::model::{SameSite, StickyCookie};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// What is hashed before the name of a service, for the name of its cookie.
const SALT: &str = "_MESH_BACKEND_";

/// The name of the cookie of the service `label`, which is `web@file` for one.
pub(super) fn name(definition: &StickyCookie, label: &str) -> String {
    if definition.name.is_empty() {
        let digest = Sha1::digest(format!("{SALT}{label}"));
        let mut name = format!("_{}", hex(&digest));
        name.truncate(6);
        return name;
    }
    let is_token = |c: &char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(*c);
    let chars = definition.name.chars();
    chars.map(|c| if is_token(&c) { c } else { '_' }).collect()
}

/// The value that stands for the member written as `member`.
pub(super) fn value(member: &str) -> String {
    let mut value = hex(&Sha256::digest(member));
    value.truncate(16);
    value
}

/// Values that stood for it once, and are still understood.
pub(super) fn former_values(member: &str) -> [String; 3] {
    let once = format!("{:x}", fnv1(member));
    let twice = format!("{:x}", fnv1(&once));
    [member.to_owned(), once, twice]
}

/// What follows name and value in `Set-Cookie`.
pub(super) fn attributes(definition: &StickyCookie) -> String {
    let mut text = String::new();
    if !definition.path.is_empty() {
        text += &format!("; Path={}", definition.path);
    }
    if !definition.domain.is_empty() {
        text += &format!("; Domain={}", definition.domain);
    }
    match definition.max_age {
        0 => {}
        seconds => text += &format!("; Max-Age={}", seconds.max(0)),
    }
    if definition.http_only {
        text += "; HttpOnly";
    }
    if definition.secure {
        text += "; Secure";
    }
    text += match definition.same_site {
        None => "",
        Some(SameSite::None) => "; SameSite=None",
        Some(SameSite::Lax) => "; SameSite=Lax",
        Some(SameSite::Strict) => "; SameSite=Strict",
    };
    text
}

/// The values of the cookies called `name`: a browser sends those of several paths and domains.
pub(super) fn find<'h>(headers: &'h HeaderMap, name: &str) -> impl Iterator<Item = &'h str> {
    let lines = headers.get_all(header::COOKIE).iter();
    let pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    pairs.filter_map(move |pair| {
        let (found, value) = pair.split_once('=')?;
        let value = (found.trim() == name).then(|| value.trim())?;
        let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        Some(quoted.unwrap_or(value))
    })
}

/// 64 bits, in the first variant of the function.
fn fnv1(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        hash.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte)
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn named(name: &str) -> StickyCookie {
        StickyCookie {
            name: name.to_owned(),
            ..StickyCookie::default()
        }
    }

    #[test]
    fn the_name_comes_from_the_service_or_is_made_a_token() {
        // printf '_MESH_BACKEND_web@file' | sha1sum
        assert_eq!(name(&named(""), "web@file"), "_ecfa0");
        assert_eq!(name(&named("a b;c=d_e\u{e4}.f"), "web@file"), "a_b_c_d_e_.f");
    }

    #[test]
    fn values_are_hashes_and_older_ones_are_known() {
        // printf 'http://10.0.0.1:80' | sha256sum
        assert_eq!(value("http://10.0.0.1:80"), "df5bd2f9c0180410");
        // The published test vectors of the function: of nothing, and of "a".
        assert_eq!(
            (fnv1(""), fnv1("a")),
            (0xcbf2_9ce4_8422_2325, 0xaf63_bd4c_8601_b7be)
        );
        let [raw, once, twice] = former_values("a");
        assert_eq!((&*raw, &*once), ("a", "af63bd4c8601b7be"));
        assert_eq!(twice, format!("{:x}", fnv1("af63bd4c8601b7be")));
    }

    #[test]
    fn attributes_stand_in_their_order_and_only_if_set() {
        assert_eq!(attributes(&StickyCookie::default()), "; Path=/");
        let all = StickyCookie {
            name: String::new(),
            secure: true,
            http_only: true,
            same_site: Some(SameSite::Strict),
            max_age: 60,
            path: "/shop".to_owned(),
            domain: "a.example".to_owned(),
        };
        assert_eq!(
            attributes(&all),
            "; Path=/shop; Domain=a.example; Max-Age=60; HttpOnly; Secure; SameSite=Strict"
        );
        let gone = StickyCookie {
            max_age: -5,
            ..named("")
        };
        assert_eq!(attributes(&gone), "; Path=/; Max-Age=0");
    }

    #[test]
    fn a_cookie_is_found_among_others_in_any_line() {
        let mut headers = HeaderMap::new();
        assert_eq!(find(&headers, "a").next(), None);
        for line in ["x=1; aa=2;a = \"3\" ; a=4", "b=5=6; c", "d="] {
            headers.append(header::COOKIE, HeaderValue::from_static(line));
        }
        let found = ["a", "b", "c", "d", "A"].map(|name| find(&headers, name).collect::<Vec<_>>());
        let expected: [&[&str]; 5] = [&["3", "4"], &["5=6"], &[], &[""], &[]];
        assert_eq!(found, expected);
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic_and_what_is_set_is_found(line in "[ -~]{0,40}", value in "[a-z0-9:/.]{0,20}") {
            let mut headers = HeaderMap::new();
            headers.append(header::COOKIE, HeaderValue::from_str(&line).unwrap());
            let _ = find(&headers, "a").count();
            headers.insert(header::COOKIE, HeaderValue::from_str(&format!("bb=1; a={value}")).unwrap());
            prop_assert_eq!(find(&headers, "a").next(), Some(&*value));
        }
    }
}
