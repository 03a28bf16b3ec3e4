//! `forwardAuth`: asks another server whether a request may pass.

mod question;
mod target;
mod verdict;

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use bytes::{Bytes, BytesMut};
use futures::future::LocalBoxFuture;
use http::{Response, StatusCode, response};
use mesh_config::{QualifiedName, model};

use self::{
    question::Question,
    target::Target,
    verdict::{Taken, put_cookies},
};
use super::{Around, InvalidMiddleware, Next, Visit, answer_text};
use crate::{
    forward::{Answer, ask},
    upstream::{Keep, RequestBody},
};

/// Whom to ask, and how.
#[derive(Debug)]
pub(super) struct ForwardAuth {
    name: QualifiedName,
    target: Target,
    question: Question,
    taken: Taken,
    /// How much of a body is passed on; `None` passes none.
    body: Option<Limit>,
    max_answer: Limit,
    is_gone: AtomicBool,
}

/// Bytes at most; `None` is without limit.
type Limit = Option<u64>;

impl ForwardAuth {
    pub(super) fn new(
        name: &QualifiedName,
        settings: &model::ForwardAuth,
    ) -> Result<Self, InvalidMiddleware> {
        Ok(Self {
            name: name.clone(),
            target: Target::new(name, settings)?,
            question: Question::new(settings)?,
            taken: Taken::new(settings)?,
            body: settings
                .forward_body
                .then(|| u64::try_from(settings.max_body_size).ok()),
            max_answer: u64::try_from(settings.max_response_body_size).ok(),
            is_gone: AtomicBool::new(false),
        })
    }

    /// The answer of the one that is asked; one for the client if there is none.
    async fn ask(&self, visit: &mut Visit<'_>) -> Result<(response::Parts, Bytes), Response<Bytes>> {
        let (body, length) = self.body(visit).await?;
        let client = visit.client.clone();
        let forwarded = &client.settings().forwarded_headers;
        let uri = self.target.path().clone().into();
        let head = self
            .question
            .head(&visit.head, client.peer(), forwarded, uri, length);
        let mut answer = ask(&client, &self.target.service(), head, body).await;
        if let Some(failure) = answer.failure() {
            if !self.is_gone.swap(true, Ordering::Relaxed) {
                tracing::warn!(middleware = %self.name, error = %failure, "forwardAuth gets no answer");
            }
            return Err(short(StatusCode::INTERNAL_SERVER_ERROR));
        }
        let body = read(&mut answer, self.max_answer).await?;
        if let Some(lease) = answer.body.take_free() {
            client.upstreams().put_back(lease, None, Instant::now());
        }
        if self.is_gone.swap(false, Ordering::Relaxed) {
            tracing::info!(middleware = %self.name, "forwardAuth gets answers again");
        }
        Ok((answer.head, body))
    }

    /// The body that is passed on, with its length. The request keeps its own.
    async fn body(&self, visit: &mut Visit<'_>) -> Result<(RequestBody, Option<u64>), Response<Bytes>> {
        let Some(limit) = self.body else {
            return Ok((RequestBody::default(), None));
        };
        match visit.body.keep(limit).await {
            Ok(Keep::Nothing) => Ok((RequestBody::default(), None)),
            Ok(Keep::Whole(kept)) => {
                let length = kept.length();
                Ok((RequestBody::kept(kept), Some(length)))
            }
            Ok(Keep::TooLong) => Err(short(StatusCode::UNAUTHORIZED)),
            Ok(Keep::NoRoom) => Err(short(StatusCode::SERVICE_UNAVAILABLE)),
            Err(_) => Err(short(StatusCode::BAD_REQUEST)),
        }
    }
}

impl Around for ForwardAuth {
    fn call<'a>(&'a self, visit: &'a mut Visit<'_>, mut next: Next<'a>) -> LocalBoxFuture<'a, Answer> {
        Box::pin(async move {
            let (head, body) = match self.ask(visit).await {
                Ok(answer) => answer,
                Err(answer) => return answer.into(),
            };
            if let Some(user) = self.taken.user(&head.headers) {
                visit.trail.note_user(user.into());
            }
            if !head.status.is_success() {
                return self.taken.refusal(head, body, &self.target).into();
            }
            if self.taken.admit(&mut visit.head.headers, &head.headers) {
                visit.trail.note_known();
            }
            let cookies = self.taken.cookies(&head.headers);
            let mut answer = next.run(visit).await;
            put_cookies(&mut answer.head.headers, cookies);
            answer
        })
    }

    fn refresh(&self) -> bool {
        self.target.refresh()
    }

    fn trouble(&self) -> Option<String> {
        self.target.trouble()
    }
}

/// All of a body. One that is too long is none that can be relied on.
async fn read(answer: &mut Answer, limit: Limit) -> Result<Bytes, Response<Bytes>> {
    let mut body = BytesMut::new();
    while let Some(frame) = answer.body.next().await {
        let frame = frame.map_err(|_| short(StatusCode::INTERNAL_SERVER_ERROR))?;
        let data = frame.into_data().unwrap_or_default();
        let length = (body.len() + data.len()) as u64;
        if limit.is_some_and(|limit| length > limit) {
            return Err(short(StatusCode::UNAUTHORIZED));
        }
        body.extend_from_slice(&data);
    }
    Ok(body.freeze())
}

fn short(status: StatusCode) -> Response<Bytes> {
    answer_text(status, status.canonical_reason().unwrap_or_default())
}
