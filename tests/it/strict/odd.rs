//! Requests and answers made of odd pieces, and what each of them means.

use std::fmt;

use proptest::{
    prelude::*,
    sample::{Index, select},
};

/// How many readings a piece has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Readings {
    /// One: it has to pass.
    One,
    /// One, but Mesh may be too strict for it.
    Odd,
    /// None, or several: it must not pass.
    Several,
}

use Readings::{Odd, One, Several};

/// A message, as it is sent and as it is meant.
#[derive(Clone)]
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    /// Of a request.
    pub(super) line: String,
    pub(super) body: Vec<u8>,
    pub(super) readings: Readings,
    /// Of HTTP/1.0.
    pub(super) is_old: bool,
    /// Nothing after it is a message.
    pub(super) is_last: bool,
}

impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.bytes[..self.bytes.len().min(400)];
        write!(f, "{:?} \"{}\"", self.readings, shown.escape_ascii())
    }
}

/// What bodies hold: text that would be a message elsewhere, too.
fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(Vec::new()),
        Just(b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n".to_vec()),
        Just(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled".to_vec()),
        Just(b"0\r\n\r\n".to_vec()),
        Just(b"\r\n".to_vec()),
        prop::collection::vec(any::<u8>(), 0..60),
        prop::collection::vec(Just(b'x'), 15_000..40_000),
    ]
}

/// Lines between others.
const LINES: [(&str, Readings); 40] = [
    ("", One),
    ("X-Odd: \t y \t\r\n", One),
    ("x-ODD:z\r\n", One),
    ("X:\r\n", One),
    ("X: a:b, c;d=\"e\"\r\n", One),
    ("!#$%&'*+-.^_`|~: y\r\n", One),
    ("Connection: keep-alive\r\n", One),
    ("Connection: x-hop, content-length\r\nX-Hop: 1\r\n", One),
    ("Connection: transfer-encoding, host\r\n", One),
    ("Keep-Alive: timeout=5\r\n", One),
    ("Content_Length: 7\r\n", One),
    ("Transfer_Encoding: chunked\r\n", One),
    ("Content-Length-X: 7\r\n", One),
    ("X-Transfer-Encoding: chunked\r\n", One),
    ("TE: trailers\r\n", One),
    ("Upgrade: foo\r\nConnection: Upgrade\r\n", One),
    ("Trailer: Content-Length\r\n", One),
    ("Content-Encoding: chunked\r\n", One),
    ("X: \u{e9}\u{ff}\r\n", Odd),
    ("Proxy-Connection: close\r\n", One),
    ("Expect: 100-continue\r\n", One),
    ("Expect: nothing\r\n", Odd),
    ("X: a\nY: b\r\n", Odd),
    ("X: a\n", Odd),
    ("X: a\nContent-Type: b\r\n", Odd),
    ("X : y\r\n", Several),
    ("X\t: y\r\n", Several),
    ("X\0: y\r\n", Several),
    ("X: a\0b\r\n", Several),
    ("X: a\rb\r\n", Several),
    ("X: a\r\r\n", Several),
    ("X: a\x0bb\r\n", Several),
    (": y\r\n", Several),
    ("X\r\n", Several),
    ("X: a\r\n b\r\n", Several),
    ("X: a\r\n\tTransfer-Encoding: chunked\r\n", Several),
    ("X@: y\r\n", Several),
    ("X(: y\r\n", Several),
    ("Content-Length : 3\r\n", Several),
    ("Transfer-Encoding : chunked\r\n", Several),
];

fn line() -> impl Strategy<Value = (&'static str, Readings)> {
    let plain: Vec<_> = LINES
        .into_iter()
        .filter(|(_, readings)| *readings == One)
        .collect();
    prop_oneof![6 => select(plain), 1 => select(LINES.to_vec())]
}

/// What says where a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Length,
    /// HTTP/1.0 knows none.
    Chunks,
    /// The end of the connection.
    Close,
}

/// Framing, as a function of the body: fields and what follows the head.
#[derive(Debug, Clone)]
struct Framed {
    by: By,
    fields: String,
    wire: Vec<u8>,
    readings: Readings,
    is_last: bool,
}

/// By a length; `%` stands for it.
const LENGTHS: [(&str, Readings); 16] = [
    ("Content-Length: %\r\n", One),
    ("content-LENGTH:\t% \r\n", One),
    ("Content-Length: 00%\r\n", Odd),
    ("Content-Length: %\r\nContent-Length: %\r\n", Odd),
    ("Content-Length: %, %\r\n", Odd),
    ("Content-Length: %\r\nContent-Length: 1%\r\n", Several),
    ("Content-Length: %, 1%\r\n", Several),
    ("Content-Length: +%\r\n", Several),
    ("Content-Length: -%\r\n", Several),
    ("Content-Length: 0x%\r\n", Several),
    ("Content-Length: % 0\r\n", Several),
    ("Content-Length: %_0\r\n", Several),
    ("Content-Length: \r\n", Several),
    ("Content-Length: 1844674407370955162%\r\n", Several),
    ("Content-Length: %;a\r\n", Several),
    ("Content-Length: \"%\"\r\n", Several),
];

/// By chunks.
const CODINGS: [(&str, Readings); 16] = [
    ("Transfer-Encoding: chunked\r\n", One),
    ("transfer-ENCODING:\tChunked \r\n", One),
    ("Transfer-Encoding: CHUNKED\r\n", One),
    (
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        Several,
    ),
    ("Transfer-Encoding: chunked, chunked\r\n", Several),
    ("Transfer-Encoding: gzip, chunked\r\n", Several),
    ("Transfer-Encoding: chunked, identity\r\n", Several),
    ("Transfer-Encoding: identity\r\n", Several),
    ("Transfer-Encoding: xchunked\r\n", Several),
    ("Transfer-Encoding: ,chunked\r\n", Several),
    ("Transfer-Encoding: chunked,\r\n", Several),
    ("Transfer-Encoding: \"chunked\"\r\n", Several),
    ("Transfer-Encoding: chunked;a=b\r\n", Several),
    ("Transfer-Encoding: \x0bchunked\r\n", Several),
    ("Transfer-Encoding:\r\n", Several),
    ("Transfer-Encoding: chunked\0\r\n", Several),
];

/// What stands around a chunk: before its size, behind it, and behind its data.
const CHUNKS: [(&str, &str, &str, Readings); 19] = [
    ("", "\r\n", "\r\n", One),
    ("00", "\r\n", "\r\n", One),
    ("", ";a=b\r\n", "\r\n", One),
    ("", ";a=\"b;c\";d\r\n", "\r\n", One),
    ("", " ;a\r\n", "\r\n", Odd),
    ("", "\t\r\n", "\r\n", Odd),
    ("", "\n", "\r\n", Several),
    ("", "\r\n", "\n", Several),
    ("", "\r\n", "", Several),
    ("", "\r\n", "X\r\n", Several),
    ("", "\r\n", "\r", Several),
    ("0x", "\r\n", "\r\n", Several),
    ("+", "\r\n", "\r\n", Several),
    (" ", "\r\n", "\r\n", Several),
    ("11111111111111110", "\r\n", "\r\n", Several),
    ("", "g\r\n", "\r\n", Several),
    ("", ";a\nb\r\n", "\r\n", Several),
    ("", ";a\rb\r\n", "\r\n", Several),
    ("", "\0\r\n", "\r\n", Several),
];

/// What follows the last chunk's size.
const ENDS: [(&str, Readings); 11] = [
    ("\r\n\r\n", One),
    (";a\r\n\r\n", One),
    ("\r\nX-Sum: 1\r\n\r\n", One),
    ("\r\nContent-Length: 9\r\nHost: evil\r\n\r\n", Odd),
    ("\r\nTransfer-Encoding: chunked\r\n\r\n", Odd),
    ("\r\nX : 1\r\n\r\n", Several),
    ("\r\nX: a\0\r\n\r\n", Several),
    ("\r\nX\r\n\r\n", Several),
    ("\r\nX: a\r\n b\r\n\r\n", Several),
    ("\n\r\n", Several),
    ("\r\nX: a\rb\r\n\r\n", Several),
];

/// The first as a rule.
fn mostly<T: std::fmt::Debug + Clone + 'static>(all: &'static [T], ones: usize) -> impl Strategy<Value = T> {
    prop_oneof![5 => select(&all[..ones]), 1 => select(all)]
}

fn by_length(body: Vec<u8>) -> impl Strategy<Value = Framed> {
    mostly(&LENGTHS, 2).prop_map(move |(fields, readings)| Framed {
        by: By::Length,
        fields: fields.replace('%', &body.len().to_string()),
        wire: body.clone(),
        readings,
        is_last: false,
    })
}

fn by_chunks(body: Vec<u8>) -> impl Strategy<Value = Framed> {
    let cuts = prop::collection::vec(any::<Index>(), 0..4);
    let chunk = mostly(&CHUNKS, 4);
    let both = prop_oneof![8 => Just(false), 1 => Just(true)];
    (
        mostly(&CODINGS, 3),
        cuts,
        chunk,
        any::<bool>(),
        mostly(&ENDS, 3),
        both,
    )
        .prop_map(
            move |(
                (fields, of_coding),
                cuts,
                (before, behind, after, of_chunk),
                upper,
                (end, of_end),
                both,
            )| {
                let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
                cuts.extend([0, body.len()]);
                cuts.sort_unstable();
                cuts.dedup();
                let mut wire = Vec::new();
                for (number, part) in cuts.windows(2).map(|pair| &body[pair[0]..pair[1]]).enumerate() {
                    // The first chunk is the odd one.
                    let (before, behind, after) = if number == 0 {
                        (before, behind, after)
                    } else {
                        ("", "\r\n", "\r\n")
                    };
                    let size = if upper {
                        format!("{:X}", part.len())
                    } else {
                        format!("{:x}", part.len())
                    };
                    wire.extend(format!("{before}{size}{behind}").into_bytes());
                    wire.extend_from_slice(part);
                    wire.extend_from_slice(after.as_bytes());
                }
                let of_chunk = if body.is_empty() { One } else { of_chunk };
                wire.extend(format!("0{end}").into_bytes());
                let length = if both {
                    format!("Content-Length: {}\r\n", wire.len())
                } else {
                    String::new()
                };
                Framed {
                    by: By::Chunks,
                    fields: format!("{length}{fields}"),
                    wire,
                    readings: of_coding
                        .max(of_chunk)
                        .max(of_end)
                        .max(if both { Odd } else { One }),
                    is_last: both,
                }
            },
        )
}

fn framed() -> impl Strategy<Value = (Framed, Vec<u8>)> {
    body().prop_flat_map(|body| {
        let meant = body.clone();
        let framing = prop_oneof![by_length(body.clone()).boxed(), by_chunks(body).boxed()];
        framing.prop_map(move |framed| (framed, meant.clone()))
    })
}

/// As answers may be framed.
fn framed_answer() -> impl Strategy<Value = (Framed, Vec<u8>)> {
    let by_close = body().prop_map(|body| {
        let framed = Framed {
            by: By::Close,
            fields: String::new(),
            wire: body.clone(),
            readings: One,
            is_last: true,
        };
        (framed, body)
    });
    prop_oneof![4 => framed(), 1 => by_close]
}

/// What targets end in, and what servers get of it.
const TARGETS: [(&str, &str, Readings); 14] = [
    ("", "", One),
    ("?q=%20&z=/../q", "?q=%20&z=/../q", One),
    ("/x/../y", "/y", One),
    ("/%61%2e/%2E/", "/a./", One),
    ("//z", "/z", One),
    ("/a%2fb", "/a%2Fb", One),
    ("/%20", "/%20", One),
    ("/[x]{y}|^", "/[x]{y}|^", Odd),
    ("#f", "", Odd),
    ("/%zz", "", Several),
    ("/%00", "", Several),
    (" /x", "", Several),
    ("\0", "", Several),
    ("\x7f", "", Several),
];

/// A request; `number` makes its target its own.
pub(super) fn request() -> impl Strategy<Value = Piece> {
    let method = select(&["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "X-ODD"][..]);
    let version = prop_oneof![
        12 => Just("HTTP/1.1"),
        6 => Just("HTTP/1.0"),
        1 => Just("HTTP/1.2"),
        1 => Just("HTTP/1.1 "),
    ];
    let host = prop_oneof![
        12 => Just(("Host: h\r\n", One)),
        1 => Just(("host:\tH.test:80 \r\n", One)),
        1 => Just(("", Several)),
        1 => Just(("Host: h\r\nHost: h\r\n", Several)),
        1 => Just(("Host: a, b\r\n", Several)),
        1 => Just(("Host: a@b\r\n", Several)),
    ];
    let without = prop_oneof![2 => Just(true), 3 => Just(false)];
    let parts = (
        method,
        any::<u32>(),
        mostly(&TARGETS, 7),
        version,
        any::<bool>(),
        host,
    );
    (parts, line(), line(), framed(), without).prop_map(|(start, one, other, (framed, body), without)| {
        let (method, number, (end, comes, of_target), version, absolute, (host, of_host)) = start;
        let is_old = version == "HTTP/1.0";
        let of_version = match is_old || version == "HTTP/1.1" {
            true if is_old && !without && framed.by == By::Chunks => Several,
            true => One,
            false => Several,
        };
        // Old clients may know of none.
        let of_host = if is_old && host.is_empty() { Odd } else { of_host };
        let is_kept = !is_old || [one.0, other.0].contains(&"Connection: keep-alive\r\n");
        let origin = if absolute { "http://other.test" } else { "" };
        let (fields, wire, of_framing, body) = match without {
            true => (String::new(), Vec::new(), One, Vec::new()),
            false => (framed.fields, framed.wire, framed.readings, body),
        };
        let head = format!(
            "{method} {origin}/{number}{end} {version}\r\n{}{host}{fields}{}\r\n",
            one.0, other.0
        );
        let readings = [of_target, of_version, of_host, one.1, other.1, of_framing];
        // The parts that were meant to be of Latin 1 are.
        let head: Vec<u8> = head
            .chars()
            .map(|letter| u8::try_from(u32::from(letter)).unwrap())
            .collect();
        Piece {
            bytes: [head, wire].concat(),
            line: format!("{method} /{number}{comes}"),
            body,
            readings: readings.into_iter().max().unwrap_or(One),
            is_old,
            is_last: !is_kept || (!without && framed.is_last),
        }
    })
}

/// An answer that is whole as it was meant, or what is left of one.
pub(super) fn answer() -> impl Strategy<Value = Piece> {
    let start = prop_oneof![
        12 => Just(("HTTP/1.1 200 OK\r\n", One)),
        6 => Just(("HTTP/1.0 200 OK\r\n", One)),
        1 => Just(("HTTP/1.1 404\r\n", Odd)),
        1 => Just(("HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\n", One)),
        1 => Just(("HTTP/1.1 20 OK\r\n", Several)),
        1 => Just(("HTTP/1.1 999 OK\r\n", Several)),
        1 => Just(("HTTP/2.0 200 OK\r\n", Several)),
        1 => Just(("garbage\r\n", Several)),
        1 => Just(("HTTP/1.1 101 Switching Protocols\r\n", Several)),
    ];
    let cut = prop::option::weighted(0.3, any::<Index>());
    (start, line(), line(), framed_answer(), cut).prop_map(|(start, one, other, (framed, body), cut)| {
        let head = format!("{}{}{}{}\r\n", start.0, one.0, framed.fields, other.0);
        let head: Vec<u8> = head
            .chars()
            .map(|letter| u8::try_from(u32::from(letter)).unwrap())
            .collect();
        // A cut is seen within what has an end of its own.
        let length = match framed.by {
            By::Close => head.len(),
            By::Length | By::Chunks => head.len() + framed.wire.len(),
        };
        let mut bytes = [head, framed.wire].concat();
        let is_old = start.0.starts_with("HTTP/1.0");
        let of_version = if is_old && framed.by == By::Chunks {
            Several
        } else {
            One
        };
        let readings = [start.1, one.1, other.1, framed.readings, of_version];
        let mut readings = readings.into_iter().max().unwrap_or(One);
        if let Some(cut) = cut {
            bytes.truncate(cut.index(length));
            readings = Several;
        }
        Piece {
            bytes,
            line: String::new(),
            body,
            readings,
            is_old,
            is_last: false,
        }
    })
}
