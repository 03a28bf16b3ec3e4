//! Frames of clients, for fuzz targets.

use std::time::Instant;

use super::frames::{Cutter, Frames};

/// What the head of a frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHead {
    /// What it is.
    pub kind: u8,
    /// Whose it is.
    pub stream: u32,
    /// Bytes without padding.
    pub carries: u32,
}

/// What is known of a connection by its frames.
#[derive(Debug, PartialEq, Eq)]
pub struct FrameAccount {
    /// The frames whose heads are whole.
    pub heads: Vec<FrameHead>,
    /// The newest request.
    pub newest_stream: u32,
    /// There were too many that only cost.
    pub is_over: bool,
}

/// The frames of a connection whose bytes are read in `pieces`.
pub fn frame_account<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> FrameAccount {
    let (frames, mut cutter) = (Frames::new(Instant::now()), Cutter::new());
    let mut heads = Vec::new();
    for mut piece in pieces {
        frames.received(piece);
        while let Some(head) = cutter.next(&mut piece) {
            heads.push(FrameHead {
                kind: head.kind,
                stream: head.stream,
                carries: head.carries,
            });
        }
    }
    FrameAccount {
        heads,
        newest_stream: frames.newest_stream(),
        is_over: frames.is_over(),
    }
}
