//! `forwardAuth`: asks another server whether a request may pass.

mod kept;
mod question;
mod target;
mod verdict;

use std::{
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use bytes::{Bytes, BytesMut};
use futures::future::LocalBoxFuture;
use http::{StatusCode, request};
use mesh_config::{QualifiedName, model};
use mesh_telemetry::metrics::{Outcome, Outcomes};

use self::{
    kept::{Found, Kept, Verdict},
    question::Question,
    target::Target,
    verdict::{Taken, put_cookies},
};
use super::{Around, Caches, InvalidMiddleware, Next, Visit, plain};
use crate::{
    entrypoint::Client,
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
    /// What was answered before.
    kept: Option<Arc<Kept>>,
    is_gone: AtomicBool,
}

/// Bytes at most; `None` is without limit.
type Limit = Option<u64>;

impl ForwardAuth {
    pub(super) fn new(
        name: &QualifiedName,
        settings: &model::ForwardAuth,
        caches: &Caches,
    ) -> Result<Self, InvalidMiddleware> {
        let (target, question) = (Target::new(name, settings)?, Question::new(settings)?);
        let taken = Taken::new(settings)?;
        let kept = settings.cache.as_ref().map(|cache| Kept::new(cache, settings));
        let kept = kept.transpose()?.map(Arc::new);
        if let Some(kept) = &kept {
            caches.add(name, "", kept);
        }
        Ok(Self {
            name: name.clone(),
            target,
            question,
            taken,
            kept,
            body: settings
                .forward_body
                .then(|| u64::try_from(settings.max_body_size).ok()),
            max_answer: u64::try_from(settings.max_response_body_size).ok(),
            is_gone: AtomicBool::new(false),
        })
    }

    /// What the one that is asked says, or said before of the same question; an answer for the client if there is
    /// nothing.
    async fn ask(&self, visit: &mut Visit<'_>) -> Result<(Verdict, Outcomes), Answer> {
        let (body, length) = self.body(visit).await?;
        let client = visit.client.clone();
        let forwarded = &client.settings().forwarded_headers;
        let uri = self.target.path().clone().into();
        let head = self
            .question
            .head(&visit.head, client.peer(), forwarded, uri, length);
        let Some(kept) = &self.kept else {
            let verdict = self.ask_anew(&client, head, body).await?;
            return Ok((verdict, Outcomes::default()));
        };
        let print = kept.print(&head);
        let turn = match kept.find(print).await {
            Found::Verdict(verdict) => return Ok((verdict, Outcome::Hit.into())),
            Found::Nothing(turn) => turn,
        };
        let answered = self.ask_anew(&client, head, body).await;
        kept.learn(print, turn, answered.as_ref().ok(), |name| self.taken.wants(name));
        match answered {
            Ok(verdict) => Ok((verdict, Outcome::Miss.into())),
            Err(answer) => Err(answer.counted(Outcome::Miss)),
        }
    }

    async fn ask_anew(
        &self,
        client: &Rc<Client>,
        head: Box<request::Parts>,
        body: RequestBody,
    ) -> Result<Verdict, Answer> {
        let mut answer = ask(client, &self.target.service(), head, body).await;
        if let Some(failure) = answer.failure() {
            if !self.is_gone.swap(true, Ordering::Relaxed) {
                tracing::warn!(middleware = %self.name, error = %failure, "forwardAuth gets no answer");
            }
            return Err(refused(StatusCode::INTERNAL_SERVER_ERROR, Outcome::Unavailable));
        }
        let body = read(&mut answer, self.max_answer).await?;
        if let Some(lease) = answer.body.take_free() {
            client.upstreams().put_back(lease, None, Instant::now());
        }
        if self.is_gone.swap(false, Ordering::Relaxed) {
            tracing::info!(middleware = %self.name, "forwardAuth gets answers again");
        }
        Ok(Verdict {
            head: answer.head,
            body,
        })
    }

    /// The body that is passed on, with its length. The request keeps its own.
    async fn body(&self, visit: &mut Visit<'_>) -> Result<(RequestBody, Option<u64>), Answer> {
        let Some(limit) = self.body else {
            return Ok((RequestBody::default(), None));
        };
        match visit.body.keep(limit).await {
            Ok(Keep::Nothing) => Ok((RequestBody::default(), None)),
            Ok(Keep::Whole(kept)) => {
                let length = kept.length();
                Ok((RequestBody::kept(kept), Some(length)))
            }
            Ok(Keep::TooLong) => Err(refused(StatusCode::UNAUTHORIZED, Outcome::Body)),
            Ok(Keep::NoRoom) => Err(refused(StatusCode::SERVICE_UNAVAILABLE, Outcome::Unavailable)),
            Err(_) => Err(plain(StatusCode::BAD_REQUEST).into()),
        }
    }
}

impl Around for ForwardAuth {
    fn call<'a>(&'a self, visit: &'a mut Visit<'_>, mut next: Next<'a>) -> LocalBoxFuture<'a, Answer> {
        Box::pin(async move {
            let (Verdict { head, body }, outcomes) = match self.ask(visit).await {
                Ok(verdict) => verdict,
                Err(answer) => return answer,
            };
            if let Some(user) = self.taken.user(&head.headers) {
                visit.trail.note_user(user.into());
            }
            if !head.status.is_success() {
                let refusal = Answer::from(self.taken.refusal(head, body, &self.target));
                return refusal.counted(Outcome::Denied).counted_all(outcomes);
            }
            self.taken.admit(&mut visit.head.headers, &head.headers);
            // Whom the server let in it may know, by what the request has with it, whatever it says of that.
            visit.trail.note_known();
            let cookies = self.taken.cookies(&head.headers);
            let mut answer = next.run(visit).await.counted_all(outcomes);
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
async fn read(answer: &mut Answer, limit: Limit) -> Result<Bytes, Answer> {
    let mut body = BytesMut::new();
    while let Some(frame) = answer.body.next().await {
        let frame = frame.map_err(|_| refused(StatusCode::INTERNAL_SERVER_ERROR, Outcome::Unavailable))?;
        let data = frame.into_data().unwrap_or_default();
        let length = (body.len() + data.len()) as u64;
        if limit.is_some_and(|limit| length > limit) {
            return Err(refused(StatusCode::UNAUTHORIZED, Outcome::Unavailable));
        }
        body.extend_from_slice(&data);
    }
    Ok(body.freeze())
}

fn refused(status: StatusCode, outcome: Outcome) -> Answer {
    Answer::from(plain(status)).counted(outcome)
}
