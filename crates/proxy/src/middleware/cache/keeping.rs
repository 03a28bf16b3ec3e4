//! Keeps the body of an answer as it passes.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http_body::Frame;

use super::{
    super::{Change, Parts, Unreadable},
    store::{Flight, Store},
    stored::Stored,
};

/// Keeps a body as it passes.
#[derive(Debug)]
pub(super) struct Keeping {
    pub(super) stored: Option<Box<Stored>>,
    pub(super) length: Option<usize>,
    pub(super) body: BytesMut,
    pub(super) most: usize,
    pub(super) key: String,
    pub(super) store: Arc<Store>,
    /// What was thrown away before its request began.
    pub(super) purges: u64,
    /// Others wait for it.
    pub(super) flight: Option<Flight>,
}

impl Keeping {
    /// All of the body has come.
    pub(super) fn finish(&mut self) {
        let is_whole = self.length.is_none_or(|length| length == self.body.len());
        if let Some(mut stored) = self.stored.take().filter(|_| is_whole) {
            stored.body = self.body.split().freeze();
            self.store.keep(&self.key, *stored, self.purges);
        }
        self.flight = None;
    }
}

impl Change for Keeping {
    fn part(&mut self, part: Frame<Bytes>, out: &mut Parts) -> Result<(), Unreadable> {
        match part.data_ref() {
            Some(data) if self.body.len() + data.len() <= self.most => {
                if self.stored.is_some() {
                    self.body.extend_from_slice(data);
                }
            }
            // It is too long, or ends in trailers, which are not kept.
            _ => {
                (self.stored, self.body) = (None, BytesMut::new());
                self.flight = None;
                self.store.pass(&self.key);
            }
        }
        out.push_back(part);
        Ok(())
    }

    fn end(&mut self, _: &mut Parts) -> Result<(), Unreadable> {
        self.finish();
        Ok(())
    }
}
