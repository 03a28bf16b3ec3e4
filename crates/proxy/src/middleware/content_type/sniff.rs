//! What bytes are, by the way they begin: the MIME Sniffing standard, section 7.

/// So many bytes are looked at.
pub(super) const LOOKED_AT: usize = 512;

/// Beginnings with a type of their own.
const EXACT: [(&[u8], &str); 27] = [
    (b"%PDF-", "application/pdf"),
    (b"%!PS-Adobe-", "application/postscript"),
    (b"\xFE\xFF", "text/plain; charset=utf-16be"),
    (b"\xFF\xFE", "text/plain; charset=utf-16le"),
    (b"\xEF\xBB\xBF", "text/plain; charset=utf-8"),
    (b"\x00\x00\x01\x00", "image/x-icon"),
    (b"\x00\x00\x02\x00", "image/x-icon"),
    (b"BM", "image/bmp"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\x89PNG\r\n\x1A\n", "image/png"),
    (b"\xFF\xD8\xFF", "image/jpeg"),
    (b"ID3", "audio/mpeg"),
    (b"OggS\x00", "application/ogg"),
    (b"MThd\x00\x00\x00\x06", "audio/midi"),
    (b"\x1A\x45\xDF\xA3", "video/webm"),
    (b"\x00\x01\x00\x00", "font/ttf"),
    (b"OTTO", "font/otf"),
    (b"ttcf", "font/collection"),
    (b"wOFF", "font/woff"),
    (b"wOF2", "font/woff2"),
    (b"\x1F\x8B\x08", "application/x-gzip"),
    (b"PK\x03\x04", "application/zip"),
    (b"Rar!\x1A\x07\x00", "application/x-rar-compressed"),
    (b"Rar!\x1A\x07\x01\x00", "application/x-rar-compressed"),
    (b"\x00asm", "application/wasm"),
    (b"\x28\xB5\x2F\xFD", "application/zstd"),
];

/// Beginnings with four bytes of length within: what stands before them, and behind.
const CONTAINERS: [(&[u8], &[u8], &str); 4] = [
    (b"RIFF", b"WEBPVP", "image/webp"),
    (b"RIFF", b"WAVE", "audio/wave"),
    (b"RIFF", b"AVI ", "video/avi"),
    (b"FORM", b"AIFF", "audio/aiff"),
];

/// Beginnings of pages, in any case; a blank or `>` follows.
const HTML: [&[u8]; 17] = [
    b"<!DOCTYPE HTML",
    b"<HTML",
    b"<HEAD",
    b"<SCRIPT",
    b"<IFRAME",
    b"<H1",
    b"<DIV",
    b"<FONT",
    b"<TABLE",
    b"<A",
    b"<STYLE",
    b"<TITLE",
    b"<B",
    b"<BODY",
    b"<BR",
    b"<P",
    b"<!--",
];

/// The type of what begins with `bytes`.
pub(super) fn type_of(bytes: &[u8]) -> &'static str {
    let text = bytes.trim_ascii_start();
    if HTML.iter().any(|tag| begins_with_tag(text, tag)) {
        return match is_utf8(bytes) && !names_its_charset(bytes) {
            true => "text/html; charset=utf-8",
            false => "text/html",
        };
    }
    if text.starts_with(b"<?xml") {
        return match is_utf8(bytes) && !names_its_charset(bytes) {
            true => "text/xml; charset=utf-8",
            false => "text/xml",
        };
    }
    if let Some((_, name)) = EXACT.iter().find(|(beginning, _)| bytes.starts_with(beginning)) {
        return name;
    }
    let is_in = |(before, behind, _): &&(&[u8], &[u8], &str)| {
        bytes.starts_with(before) && bytes.get(8..).is_some_and(|rest| rest.starts_with(behind))
    };
    if let Some((_, _, name)) = CONTAINERS.iter().find(is_in) {
        return name;
    }
    if is_mp4(bytes) {
        return "video/mp4";
    }
    match bytes.iter().any(|byte| is_binary(*byte)) {
        true => "application/octet-stream",
        false if is_utf8(bytes) => "text/plain; charset=utf-8",
        false => "text/plain",
    }
}

fn begins_with_tag(text: &[u8], tag: &[u8]) -> bool {
    let Some((beginning, rest)) = text.split_at_checked(tag.len()) else {
        return false;
    };
    beginning.eq_ignore_ascii_case(tag) && matches!(rest.first(), Some(b' ' | b'>'))
}

/// The container of MP4: a list of brands, one of which is `mp4`.
fn is_mp4(bytes: &[u8]) -> bool {
    let length = bytes.first_chunk().map(|length| u32::from_be_bytes(*length));
    let length = length
        .and_then(|length| usize::try_from(length).ok())
        .filter(|length| length % 4 == 0);
    let Some(list) = length.and_then(|length| bytes.get(4..length)) else {
        return false;
    };
    // The second word is a version.
    let mut brands = list
        .chunks_exact(4)
        .enumerate()
        .skip(1)
        .filter(|(at, _)| *at != 2);
    list.starts_with(b"ftyp") && brands.any(|(_, brand)| brand.starts_with(b"mp4"))
}

/// True for bytes that no text has.
fn is_binary(byte: u8) -> bool {
    matches!(byte, 0x00..=0x08 | 0x0B | 0x0E..=0x1A | 0x1C..=0x1F)
}

/// True for UTF-8, the end of which may be cut off.
fn is_utf8(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).map_or_else(|error| error.error_len().is_none(), |_| true)
}

/// True if the document says itself how its letters are encoded.
fn names_its_charset(bytes: &[u8]) -> bool {
    let names = |name: &[u8]| {
        bytes
            .windows(name.len())
            .any(|text| text.eq_ignore_ascii_case(name))
    };
    names(b"charset") || names(b"encoding")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_begins_in_a_known_way_has_its_type() {
        let cases: &[(&[u8], &str)] = &[
            (b" \r\n\t<!doctype html>", "text/html; charset=utf-8"),
            (b"<p class=x>", "text/html; charset=utf-8"),
            (b"<html><meta charset=latin1>", "text/html"),
            (b"<html>\xE9 noir", "text/html"),
            (b"<pre>", "text/plain; charset=utf-8"),
            (b"<p", "text/plain; charset=utf-8"),
            (b"<?xml version='1.0'?>", "text/xml; charset=utf-8"),
            (b"<?xml version='1.0' encoding='latin1'?>", "text/xml"),
            (b"%PDF-1.7", "application/pdf"),
            (b"\xEF\xBB\xBFhi", "text/plain; charset=utf-8"),
            (b"GIF89a...", "image/gif"),
            (b"\x89PNG\r\n\x1A\n", "image/png"),
            (b"RIFF\x01\x02\x03\x04WEBPVP8", "image/webp"),
            (b"RIFF\x01\x02\x03\x04WAVEfmt", "audio/wave"),
            (b"RIFF\x01\x02\x03\x04None", "application/octet-stream"),
            (b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00isommp42", "video/mp4"),
            (b"\x00\x00\x00\x14ftypisom\x00\x00\x00\x00mp41", "video/mp4"),
            (b"\x00\x00\x00\x14ftypisommp41isom", "application/octet-stream"),
            (b"\x1F\x8B\x08\x00", "application/x-gzip"),
            (b"PK\x03\x04", "application/zip"),
            (b"\x00asm\x01", "application/wasm"),
            (b"{\"a\": 1}", "text/plain; charset=utf-8"),
            (b"caf\xC3\xA9", "text/plain; charset=utf-8"),
            (b"caf\xC3", "text/plain; charset=utf-8"),
            (b"caf\xE9 noir", "text/plain"),
            (b"a\x00b", "application/octet-stream"),
        ];
        for (bytes, name) in cases {
            assert_eq!(type_of(bytes), *name, "{}", bytes.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(http::HeaderValue::from_static(type_of(&bytes)).to_str().unwrap().contains('/'));
        }
    }
}
