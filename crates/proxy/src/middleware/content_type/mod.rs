//! `contentType`: tells clients what an answer is that does not say so itself.

mod sniff;

use std::{future::poll_fn, task::Poll};

use bytes::Bytes;
use futures::future::LocalBoxFuture;
use http::{HeaderValue, Method, StatusCode, header, response};
use http_body::Frame;
use mesh_config::model;

use self::sniff::{LOOKED_AT, type_of};
use super::{Around, Change, Next, Parts, Step, Unreadable, Visit};
use crate::{
    forward::{Answer, Source},
    upstream::BodyError,
};

/// Looks at the first bytes of answers.
#[derive(Debug)]
pub(super) struct ContentType;

impl ContentType {
    /// `None` where it is switched off.
    pub(super) fn step(settings: &model::ContentType) -> Option<Step> {
        let is_on = settings.auto_detect.unwrap_or(true);
        is_on.then(|| Step::around(Self))
    }
}

impl Around for ContentType {
    fn call<'a>(&'a self, visit: &'a mut Visit<'_>, mut next: Next<'a>) -> LocalBoxFuture<'a, Answer> {
        Box::pin(async move {
            let has_body = visit.head.method != Method::HEAD;
            let mut answer = next.run(visit).await;
            if has_body && is_unknown(&answer.head) && !answer.body.is_over() {
                tell_type(&mut answer).await;
            }
            answer
        })
    }
}

/// True if nothing says what the body is, and its first bytes may.
fn is_unknown(head: &response::Parts) -> bool {
    // The beginning of a part is not that of the whole, and what is encoded begins as its encoding does.
    let is_whole =
        head.status != StatusCode::PARTIAL_CONTENT && !head.headers.contains_key(header::CONTENT_ENCODING);
    let guessing = head.headers.get(header::X_CONTENT_TYPE_OPTIONS);
    let is_forbidden = guessing.is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"nosniff"));
    is_whole && !is_forbidden && !head.headers.contains_key(header::CONTENT_TYPE)
}

/// Waits for the first bytes, takes those that came with them, and tells what they are.
async fn tell_type(answer: &mut Answer) {
    let (mut parts, mut beginning) = (Parts::new(), Vec::new());
    let mut broken = false;
    while beginning.len() < LOOKED_AT {
        let Some(part) = next(&mut answer.body, beginning.is_empty()).await else {
            break;
        };
        let Ok(part) = part else {
            broken = true;
            break;
        };
        let data = part.data_ref().map(Bytes::as_ref);
        if data.is_some_and(<[u8]>::is_empty) {
            continue;
        }
        let is_last = data.is_none();
        beginning.extend(data.unwrap_or_default().iter().take(LOOKED_AT - beginning.len()));
        parts.push_back(part);
        if is_last {
            break;
        }
    }
    if broken {
        answer.body = Source::Local(Bytes::new());
        answer.change(Cut);
    }
    if !beginning.is_empty() {
        let name = HeaderValue::from_static(type_of(&beginning));
        answer.head.headers.insert(header::CONTENT_TYPE, name);
    }
    answer.put_back(parts);
}

/// The next part; unless it is waited for, only if it has come already.
async fn next(body: &mut Source, waits: bool) -> Option<Result<Frame<Bytes>, BodyError>> {
    poll_fn(|cx| match body.poll_frame(cx) {
        Poll::Pending if !waits => Poll::Ready(None),
        polled => polled,
    })
    .await
}

/// Stands for a body that broke off: a client must not take it for a short one.
#[derive(Debug)]
struct Cut;

const BROKEN_OFF: Unreadable = Unreadable("the server broke off its answer");

impl Change for Cut {
    fn part(&mut self, _part: Frame<Bytes>, _out: &mut Parts) -> Result<(), Unreadable> {
        Err(BROKEN_OFF)
    }

    fn end(&mut self, _out: &mut Parts) -> Result<(), Unreadable> {
        Err(BROKEN_OFF)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(body: &'static [u8], headers: &[(&str, &str)], status: u16) -> Answer {
        let mut answer = http::Response::builder().status(status);
        for (name, value) in headers {
            answer = answer.header(*name, *value);
        }
        answer.body(Bytes::from_static(body)).unwrap().into()
    }

    #[tokio::test]
    async fn an_answer_gets_its_type_and_keeps_its_body() {
        let mut answer = local(b"<html><p>hello", &[("content-length", "14")], 200);
        assert!(is_unknown(&answer.head));
        tell_type(&mut answer).await;
        assert_eq!(answer.head.headers["content-type"], "text/html; charset=utf-8");
        assert_eq!(answer.head.headers["content-length"], "14");
        assert_eq!(answer.body.size_hint().exact(), Some(14));
        let part = answer.body.next().await.unwrap().unwrap();
        assert_eq!(part.into_data().unwrap(), "<html><p>hello");
        assert!(answer.body.next().await.is_none());
    }

    #[tokio::test]
    async fn a_body_that_broke_off_does_not_end_well() {
        let mut answer = local(b"hello", &[], 200);
        answer.change(Cut);
        tell_type(&mut answer).await;
        assert!(answer.body.next().await.unwrap().is_err());
    }

    #[test]
    fn what_is_known_or_cannot_be_told_is_left_alone() {
        for (headers, status) in [
            (&[("content-type", "x/y")][..], 200),
            (&[("content-type", "")], 200),
            (&[("content-encoding", "gzip")], 200),
            (&[("x-content-type-options", "NoSniff")], 200),
            (&[], 206),
        ] {
            assert!(
                !is_unknown(&local(b"hello", headers, status).head),
                "{headers:?} {status}"
            );
        }
    }

    #[test]
    fn it_can_be_switched_off() {
        for (auto_detect, is_on) in [(None, true), (Some(true), true), (Some(false), false)] {
            assert_eq!(
                ContentType::step(&model::ContentType { auto_detect }).is_some(),
                is_on
            );
        }
    }
}
