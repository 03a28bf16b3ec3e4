//! Paths in the form that rules compare.

use std::borrow::Cow;

use percent_encoding::percent_encode_byte;

/// Characters that mean something in a URL: their escapes are not the same as themselves and stay.
const RESERVED: &[u8] = b":/?#[]@!$&'()*+,;=%";

/// The longest letter, in bytes.
const MAX_LETTER: usize = 4;

/// The path of a request in the form that rules compare: every escape is decoded except those of reserved
/// characters and those that make no text; escapes that stay are in upper case. Allocates only when there is
/// an escape.
pub fn routing_path(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return Cow::Borrowed(path);
    }
    let mut text = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((plain, _)) = rest.split_once('%') {
        text.push_str(plain);
        let (letter, length) = Letter::escaped(rest.get(plain.len()..).unwrap_or_default());
        match letter {
            Letter::Plain(letter) => text.push(letter),
            Letter::Escape(escape) => text.push_str(escape),
        }
        rest = rest.get(plain.len() + length..).unwrap_or_default();
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// What follows in `path`, as escaped as it was, when its routing path starts with `prefix`. Compares letter by
/// letter, up to the first that differs.
pub(crate) fn strip_routing_prefix<'p>(path: &'p str, prefix: &str) -> Option<&'p str> {
    let mut rest = path;
    let mut wanted = prefix;
    while let Some(letter) = wanted.chars().next() {
        if letter != '%' && rest.starts_with(letter) {
            rest = rest.get(letter.len_utf8()..)?;
            wanted = wanted.get(letter.len_utf8()..)?;
            continue;
        }
        if !rest.starts_with('%') {
            return None;
        }
        let (letter, length) = Letter::escaped(rest);
        wanted = match letter {
            Letter::Plain(letter) => wanted.strip_prefix(letter)?,
            Letter::Escape(escape) => wanted.strip_prefix(escape)?,
        };
        rest = rest.get(length..)?;
    }
    Some(rest)
}

/// A letter of a routing path.
enum Letter {
    /// It stands for itself.
    Plain(char),
    /// It stays an escape.
    Escape(&'static str),
}

impl Letter {
    /// The letter that `text`, which starts with a percent sign, starts with, and how much of `text` it takes.
    fn escaped(text: &str) -> (Self, usize) {
        let mut bytes = [0; MAX_LETTER];
        let mut count = 0;
        for (byte, escape) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(3)) {
            let Some(value) = unescaped(escape) else { break };
            *byte = value;
            count += 1;
        }
        let bytes = bytes.get(..count).unwrap_or_default();
        let Some(first) = bytes.first() else {
            // A lone percent sign: the entrypoint refuses it; here it stands for itself.
            return (Self::Plain('%'), 1);
        };
        let letter = bytes
            .utf8_chunks()
            .next()
            .and_then(|chunk| chunk.valid().chars().next());
        match letter {
            Some(letter) if !u8::try_from(letter).is_ok_and(|byte| RESERVED.contains(&byte)) => {
                (Self::Plain(letter), 3 * letter.len_utf8())
            }
            Some(_) | None => (Self::Escape(percent_encode_byte(*first)), 3),
        }
    }
}

/// The byte that an escape stands for.
fn unescaped(escape: &[u8]) -> Option<u8> {
    let [b'%', high, low] = *escape else { return None };
    let digit = |digit: u8| char::from(digit).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_are_decoded_except_for_reserved_characters() {
        for (path, routing) in [
            ("/foo%20bar", "/foo bar"),
            ("/a%2fb%3A", "/a%2Fb%3A"),
            ("/%61%2e%e2%82%ac", "/a.€"),
            ("/%ff%fe/x", "/%FF%FE/x"),
            ("/%e2%82/x", "/%E2%82/x"),
            ("/100%", "/100%"),
            ("/%zz%41", "/%zzA"),
            ("/%25%32%35", "/%2525"),
        ] {
            assert_eq!(routing_path(path), routing, "{path:?}");
        }
    }

    #[test]
    fn a_prefix_ends_between_letters() {
        for (path, prefix, rest) in [
            ("/%61pi/x", "/api", Some("/x")),
            ("/%e2%82%ac%e2%82%ac", "/€", Some("%e2%82%ac")),
            ("/%e2%82%ac", "/%E2", None),
            ("/a%2fb", "/a%2F", Some("b")),
            ("/a%2fb", "/a/", None),
            ("/a", "/a%20", None),
            ("/a%2", "/a%", Some("2")),
            ("/a", "/ab", None),
            ("/a", "", Some("/a")),
        ] {
            assert_eq!(
                strip_routing_prefix(path, prefix),
                rest,
                "{path:?} less {prefix:?}"
            );
        }
    }

    /// Paths of few letters, so that prefixes of one are often prefixes of another.
    fn path() -> impl Strategy<Value = String> {
        "(/|a|%61|%2[fF]|%25|%[eE]2|%82|%ac|€|%|2)*"
    }

    proptest! {
        #[test]
        fn any_path_has_a_routing_path(path in "\\PC*") {
            let routing = routing_path(&path).into_owned();
            prop_assert_eq!(routing.contains('/'), path.contains('/'));
        }

        #[test]
        fn a_path_less_its_prefix_is_the_rest(path in path(), prefix in path()) {
            let (whole, prefix) = (routing_path(&path), routing_path(&prefix));
            match strip_routing_prefix(&path, &prefix) {
                Some(rest) => prop_assert_eq!(format!("{prefix}{}", routing_path(rest)), whole),
                None => prop_assert!(whole != prefix),
            }
        }
    }
}
