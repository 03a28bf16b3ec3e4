//! Compresses one body, part by part.

use std::{
    fmt,
    io::{self, Write},
    sync::atomic::{AtomicU64, Ordering},
};

use brotli::CompressorWriter;
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http_body::Frame;
use mesh_config::model::Encoding;

use crate::middleware::{Change, Parts, Unreadable};

/// Memory that all bodies which are compressed at a time may take, in bytes. Those beyond it pass as they are.
const MAX_MEMORY: u64 = 256 * 1024 * 1024;

/// How far back a coding may refer, as a power of two: it decides on the memory of each body here, and at the client.
const WINDOW: u8 = 18;

/// What each coding spends on a body: about as much as it gains, at the speed of a fast network.
const GZIP_LEVEL: u32 = 5;
const BROTLI_QUALITY: u32 = 4;
const ZSTD_LEVEL: i32 = 3;

/// What is given to Brotli at once, in bytes.
const BROTLI_BUFFER: usize = 4096;

/// Taken by all bodies of the process.
static TAKEN: AtomicU64 = AtomicU64::new(0);

/// Compresses one body.
#[derive(Debug)]
pub(super) struct Encoder {
    /// Until the end of the body.
    codec: Option<Codec>,
    /// Something went in since the last flush.
    holds_back: bool,
    _memory: Memory,
}

enum Codec {
    Gzip(GzEncoder<Vec<u8>>),
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Zstd(zstd::Encoder<'static, Vec<u8>>),
}

impl Encoder {
    /// For one body in this coding; `None` without memory for it.
    pub(super) fn new(coding: Encoding) -> Option<Self> {
        let memory = Memory::take(cost(coding), MAX_MEMORY, &TAKEN)?;
        let codec = match coding {
            Encoding::Gzip => Codec::Gzip(GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL))),
            Encoding::Br => Codec::Brotli(Box::new(CompressorWriter::new(
                Vec::new(),
                BROTLI_BUFFER,
                BROTLI_QUALITY,
                u32::from(WINDOW),
            ))),
            Encoding::Zstd => {
                let mut encoder = zstd::Encoder::new(Vec::new(), ZSTD_LEVEL).ok()?;
                encoder.window_log(u32::from(WINDOW)).ok()?;
                Codec::Zstd(encoder)
            }
        };
        Some(Self {
            codec: Some(codec),
            holds_back: false,
            _memory: memory,
        })
    }

    fn flush(&mut self, out: &mut Parts) -> io::Result<()> {
        if let Some(codec) = self.codec.as_mut().filter(|_| self.holds_back) {
            codec.writer().flush()?;
            self.holds_back = false;
            give(std::mem::take(codec.written()), out);
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Parts) -> io::Result<()> {
        if let Some(codec) = self.codec.take() {
            give(codec.finish()?, out);
        }
        Ok(())
    }
}

impl Change for Encoder {
    fn part(&mut self, part: Frame<Bytes>, out: &mut Parts) -> Result<(), Unreadable> {
        let data = match part.into_data() {
            Ok(data) => data,
            Err(trailers) => {
                self.finish(out).map_err(failed)?;
                out.push_back(trailers);
                return Ok(());
            }
        };
        if let Some(codec) = self.codec.as_mut().filter(|_| !data.is_empty()) {
            self.holds_back = true;
            codec.writer().write_all(&data).map_err(failed)?;
            give(std::mem::take(codec.written()), out);
        }
        Ok(())
    }

    fn pause(&mut self, out: &mut Parts) {
        // To a vector all can be written; and what fails here fails at the end, where it counts.
        let _fails_later = self.flush(out);
    }

    fn end(&mut self, out: &mut Parts) -> Result<(), Unreadable> {
        self.finish(out).map_err(failed)
    }
}

impl Codec {
    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::Gzip(encoder) => encoder,
            Self::Brotli(encoder) => encoder,
            Self::Zstd(encoder) => encoder,
        }
    }

    /// What came out and was not taken yet.
    fn written(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Brotli(encoder) => encoder.get_mut(),
            Self::Zstd(encoder) => encoder.get_mut(),
        }
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            Self::Brotli(encoder) => Ok(encoder.into_inner()),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip(_) => "Gzip",
            Self::Brotli(_) => "Brotli",
            Self::Zstd(_) => "Zstd",
        })
    }
}

/// Memory that is set aside for one body, in bytes: a little more than a process was seen to grow by for each.
fn cost(coding: Encoding) -> u64 {
    1024 * match coding {
        Encoding::Gzip => 320,
        Encoding::Br => 2304,
        Encoding::Zstd => 1792,
    }
}

fn give(bytes: Vec<u8>, out: &mut Parts) {
    if !bytes.is_empty() {
        out.push_back(Frame::data(bytes.into()));
    }
}

fn failed(error: io::Error) -> Unreadable {
    tracing::warn!(%error, "cannot compress the body of an answer");
    Unreadable("it cannot be compressed")
}

/// Memory that is taken, until it is dropped.
#[derive(Debug)]
struct Memory {
    bytes: u64,
    taken: &'static AtomicU64,
}

impl Memory {
    /// So much of what `taken` counts, of which there are at most `max`; `None` if it is not there.
    fn take(bytes: u64, max: u64, taken: &'static AtomicU64) -> Option<Self> {
        let add = |taken: u64| taken.checked_add(bytes).filter(|sum| *sum <= max);
        let is_taken = taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        is_taken.ok().map(|_| Self { bytes, taken })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    const ALL: [Encoding; 3] = [Encoding::Gzip, Encoding::Br, Encoding::Zstd];

    fn data(parts: &mut Parts) -> Vec<u8> {
        let frames = parts.drain(..).filter_map(|frame| frame.into_data().ok());
        frames.flatten().collect()
    }

    /// What a client reads of `compressed`, which may break off; true if it is whole.
    fn decoded(coding: Encoding, compressed: &[u8]) -> (Vec<u8>, bool) {
        let mut reader: Box<dyn Read> = match coding {
            Encoding::Gzip => Box::new(flate2::read::GzDecoder::new(compressed)),
            Encoding::Br => Box::new(brotli::Decompressor::new(compressed, 1)),
            Encoding::Zstd => Box::new(zstd::Decoder::new(compressed).unwrap()),
        };
        let (mut bytes, mut one) = (Vec::new(), [0]);
        loop {
            match reader.read(&mut one) {
                Ok(0) => return (bytes, true),
                Ok(_) => bytes.push(one[0]),
                Err(_) => return (bytes, false),
            }
        }
    }

    #[test]
    fn what_came_so_far_can_be_read_in_a_pause() {
        for coding in ALL {
            let mut encoder = Encoder::new(coding).unwrap();
            let (mut out, mut sent, mut expected) = (Parts::new(), Vec::new(), Vec::new());
            for event in ["data: one\n\n", "data: two\n\n", "data: three\n\n"] {
                encoder.part(Frame::data(event.into()), &mut out).unwrap();
                encoder.pause(&mut out);
                expected.extend_from_slice(event.as_bytes());
                sent.append(&mut data(&mut out));
                let (read, is_whole) = decoded(coding, &sent);
                assert_eq!((read, is_whole), (expected.clone(), false), "{coding:?}");
                encoder.pause(&mut out);
                assert!(out.is_empty(), "{coding:?}: nothing to flush");
            }
        }
    }

    #[test]
    fn trailers_come_after_the_end_of_what_is_compressed() {
        for coding in ALL {
            let mut encoder = Encoder::new(coding).unwrap();
            let mut out = Parts::new();
            encoder.part(Frame::data("abc".into()), &mut out).unwrap();
            encoder
                .part(Frame::trailers(http::HeaderMap::new()), &mut out)
                .unwrap();
            encoder.end(&mut out).unwrap();
            assert!(out.back().unwrap().is_trailers());
            assert_eq!(decoded(coding, &data(&mut out)), (b"abc".to_vec(), true));
        }
    }

    #[test]
    fn memory_is_given_back_and_without_it_nothing_is_compressed() {
        static FEW: AtomicU64 = AtomicU64::new(0);
        let one = Memory::take(60, 100, &FEW);
        assert!(one.is_some() && Memory::take(41, 100, &FEW).is_none());
        let two = Memory::take(40, 100, &FEW);
        drop(one);
        assert!(two.is_some() && Memory::take(60, 100, &FEW).is_some());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn what_is_compressed_becomes_what_it_was(
            parts in prop::collection::vec((prop::collection::vec(0..4_u8, 0..3000), any::<bool>()), 0..20),
            coding in prop::sample::select(&ALL[..]),
        ) {
            let mut encoder = Encoder::new(coding).unwrap();
            let (mut out, mut whole) = (Parts::new(), Vec::new());
            for (part, pauses) in parts {
                whole.extend_from_slice(&part);
                encoder.part(Frame::data(part.into()), &mut out).unwrap();
                if pauses {
                    encoder.pause(&mut out);
                }
            }
            encoder.end(&mut out).unwrap();
            prop_assert_eq!(decoded(coding, &data(&mut out)), (whole, true));
        }
    }
}
