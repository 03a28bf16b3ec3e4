//! Why a request got no answer from a server.

use std::{error::Error, sync::Arc};

use http::StatusCode;
use mesh_telemetry::metrics::Fault;

use crate::{
    service::{NoServer, Outcome, Server},
    upstream::{BodyError, ConnectError, UploadError},
};

/// What a codec says of it.
pub(crate) type Cause = Box<dyn Error + Send + Sync>;

/// Why a request got no answer from a server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ForwardError {
    /// The service has no server for it.
    #[error(transparent)]
    NoServer(NoServer),
    /// Every server closed its connection before a byte was sent.
    #[error("no server took the request")]
    Unsent,
    /// No connection.
    #[error("cannot connect to {server}: {source}")]
    Connect { server: Arc<str>, source: ConnectError },
    /// No connection in time.
    #[error("cannot connect to {server}: {source}")]
    ConnectTimeout { server: Arc<str>, source: ConnectError },
    /// The connection ended before an answer came.
    #[error("{server} closed the connection before it answered")]
    Closed {
        server: Arc<str>,
        source: Option<Cause>,
        /// Another connection may be tried.
        again: bool,
    },
    /// No answer in time.
    #[error("{0} did not answer in time")]
    AnswerTimeout(Arc<str>),
    /// No answer within the time of one try.
    #[error("{server} did not answer within perTryTimeout")]
    TryTimeout {
        server: Arc<str>,
        /// Another server may be tried.
        again: bool,
    },
    /// No answer within the time of the whole request.
    #[error("{0} did not answer within the time limit of the request")]
    RequestTimeout(Arc<str>),
    /// It took no further bytes of the request.
    #[error("{0} did not take the request in time")]
    Stalled(Arc<str>),
    /// Something that is no HTTP answer.
    #[error("{server} sent an invalid answer: {source}")]
    Answer { server: Arc<str>, source: Cause },
    /// An upgrade that nobody asked for, or of another kind.
    #[error("{0} switched protocols unasked")]
    UnaskedUpgrade(Arc<str>),
    /// A WebSocket that its client did not open.
    #[error("{0} did not prove that it speaks WebSocket")]
    Handshake(Arc<str>),
    /// Nothing to go on with where the request is for nothing else.
    #[error("service {0} allows no WebSocket")]
    NoUpgrade(Arc<str>),
    /// A transfer coding that is not exactly `chunked`.
    #[error("{0} sent an unknown transfer coding")]
    TransferEncoding(Arc<str>),
    /// A status of no class (RFC 9110 15).
    #[error("{server} answered with status {status}")]
    Status { server: Arc<str>, status: StatusCode },
    /// It failed, and is not sent again because too many are.
    #[error("{cause}; the retry budget of service {service} is used up")]
    RetryBudget { service: Arc<str>, cause: Box<Self> },
    /// It would have to be kept, and is longer than its service allows.
    #[error("the body of the request is longer than maxRequestBodyBytes of its service")]
    BodyTooLong,
    /// The client did not finish its request.
    #[error(transparent)]
    Upload(UploadError),
    /// The server did not finish its answer, of which the client has nothing yet.
    #[error(transparent)]
    Body(BodyError),
    /// A middleware wants to read all of the answer, and it is longer than that may be.
    #[error("the body of the answer is longer than a middleware allows")]
    AnswerTooLong,
    /// There is no room for a body that a middleware wants to read first.
    #[error("there is no room for a body that a middleware keeps")]
    NoRoom,
}

impl ForwardError {
    /// The end of a connection. `again`: the request may be sent on another one.
    pub(super) fn closed(server: &Server, source: Option<Cause>, again: bool) -> Self {
        Self::Closed {
            server: server.authority.clone(),
            source,
            again,
        }
    }

    /// The same for a request that would be sent again, were it not one too many for `service`.
    pub(super) fn beyond_budget(self, service: &Arc<str>) -> Self {
        Self::RetryBudget {
            service: service.clone(),
            cause: Box::new(self),
        }
    }

    /// What the client gets.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NoServer(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unsent
            | Self::Connect { .. }
            | Self::Closed { .. }
            | Self::Answer { .. }
            | Self::UnaskedUpgrade(_)
            | Self::Handshake(_)
            | Self::TransferEncoding(_)
            | Self::Status { .. } => StatusCode::BAD_GATEWAY,
            Self::NoUpgrade(_) => StatusCode::NOT_IMPLEMENTED,
            Self::RetryBudget { cause, .. } => cause.status(),
            Self::BodyTooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ConnectTimeout { .. }
            | Self::AnswerTimeout(_)
            | Self::TryTimeout { .. }
            | Self::RequestTimeout(_)
            | Self::Stalled(_)
            | Self::Body(BodyError::Stalled | BodyError::Late) => StatusCode::GATEWAY_TIMEOUT,
            Self::Body(_) => StatusCode::BAD_GATEWAY,
            Self::AnswerTooLong | Self::Upload(UploadError::Lost(_)) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NoRoom => StatusCode::SERVICE_UNAVAILABLE,
            Self::Upload(UploadError::Stalled | UploadError::Slow) => StatusCode::REQUEST_TIMEOUT,
            Self::Upload(UploadError::Broken | UploadError::Trailer | UploadError::Unreadable(_)) => {
                StatusCode::BAD_REQUEST
            }
        }
    }

    /// As metrics count it; `None` when there was no server at all.
    pub(crate) fn fault(&self) -> Option<Fault> {
        Some(match self {
            Self::NoServer(_) => return None,
            Self::Connect { .. } => Fault::Connect,
            Self::ConnectTimeout { .. } => Fault::ConnectTimeout,
            Self::Unsent | Self::Closed { .. } => Fault::Closed,
            Self::AnswerTimeout(_) => Fault::AnswerTimeout,
            Self::TryTimeout { .. } => Fault::TryTimeout,
            Self::RequestTimeout(_) => Fault::RequestTimeout,
            Self::Stalled(_) => Fault::Stalled,
            Self::Answer { .. }
            | Self::UnaskedUpgrade(_)
            | Self::Handshake(_)
            | Self::TransferEncoding(_)
            | Self::Status { .. } => Fault::InvalidAnswer,
            Self::NoUpgrade(_) => Fault::NoUpgrade,
            Self::RetryBudget { .. } => Fault::RetryBudget,
            Self::BodyTooLong => Fault::BodyTooLong,
            Self::Upload(_) => Fault::Upload,
            Self::Body(BodyError::Stalled | BodyError::Late) => Fault::AnswerTimeout,
            Self::Body(_) => Fault::Closed,
            Self::AnswerTooLong => Fault::InvalidAnswer,
            Self::NoRoom => return None,
        })
    }

    /// What the server had to do with it.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::NoServer(_) | Self::Unsent | Self::NoUpgrade(_) | Self::BodyTooLong => Outcome::Unsent,
            Self::Connect { .. } | Self::ConnectTimeout { .. } => Outcome::Unreachable,
            Self::Closed { .. } => Outcome::Lost,
            Self::AnswerTimeout(_) | Self::TryTimeout { .. } | Self::RequestTimeout(_) | Self::Stalled(_) => {
                Outcome::TimedOut
            }
            Self::Answer { .. }
            | Self::UnaskedUpgrade(_)
            | Self::Handshake(_)
            | Self::TransferEncoding(_)
            | Self::Status { .. } => Outcome::Invalid,
            Self::Upload(_) => Outcome::Abandoned,
            Self::Body(BodyError::Stalled | BodyError::Late) => Outcome::TimedOut,
            Self::Body(_) => Outcome::Lost,
            Self::AnswerTooLong => Outcome::Invalid,
            Self::NoRoom => Outcome::Unsent,
            Self::RetryBudget { cause, .. } => cause.outcome(),
        }
    }

    /// True when there was no connection at all.
    pub(super) fn is_unreachable(&self) -> bool {
        match self {
            Self::RetryBudget { cause, .. } => cause.is_unreachable(),
            Self::Connect { .. } | Self::ConnectTimeout { .. } => true,
            _ => false,
        }
    }

    /// True when no byte of the request reached a server.
    pub(crate) fn is_unsent(&self) -> bool {
        match self {
            Self::RetryBudget { cause, .. } => cause.is_unsent(),
            Self::NoServer(_) | Self::Unsent | Self::Connect { .. } | Self::ConnectTimeout { .. } => true,
            _ => false,
        }
    }

    /// True when the client is to blame, whatever service is asked.
    pub(super) fn is_of_client(&self) -> bool {
        matches!(self, Self::BodyTooLong | Self::Upload(_))
    }

    /// True when the request may be offered again.
    pub(crate) fn is_retryable(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::ConnectTimeout { .. } => true,
            Self::Closed { again, .. } | Self::TryTimeout { again, .. } => *again,
            Self::RetryBudget { cause, .. } => cause.is_retryable(),
            Self::NoServer(_)
            | Self::Unsent
            | Self::AnswerTimeout(_)
            | Self::RequestTimeout(_)
            | Self::Stalled(_)
            | Self::Answer { .. }
            | Self::UnaskedUpgrade(_)
            | Self::Handshake(_)
            | Self::NoUpgrade(_)
            | Self::TransferEncoding(_)
            | Self::Status { .. }
            | Self::BodyTooLong
            | Self::Upload(_)
            | Self::Body(_)
            | Self::AnswerTooLong
            | Self::NoRoom => false,
        }
    }
}
