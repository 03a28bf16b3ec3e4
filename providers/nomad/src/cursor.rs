//! Where one query stands.

use std::future::Future;

use mesh_discovery::ProviderError;
use mesh_remote::{Answer, Bucket, Index, ask};

use crate::watches::Watch;

/// The place of one query in Nomad's history, its pace, and its right to block.
#[derive(Debug)]
pub(crate) struct Cursor {
    index: Index,
    bucket: Bucket,
    watch: Option<Watch>,
    /// False before the first question, which waits for nothing.
    asked: bool,
}

impl Cursor {
    /// At the start. Without `watch` the query never blocks.
    pub(crate) fn new(bucket: Bucket, watch: Option<Watch>) -> Self {
        Self {
            index: Index::START,
            bucket,
            watch,
            asked: false,
        }
    }

    /// True when the query may block until something changed.
    pub(crate) fn may_block(&self) -> bool {
        self.watch.is_some()
    }

    /// The next question asks for the whole, at once.
    pub(crate) fn restart(&mut self) {
        self.index = self.index.from_anew();
    }

    /// The index of the last answer; 0 when the next one comes at once.
    pub(crate) fn index(&self) -> u64 {
        self.index.value()
    }

    /// The index of the last answer, however the next one is asked for.
    pub(crate) fn seen(&self) -> u64 {
        self.index.seen()
    }

    /// Waits until the next question may be asked: as often as the bucket allows where `blocks` and the right to
    /// block say so, else until `pause` is over.
    pub(crate) async fn turn(&mut self, blocks: bool, pause: impl Future) {
        if blocks && self.may_block() {
            self.bucket.ready().await;
        } else {
            if self.asked {
                pause.await;
            }
            self.restart();
        }
        self.asked = true;
    }

    /// The next answer, and whether Nomad's history went back before it: see [`ask`].
    pub(crate) async fn ask<T, F>(
        &mut self,
        stale: bool,
        query: impl Fn(Index) -> F,
    ) -> Result<(T, bool), ProviderError>
    where
        F: Future<Output = Result<Answer<T>, ProviderError>>,
    {
        ask(&mut self.index, stale, query).await
    }
}
