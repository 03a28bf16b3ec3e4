//! Connections to servers: made, kept and reused by one worker alone.
//!
//! What is sent over them is none of this module's business (see [`forward`](crate::forward)), except for the
//! bodies, which tell when a connection is free again.

mod connect;
mod http1;
mod kept;
mod pool;
mod request_body;
mod response_body;
mod sender;
mod server_wire;
mod stored;
mod transport;
mod upload;

pub(crate) use connect::{ConnectError, wire};
#[cfg(feature = "fuzzing")]
pub(crate) use http1::fuzzing;
pub(crate) use http1::{AnswerError, Http1, RequestHead, Switched};
pub(crate) use kept::Kept;
pub(crate) use pool::{Lease, Upstreams};
pub(crate) use request_body::{Keep, Recall, RequestBody, UploadError};
pub(crate) use response_body::{AnswerBody, BodyError};
pub(crate) use sender::{Sender, Share};
pub(crate) use server_wire::ServerWire;
pub(crate) use stored::{Reading, StoreError, Stored, Storing};
pub use transport::Transport;
pub(crate) use transport::{Renewed, is_metadata};
pub(crate) use upload::Upload;
