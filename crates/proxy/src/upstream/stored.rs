//! Bodies that are read to their end before they are passed on: in memory at first, then in a file without a name, which
//! is gone with its last reader, even if the process is killed.

use std::{
    fs::File,
    future::Future,
    io,
    os::unix::fs::FileExt,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use tokio::{
    io::AsyncWriteExt,
    task::{JoinHandle, spawn_blocking},
};

use super::kept::{Keeping, Kept, Pool, Replay, Room};

/// Bytes of bodies that the process has in files at most.
const MAX_IN_FILES: u64 = 1024 * 1024 * 1024;

/// Largest part that is read from a file at once.
const MAX_PART: usize = 64 * 1024;

/// Room for the files of the process.
static FILES: Pool = Pool::new(MAX_IN_FILES);

/// A body that is being read.
#[derive(Debug)]
pub(crate) struct Storing {
    /// Bytes that may be in memory.
    most: u64,
    memory: Keeping,
    file: Option<tokio::fs::File>,
    in_file: u64,
    trailers: Option<HeaderMap>,
    room: Room,
}

/// A whole body.
#[derive(Debug)]
pub(crate) struct Stored {
    /// Its beginning.
    memory: Rc<Kept>,
    /// The rest.
    file: Option<Arc<File>>,
    in_file: u64,
    /// What follows a body with a file; others have them in memory.
    trailers: Option<HeaderMap>,
    _room: Room,
}

/// A stored body on its way.
#[derive(Debug)]
pub(crate) struct Reading {
    stored: Rc<Stored>,
    memory: Replay,
    /// Bytes that were read of the file.
    at: u64,
    next: Option<JoinHandle<io::Result<Vec<u8>>>>,
    trailers: Option<HeaderMap>,
}

/// Why a body cannot be stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// Others have it all.
    #[error("there is no room for it")]
    NoRoom,
    /// A file that cannot be written.
    #[error(transparent)]
    File(#[from] io::Error),
}

/// A stored body that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a body that was stored cannot be read again")]
pub(crate) struct Lost;

impl Storing {
    /// A body of which so many bytes may be in memory.
    pub(crate) fn new(most: u64) -> Self {
        Self {
            most,
            memory: Keeping::default(),
            file: None,
            in_file: 0,
            trailers: None,
            room: Room::of(&FILES),
        }
    }

    /// Bytes so far.
    pub(crate) fn length(&self) -> u64 {
        self.memory.length() + self.in_file
    }

    /// Takes a part over.
    ///
    /// # Errors
    /// When there is no place for it.
    pub(crate) async fn push(&mut self, part: Frame<Bytes>) -> Result<(), StoreError> {
        let data = match part.into_data() {
            Ok(data) => data,
            Err(part) => {
                self.trailers = part.into_trailers().ok();
                return Ok(());
            }
        };
        let length = data.len() as u64;
        if self.file.is_none() {
            let fits = self.memory.length() + length <= self.most;
            if fits && self.memory.push(&data) {
                return Ok(());
            }
        }
        if !self.room.grow(length) {
            return Err(StoreError::NoRoom);
        }
        if self.file.is_none() {
            let created = spawn_blocking(tempfile::tempfile).await;
            let created = created.map_err(io::Error::other)??;
            self.file = Some(tokio::fs::File::from_std(created));
        }
        if let Some(file) = &mut self.file {
            file.write_all(&data).await?;
        }
        self.in_file += length;
        Ok(())
    }

    /// All of it.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) async fn whole(mut self) -> Result<Rc<Stored>, StoreError> {
        let file = match self.file.take() {
            None => {
                if let Some(trailers) = self.trailers.take() {
                    self.memory.end(trailers);
                }
                None
            }
            Some(mut file) => {
                file.flush().await?;
                Some(Arc::new(file.into_std().await))
            }
        };
        Ok(Rc::new(Stored {
            memory: self.memory.whole(),
            file,
            in_file: self.in_file,
            trailers: self.trailers,
            _room: self.room,
        }))
    }
}

impl Stored {
    /// All of it, if it is in memory.
    pub(super) fn kept(&self) -> Option<&Rc<Kept>> {
        self.file.is_none().then_some(&self.memory)
    }
}

impl Reading {
    /// All of `stored`.
    pub(crate) fn new(stored: Rc<Stored>) -> Self {
        Self {
            memory: Replay::new(stored.memory.clone()),
            at: 0,
            next: None,
            trailers: stored.trailers.clone(),
            stored,
        }
    }

    /// What is stored, if nothing of it was taken yet.
    pub(super) fn untouched(&self) -> Option<Rc<Stored>> {
        let is_whole = self.memory.untouched().is_some() && self.at == 0 && self.next.is_none();
        is_whole.then(|| self.stored.clone())
    }

    /// The next part.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Lost>>> {
        if let Some(frame) = self.memory.next() {
            return Poll::Ready(Some(Ok(frame)));
        }
        let (left, at) = (self.left(), self.at);
        let Some(file) = self.stored.file.as_ref().filter(|_| left > 0) else {
            return Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
        };
        let next = self.next.get_or_insert_with(|| {
            let (file, length) = (
                file.clone(),
                MAX_PART.min(usize::try_from(left).unwrap_or(MAX_PART)),
            );
            spawn_blocking(move || {
                let mut part = vec![0; length];
                file.read_exact_at(&mut part, at)?;
                Ok(part)
            })
        });
        let read = ready!(Pin::new(next).poll(cx));
        self.next = None;
        Poll::Ready(Some(match read.map_err(io::Error::other).flatten() {
            Ok(part) => {
                self.at += part.len() as u64;
                Ok(Frame::data(part.into()))
            }
            Err(error) => {
                tracing::warn!(%error, "cannot read the file of a body");
                Err(Lost)
            }
        }))
    }

    /// True when nothing more comes.
    pub(crate) fn is_over(&self) -> bool {
        self.memory.is_over() && self.left() == 0 && self.trailers.is_none()
    }

    /// How much comes.
    pub(crate) fn size_hint(&self) -> SizeHint {
        let hint = self.memory.size_hint(&SizeHint::with_exact(self.left()));
        match (&self.trailers, hint.exact()) {
            // They pass only where the length is not announced.
            (Some(_), Some(length)) => {
                let mut hint = SizeHint::new();
                hint.set_lower(length);
                hint
            }
            _ => hint,
        }
    }

    /// Bytes of the file that are still to be read.
    fn left(&self) -> u64 {
        self.stored.in_file.saturating_sub(self.at)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    async fn read(stored: &Rc<Stored>) -> (Vec<u8>, bool) {
        let mut reading = Reading::new(stored.clone());
        let (mut data, mut trailers) = (Vec::new(), false);
        while let Some(frame) = poll_fn(|cx| reading.poll_frame(cx)).await {
            match frame.unwrap().into_data() {
                Ok(part) => data.extend_from_slice(&part),
                Err(_) => trailers = true,
            }
        }
        assert!(reading.is_over());
        (data, trailers)
    }

    #[tokio::test]
    async fn what_is_stored_is_read_again_and_again_from_memory_and_from_a_file() {
        let body: Vec<u8> = (0..=u8::MAX).cycle().take(3 * MAX_PART + 7).collect();
        for (most, has_file) in [(0, true), (1000, true), (1 << 20, false)] {
            for has_trailers in [false, true] {
                let mut storing = Storing::new(most);
                for part in body.chunks(999) {
                    let part = Frame::data(Bytes::copy_from_slice(part));
                    storing.push(part).await.unwrap();
                }
                if has_trailers {
                    storing.push(Frame::trailers(HeaderMap::new())).await.unwrap();
                }
                assert_eq!(storing.length(), body.len() as u64);
                let stored = storing.whole().await.unwrap();
                assert_eq!(stored.file.is_some(), has_file);
                let exact = Reading::new(stored.clone()).size_hint().exact();
                assert_eq!(exact, (!has_trailers).then_some(body.len() as u64));
                for _ in 0..2 {
                    assert_eq!(read(&stored).await, (body.clone(), has_trailers));
                }
            }
        }
    }

    #[tokio::test]
    async fn files_have_so_much_room_and_no_more() {
        static SMALL: Pool = Pool::new(10);
        let storing = || Storing {
            room: Room::of(&SMALL),
            ..Storing::new(0)
        };
        let part = |length| Frame::data(Bytes::from(vec![0; length]));
        let (mut one, mut two) = (storing(), storing());
        one.push(part(8)).await.unwrap();
        assert!(matches!(two.push(part(3)).await, Err(StoreError::NoRoom)));
        let stored = one.whole().await.unwrap();
        assert!(two.push(part(3)).await.is_err(), "what is whole is stored, too");
        drop(stored);
        two.push(part(3)).await.unwrap();
    }
}
