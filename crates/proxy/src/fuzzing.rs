//! What fuzz targets reach of the parsers of strangers' bytes. No part of the API.

pub use crate::{
    entrypoint::fuzzing::{
        http1::{RequestStart, request_start},
        http2::{FrameAccount, FrameHead, frame_account},
        proxy_protocol::{proxy_header_in_binary, proxy_header_in_text},
    },
    sanitize::fuzzing::{forwarded, host_is_valid, host_port, normalise, resolve_encoded_slashes},
    upstream::fuzzing::{AnswerBody, AnswerStart, Decoded, Malformed, answer_start, decode_chunks},
};
