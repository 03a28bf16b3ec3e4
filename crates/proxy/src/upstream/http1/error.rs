//! Why there is no answer, or no more of it.

use std::io;

use super::UploadError;
use crate::http1::{BodyError, Unclear};

/// Why a server's answer over HTTP/1.1 cannot be used, or does not come.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnswerError {
    /// The connection was over before a byte of the request was written.
    #[error("the connection was closed already")]
    Unsent,
    /// The connection ended before the head of the answer did.
    #[error("the connection ended before an answer")]
    Closed,
    /// It broke.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The server took no further bytes of the request in time.
    #[error("the request was not taken in time")]
    Stalled,
    /// The client did not finish its request.
    #[error(transparent)]
    Upload(UploadError),
    /// No head of HTTP/1.1.
    #[error("its head is invalid: {0}")]
    Head(httparse::Error),
    /// A header that cannot be passed on.
    #[error("its header {0} is invalid")]
    Header(String),
    /// Longer than is read.
    #[error("its head is too long")]
    TooLong,
    /// More interim answers than make sense.
    #[error("its interim answers do not end")]
    Interim,
    /// Framing that can be read in two ways.
    #[error(transparent)]
    Length(#[from] Unclear),
    /// Chunks that can be read in two ways, or are none.
    #[error("its chunks are invalid")]
    Chunk,
    /// The connection ended before the answer did.
    #[error("the connection ended within the answer")]
    Truncated,
}

impl AnswerError {
    /// True when the server said something that is no answer.
    pub(crate) fn is_invalid(&self) -> bool {
        match self {
            Self::Head(_)
            | Self::Header(_)
            | Self::TooLong
            | Self::Interim
            | Self::Length(_)
            | Self::Chunk => true,
            Self::Unsent | Self::Closed | Self::Io(_) | Self::Stalled | Self::Upload(_) | Self::Truncated => {
                false
            }
        }
    }
}

impl From<BodyError> for AnswerError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Io(error) => Self::Io(error),
            BodyError::Chunk => Self::Chunk,
            BodyError::Truncated => Self::Truncated,
        }
    }
}
