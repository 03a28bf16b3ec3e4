//! Bodies that a middleware changes on their way.

use std::{
    collections::VecDeque,
    fmt::Debug,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::Frame;

/// What comes out of a [`Change`], in order.
pub(crate) type Parts = VecDeque<Frame<Bytes>>;

/// Parts that go in and come out of a [`Changing`] at once: what is never ready to end must not keep its worker.
const MAX_PARTS: usize = 32;

/// The largest part that goes in at once, in bytes.
const MAX_PART: usize = 64 * 1024;

/// Bytes that go in before others have their turn: to change them may take a while.
const MAX_BYTES: usize = 256 * 1024;

/// Turns the parts of a body into others, in step with them: it never waits for what is still to come.
pub(crate) trait Change: Debug {
    /// A part came: data, or the trailers.
    ///
    /// # Errors
    /// When it cannot be read; the body is cut.
    fn part(&mut self, part: Frame<Bytes>, out: &mut Parts) -> Result<(), Unreadable>;

    /// Nothing more has come for now: who waits for what came so far is to have it.
    fn pause(&mut self, out: &mut Parts) {
        let _nothing_held_back = out;
    }

    /// Nothing more comes.
    ///
    /// # Errors
    /// When what came is not whole; the body is cut.
    fn end(&mut self, out: &mut Parts) -> Result<(), Unreadable> {
        let _nothing_held_back = out;
        Ok(())
    }
}

/// What came is not what the change expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a middleware cannot read the body: {0}")]
pub(crate) struct Unreadable(pub(crate) &'static str);

/// A change at work.
#[derive(Debug)]
pub(crate) struct Changing {
    change: Box<dyn Change>,
    out: Parts,
    /// What is left of a part that was too large.
    rest: Bytes,
    /// Bytes that went in since others had their turn.
    turn: usize,
    is_over: bool,
}

impl Changing {
    pub(crate) fn new(change: Box<dyn Change>) -> Self {
        Self {
            change,
            out: Parts::new(),
            rest: Bytes::new(),
            turn: 0,
            is_over: false,
        }
    }

    /// True when nothing more comes out.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over && self.out.is_empty()
    }

    /// The next part of what `source` becomes.
    pub(crate) fn poll<E: From<Unreadable>>(
        &mut self,
        cx: &mut Context<'_>,
        mut source: impl FnMut(&mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, E>>>,
    ) -> Poll<Option<Result<Frame<Bytes>, E>>> {
        for _ in 0..MAX_PARTS {
            if let Some(part) = self.out.pop_front() {
                return Poll::Ready(Some(Ok(part)));
            }
            if self.is_over {
                return Poll::Ready(None);
            }
            if self.turn >= MAX_BYTES {
                break;
            }
            let polled = match self.rest.is_empty() {
                true => source(cx),
                false => Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.rest))))),
            };
            let changed = match polled {
                Poll::Ready(Some(Ok(part))) => {
                    let part = self.piece(part);
                    self.change.part(part, &mut self.out)
                }
                Poll::Ready(Some(Err(error))) => {
                    self.is_over = true;
                    return Poll::Ready(Some(Err(error)));
                }
                Poll::Ready(None) => {
                    self.is_over = true;
                    self.change.end(&mut self.out)
                }
                Poll::Pending => {
                    self.turn = 0;
                    self.change.pause(&mut self.out);
                    return match self.out.pop_front() {
                        Some(part) => Poll::Ready(Some(Ok(part))),
                        None => Poll::Pending,
                    };
                }
            };
            if let Err(error) = changed {
                (self.is_over, self.out) = (true, Parts::new());
                return Poll::Ready(Some(Err(error.into())));
            }
        }
        self.turn = 0;
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// As much of a part as may go in at once.
    fn piece(&mut self, part: Frame<Bytes>) -> Frame<Bytes> {
        match part.into_data() {
            Ok(mut data) => {
                self.rest = data.split_off(data.len().min(MAX_PART));
                self.turn += data.len();
                Frame::data(data)
            }
            Err(part) => part,
        }
    }
}

/// Puts parts that were taken out of a body back in front of it.
#[derive(Debug)]
pub(crate) struct PutBack(pub(crate) Parts);

impl Change for PutBack {
    fn part(&mut self, part: Frame<Bytes>, out: &mut Parts) -> Result<(), Unreadable> {
        out.append(&mut self.0);
        out.push_back(part);
        Ok(())
    }

    fn pause(&mut self, out: &mut Parts) {
        out.append(&mut self.0);
    }

    fn end(&mut self, out: &mut Parts) -> Result<(), Unreadable> {
        out.append(&mut self.0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds everything back until it is asked for it.
    #[derive(Debug, Default)]
    struct Holder(Vec<u8>);

    impl Change for Holder {
        fn part(&mut self, part: Frame<Bytes>, _out: &mut Parts) -> Result<(), Unreadable> {
            self.0.extend_from_slice(&part.into_data().unwrap());
            match self.0.contains(&b'!') {
                true => Err(Unreadable("a !")),
                false => Ok(()),
            }
        }

        fn pause(&mut self, out: &mut Parts) {
            if !self.0.is_empty() {
                out.push_back(Frame::data(std::mem::take(&mut self.0).into()));
            }
        }

        fn end(&mut self, out: &mut Parts) -> Result<(), Unreadable> {
            self.0.push(b'.');
            self.pause(out);
            Ok(())
        }
    }

    /// All that comes out when `script` goes in, `None` for a pause; what came at once is one text.
    fn changed(
        change: impl Change + 'static,
        script: &[Option<&'static str>],
    ) -> Vec<Result<String, Unreadable>> {
        let mut changing = Changing::new(Box::new(change));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut script = script.iter();
        let mut came = Vec::new();
        loop {
            let polled = changing.poll(&mut cx, |_| match script.next() {
                Some(Some(text)) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(text.as_bytes()))))),
                Some(None) => Poll::Pending,
                None => Poll::Ready(None),
            });
            match polled {
                Poll::Ready(Some(Ok(part))) => {
                    came.push(Ok(String::from_utf8(part.into_data().unwrap().to_vec()).unwrap()));
                }
                Poll::Ready(Some(Err(error))) => came.push(Err(error)),
                Poll::Ready(None) => return came,
                Poll::Pending => {}
            }
        }
    }

    #[test]
    fn what_is_held_back_comes_out_in_a_pause_and_at_the_end() {
        let came = changed(Holder::default(), &[Some("a"), Some("b"), None, None, Some("c")]);
        assert_eq!(came, [Ok("ab".to_owned()), Ok("c.".to_owned())]);
    }

    #[test]
    fn what_cannot_be_read_ends_the_body() {
        let came = changed(Holder::default(), &[Some("a"), Some("!"), Some("b")]);
        assert_eq!(came, [Err(Unreadable("a !"))]);
    }

    /// Notes how long the parts are, and lets nothing out.
    #[derive(Debug)]
    struct Lengths(std::rc::Rc<std::cell::RefCell<Vec<usize>>>);

    impl Change for Lengths {
        fn part(&mut self, part: Frame<Bytes>, _out: &mut Parts) -> Result<(), Unreadable> {
            self.0.borrow_mut().push(part.into_data().unwrap().len());
            Ok(())
        }
    }

    #[test]
    fn a_large_part_goes_in_by_pieces_and_others_have_their_turn() {
        let lengths = std::rc::Rc::default();
        let mut changing = Changing::new(Box::new(Lengths(std::rc::Rc::clone(&lengths))));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut body = Some(Frame::data(Bytes::from(vec![0; 2 * MAX_BYTES + 1])));
        let mut turns = 0;
        while changing
            .poll::<Unreadable>(&mut cx, |_| Poll::Ready(body.take().map(Ok)))
            .is_pending()
        {
            turns += 1;
        }
        assert_eq!(turns, 2);
        let lengths = lengths.borrow();
        assert_eq!(lengths.iter().sum::<usize>(), 2 * MAX_BYTES + 1);
        assert!(lengths.iter().all(|length| *length <= MAX_PART));
    }

    #[test]
    fn what_was_put_back_comes_first_even_if_nothing_follows() {
        let taken = || PutBack([Frame::data(Bytes::from_static(b"a"))].into());
        for script in [&[Some("b")][..], &[None, Some("b")], &[]] {
            let came: String = changed(taken(), script).into_iter().map(Result::unwrap).collect();
            assert!(came == "ab" || script.is_empty() && came == "a", "{came}");
        }
    }
}
