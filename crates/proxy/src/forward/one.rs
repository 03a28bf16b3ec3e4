//! Over HTTP/1.1.

use http::Response;

use super::{Call, ForwardError, in_time};
use crate::{
    service::Server,
    upstream::{AnswerError, Http1},
};

/// Sends `call` to `server`, and waits for the head of its answer.
pub(super) async fn exchange(
    connection: &Http1,
    server: &Server,
    call: &mut Call,
) -> Result<Response<()>, ForwardError> {
    let repeatable = call.is_repeatable();
    let upload = call.upload();
    let limit = call.head_limit(server);
    let name = || server.authority.clone();
    let error = match in_time(call.exchange(connection, server), upload.as_deref(), limit).await {
        Some(Ok(response)) => return Ok(response),
        Some(Err(error)) => error,
        None => return Err(ForwardError::AnswerTimeout(name())),
    };
    Err(match (error, upload.and_then(|upload| upload.error())) {
        (AnswerError::Unsent, _) => ForwardError::closed(server, None, true),
        (AnswerError::Upload(error), _) | (_, Some(error)) => ForwardError::Upload(error),
        (error, None) if error.is_invalid() => ForwardError::Answer {
            server: name(),
            source: error.into(),
        },
        (AnswerError::Stalled, None) if !repeatable => ForwardError::Stalled(name()),
        (error, None) => {
            call.lose();
            ForwardError::closed(server, Some(error.into()), repeatable)
        }
    })
}
