//! The application log: what Mesh says about itself, on standard error.

mod json;
mod settings;

use std::{
    io::{self, IsTerminal, Write},
    sync::Arc,
    time::Duration,
};

use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    fmt::MakeWriter,
    layer::SubscriberExt,
    registry::Registry,
    util::{SubscriberInitExt, TryInitError},
};

pub use settings::{Level, LevelError, LogFormat, LogSettings};

use crate::background::{Background, Target};

/// Lines that may wait to be written; further ones are lost and counted.
const QUEUE: usize = 4_096;

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file cannot be opened.
    #[error("cannot open the log")]
    Open(#[source] io::Error),
    /// Something else writes the log of this process already.
    #[error("a log is already in use")]
    InUse(#[source] TryInitError),
}

/// The log in use. Keep it to the end of `main`: dropping it writes what is still waiting.
#[derive(Debug)]
pub struct Log {
    lines: Arc<Background<Vec<u8>>>,
}

impl Log {
    /// Counts the lines lost because they could not be written fast enough.
    pub fn dropped(&self) -> impl Fn() -> u64 + Send + Sync + 'static {
        let lines = self.lines.clone();
        move || lines.dropped()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.lines.close(Duration::from_secs(2));
    }
}

/// Starts the log of this process.
///
/// # Errors
/// When the file cannot be opened, or a log is in use already.
pub fn init(settings: &LogSettings) -> Result<Log, LogError> {
    let target = settings.file_path.clone().map_or(Target::Stderr, Target::File);
    let terminal = target == Target::Stderr && io::stderr().is_terminal();
    let write = |line: Vec<u8>, out: &mut Vec<u8>| out.extend_from_slice(&line);
    let lines = Background::spawn("log", target, QUEUE, write).map_err(LogError::Open)?;
    let lines = Arc::new(lines);
    let writer = Lines(lines.clone());
    let common = settings.format.unwrap_or(if terminal {
        LogFormat::Common
    } else {
        LogFormat::Json
    });
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match common {
        LogFormat::Common => {
            let colour = terminal && !settings.no_color && std::env::var_os("NO_COLOR").is_none();
            tracing_subscriber::fmt::layer()
                .with_ansi(colour)
                .with_target(false)
                .with_writer(writer)
                .boxed()
        }
        LogFormat::Json => tracing_subscriber::fmt::layer()
            .event_format(json::JsonEvents)
            .with_writer(writer)
            .boxed(),
    };
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(filter(settings.level)));
    subscriber.try_init().map_err(LogError::InUse)?;
    Ok(Log { lines })
}

/// Ours at `level`; libraries only when something is wrong, unless everything is asked for.
fn filter(level: Level) -> Targets {
    let level = match level {
        Level::Trace => LevelFilter::TRACE,
        Level::Debug => LevelFilter::DEBUG,
        Level::Info => LevelFilter::INFO,
        Level::Warn => LevelFilter::WARN,
        Level::Error => LevelFilter::ERROR,
    };
    let libraries = if level == LevelFilter::TRACE {
        level
    } else {
        level.min(LevelFilter::WARN)
    };
    Targets::new()
        .with_default(libraries)
        // A directory that vanishes is no fault of its watch; the provider says what it means.
        .with_target("notify", libraries.min(LevelFilter::ERROR))
        .with_target("mesh", level)
}

/// Makes lines for the thread that writes.
#[derive(Debug, Clone)]
struct Lines(Arc<Background<Vec<u8>>>);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = LineOf;

    fn make_writer(&'a self) -> LineOf {
        LineOf {
            line: Vec::new(),
            lines: self.0.clone(),
        }
    }
}

/// One line in the making; handed over when it is dropped.
#[derive(Debug)]
struct LineOf {
    line: Vec<u8>,
    lines: Arc<Background<Vec<u8>>>,
}

impl Write for LineOf {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LineOf {
    fn drop(&mut self) {
        if !self.line.is_empty() {
            self.lines.push(std::mem::take(&mut self.line));
        }
    }
}
