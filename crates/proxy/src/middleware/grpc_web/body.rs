//! Bodies of gRPC-Web: those of gRPC, with the trailers in a frame at the end, and maybe in Base64.

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;

use super::base64::{Decoder, Encoder};
use crate::middleware::{Change, Parts, Unreadable};

/// The first byte of the frame that has the trailers.
const TRAILERS: u8 = 0x80;

/// A request's body in Base64 becomes that of gRPC.
#[derive(Debug, Default)]
pub(super) struct FromText(Decoder);

/// An answer's body of gRPC becomes one of gRPC-Web.
#[derive(Debug)]
pub(super) struct ToWeb {
    /// It is written in Base64.
    text: Option<Encoder>,
}

impl Change for FromText {
    fn part(&mut self, part: Frame<Bytes>, out: &mut Parts) -> Result<(), Unreadable> {
        match part.into_data() {
            Ok(data) => give(self.0.part(&data)?.into(), out),
            Err(trailers) => out.push_back(trailers),
        }
        Ok(())
    }

    fn end(&mut self, _out: &mut Parts) -> Result<(), Unreadable> {
        self.0.end()
    }
}

impl ToWeb {
    pub(super) fn new(is_text: bool) -> Self {
        Self {
            text: is_text.then(Encoder::default),
        }
    }

    fn give(&mut self, data: Bytes, out: &mut Parts) {
        let data = match &mut self.text {
            None => data,
            Some(encoder) => encoder.part(&data).into(),
        };
        give(data, out);
    }
}

impl Change for ToWeb {
    fn part(&mut self, part: Frame<Bytes>, out: &mut Parts) -> Result<(), Unreadable> {
        match part.into_data() {
            Ok(data) => self.give(data, out),
            Err(trailers) => {
                let trailers = trailers.into_trailers().unwrap_or_default();
                self.give(frame(&trailers)?, out);
            }
        }
        Ok(())
    }

    fn pause(&mut self, out: &mut Parts) {
        if let Some(encoder) = &mut self.text {
            give(encoder.flush().into(), out);
        }
    }

    fn end(&mut self, out: &mut Parts) -> Result<(), Unreadable> {
        self.pause(out);
        Ok(())
    }
}

/// The frame that has `trailers`.
fn frame(trailers: &HeaderMap) -> Result<Bytes, Unreadable> {
    let mut lines = Vec::new();
    for (name, value) in trailers {
        lines.extend_from_slice(name.as_str().as_bytes());
        lines.extend_from_slice(b": ");
        lines.extend_from_slice(value.as_bytes());
        lines.extend_from_slice(b"\r\n");
    }
    let length = u32::try_from(lines.len()).map_err(|_| Unreadable("its trailers are too long"))?;
    Ok([&[TRAILERS][..], &length.to_be_bytes(), &lines].concat().into())
}

fn give(data: Bytes, out: &mut Parts) {
    if !data.is_empty() {
        out.push_back(Frame::data(data));
    }
}

#[cfg(test)]
mod tests {
    use ::base64::{Engine as _, engine::general_purpose::STANDARD};
    use proptest::prelude::*;

    use super::*;

    fn bytes(parts: &mut Parts) -> Vec<u8> {
        let data = parts.drain(..).map(|part| part.into_data().unwrap());
        data.flatten().collect()
    }

    fn trailers() -> HeaderMap {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        trailers.insert("grpc-message", "fine".parse().unwrap());
        trailers
    }

    #[test]
    fn trailers_are_a_frame_at_the_end() {
        let (mut change, mut out) = (ToWeb::new(false), Parts::new());
        change
            .part(Frame::data(Bytes::from_static(b"\0\0\0\0\x01a")), &mut out)
            .unwrap();
        change.part(Frame::trailers(trailers()), &mut out).unwrap();
        change.end(&mut out).unwrap();
        let expected = b"\0\0\0\0\x01a\x80\0\0\0\x24grpc-status: 0\r\ngrpc-message: fine\r\n";
        assert_eq!(bytes(&mut out), expected);
    }

    proptest! {
        #[test]
        fn what_goes_to_a_browser_as_text_comes_back_the_same(
            parts in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..50), any::<bool>()), 0..9),
            step in 1..9_usize,
        ) {
            let (mut to, mut out, mut whole) = (ToWeb::new(true), Parts::new(), Vec::new());
            for (part, pauses) in parts {
                whole.extend_from_slice(&part);
                to.part(Frame::data(part.into()), &mut out).unwrap();
                if pauses {
                    to.pause(&mut out);
                    // All that came can be read now.
                    let so_far: Vec<u8> = out.iter().flat_map(|part| part.data_ref().unwrap().to_vec()).collect();
                    prop_assert_eq!(so_far.len() % 4, 0);
                }
            }
            to.part(Frame::trailers(trailers()), &mut out).unwrap();
            to.end(&mut out).unwrap();
            whole.extend_from_slice(&frame(&trailers()).unwrap());
            let text = bytes(&mut out);
            let mut from = FromText::default();
            for part in text.chunks(step) {
                from.part(Frame::data(Bytes::copy_from_slice(part)), &mut out).unwrap();
            }
            from.end(&mut out).unwrap();
            prop_assert_eq!(bytes(&mut out), whole);
        }
    }

    #[test]
    fn text_that_breaks_off_is_seen() {
        let (mut from, mut out) = (FromText::default(), Parts::new());
        let text = STANDARD.encode("abcd");
        from.part(Frame::data(text.into_bytes().into()), &mut out)
            .unwrap();
        from.part(Frame::data(Bytes::from_static(b"YQ")), &mut out)
            .unwrap();
        assert_eq!(bytes(&mut out), b"abcd");
        assert!(from.end(&mut out).is_err());
    }
}
