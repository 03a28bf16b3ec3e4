//! Writing lines without making anybody wait.
//!
//! Lines go through a bounded queue to a thread of their own. A full queue loses the line and counts it.

use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    },
    thread,
    time::Duration,
};

use parking_lot::Mutex;

/// Bytes collected before they are written, unless the queue runs empty first.
const BUFFER: usize = 64 * 1024;

/// Where lines end up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Stdout,
    Stderr,
    File(PathBuf),
}

impl Target {
    fn open(&self) -> io::Result<Box<dyn Write + Send>> {
        Ok(match self {
            Self::Stdout => Box::new(io::stdout()),
            Self::Stderr => Box::new(io::stderr()),
            Self::File(path) => Box::new(open_file(path)?),
        })
    }
}

/// Opens `path` for appending, and makes it and its directories when they are missing.
fn open_file(path: &Path) -> io::Result<File> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o664);
    options.open(path)
}

enum Message<T> {
    Line(T),
    /// Something changed in [`State`].
    Wake,
}

#[derive(Debug, Default)]
struct State {
    dropped: AtomicU64,
    reopen: AtomicBool,
    stop: AtomicBool,
}

/// A queue and the thread behind it. Dropping it stops the thread once the queue is written.
pub(crate) struct Background<T> {
    queue: SyncSender<Message<T>>,
    state: Arc<State>,
    /// Ends when the thread has written everything.
    finished: Mutex<Receiver<()>>,
}

impl<T> fmt::Debug for Background<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Background")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Background<T> {
    /// Opens `target` and starts the thread; `line` writes one line, with its line feed.
    pub(crate) fn spawn(
        name: &str,
        target: Target,
        capacity: usize,
        line: impl FnMut(T, &mut Vec<u8>) + Send + 'static,
    ) -> io::Result<Self> {
        let (queue, lines) = sync_channel(capacity.max(1));
        let (running, finished) = sync_channel(0);
        let state = Arc::new(State::default());
        let mut writer = Writer {
            out: BufWriter::with_capacity(BUFFER, target.open()?),
            target,
            state: state.clone(),
            unflushed: 0,
            line,
            text: Vec::new(),
        };
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            writer.run(&lines);
            drop((lines, running));
        })?;
        Ok(Self {
            queue,
            state,
            finished: Mutex::new(finished),
        })
    }

    /// Hands `line` over. Never waits: when the queue is full the line is lost and counted.
    pub(crate) fn push(&self, line: T) {
        if self.queue.try_send(Message::Line(line)).is_err() {
            self.state.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lines lost so far, to a full queue or to a write that failed.
    pub(crate) fn dropped(&self) -> u64 {
        self.state.dropped.load(Ordering::Relaxed)
    }

    /// Closes the file and opens it by its name again, between two lines. When that fails the old one stays.
    pub(crate) fn reopen(&self) {
        self.state.reopen.store(true, Ordering::Release);
        self.wake();
    }

    /// Writes everything handed over so far and ends the thread; waits at most `limit`. True when all is written.
    pub(crate) fn close(&self, limit: Duration) -> bool {
        self.state.stop.store(true, Ordering::Release);
        self.wake();
        let ended = self.finished.lock().recv_timeout(limit);
        matches!(ended, Err(std::sync::mpsc::RecvTimeoutError::Disconnected))
    }

    /// A full queue needs no waking: the thread looks at the state after every line.
    fn wake(&self) {
        let _ = self.queue.try_send(Message::Wake);
    }
}

struct Writer<F> {
    out: BufWriter<Box<dyn Write + Send>>,
    target: Target,
    state: Arc<State>,
    /// Lines that a failing flush would lose.
    unflushed: u64,
    line: F,
    text: Vec<u8>,
}

impl<F> Writer<F> {
    fn run<T>(&mut self, lines: &Receiver<Message<T>>)
    where
        F: FnMut(T, &mut Vec<u8>),
    {
        loop {
            let message = match lines.try_recv() {
                Ok(message) => message,
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {
                    self.flush();
                    if self.state.stop.load(Ordering::Acquire) {
                        break;
                    }
                    let Ok(message) = lines.recv() else { break };
                    message
                }
            };
            if let Message::Line(line) = message {
                self.write(line);
            }
            if self.state.reopen.swap(false, Ordering::AcqRel) {
                self.reopen();
            }
        }
        self.flush();
    }

    fn write<T>(&mut self, line: T)
    where
        F: FnMut(T, &mut Vec<u8>),
    {
        self.text.clear();
        (self.line)(line, &mut self.text);
        self.unflushed += 1;
        if self.out.write_all(&self.text).is_err() {
            self.lose();
        }
        if self.out.buffer().is_empty() {
            self.unflushed = 0;
        }
    }

    fn flush(&mut self) {
        if self.out.flush().is_ok() {
            self.unflushed = 0;
        } else {
            self.lose();
        }
    }

    /// Counts what could not be written and forgets it, so that a full disk does not fill memory too.
    fn lose(&mut self) {
        self.state.dropped.fetch_add(self.unflushed, Ordering::Relaxed);
        self.unflushed = 0;
        if let Ok(out) = self.target.open() {
            let failed = std::mem::replace(&mut self.out, BufWriter::with_capacity(BUFFER, out));
            drop(failed.into_parts());
        }
    }

    fn reopen(&mut self) {
        self.flush();
        match self.target.open() {
            Ok(out) => self.out = BufWriter::with_capacity(BUFFER, out),
            Err(error) => {
                tracing::warn!(?self.target, %error, "cannot reopen log, going on with the old file");
            }
        }
    }
}
