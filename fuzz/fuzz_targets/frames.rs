//! Frames of HTTP/2: each is found where it is, and counted the same however its bytes come.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_proxy::fuzzing::{FrameHead, frame_account};

const PREFACE: usize = 24;
const DATA: u8 = 0;
const PADDED: u8 = 8;

/// What costs nothing, in frames. Beyond that it is time that counts.
const FREE: usize = 2048;

/// The frames of `wire`, read at once.
fn heads(wire: &[u8]) -> Vec<FrameHead> {
    let mut rest = wire.get(PREFACE..).unwrap_or_default();
    let mut heads = Vec::new();
    while let Some(([a, b, c, kind, flags, stream @ ..], payload)) = rest.split_first_chunk::<9>() {
        let length = u32::from_be_bytes([0, *a, *b, *c]);
        let is_padded = *kind == DATA && flags & PADDED != 0 && length > 0;
        let padding = match payload.first() {
            // The length of the padding is not there yet.
            None if is_padded => break,
            Some(padding) if is_padded => 1 + u32::from(*padding),
            _ => 0,
        };
        heads.push(FrameHead {
            kind: *kind,
            stream: u32::from_be_bytes(*stream) & 0x7fff_ffff,
            carries: length.saturating_sub(padding),
        });
        rest = payload.get(length as usize..).unwrap_or_default();
    }
    heads
}

fuzz_target!(|input: (Vec<u8>, &[u8])| {
    let (cuts, wire) = input;
    let whole = frame_account([wire]);
    assert_eq!(whole.heads, heads(wire));
    if whole.heads.len() > FREE {
        return;
    }
    assert!(!whole.is_over);
    assert_eq!(frame_account(wire.chunks(1)), whole);
    let mut rest = wire;
    let mut pieces: Vec<_> = cuts
        .iter()
        .map(|cut| {
            let (piece, after) = rest.split_at(rest.len().min(usize::from(*cut)));
            rest = after;
            piece
        })
        .collect();
    pieces.push(rest);
    assert_eq!(frame_account(pieces), whole);
});
