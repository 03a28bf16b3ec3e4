//! Accepts connections for one worker.

use std::{
    io,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use http::HeaderValue;
use mesh_telemetry::metrics::{EntryPointCounts, Label};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};

use super::{
    Reminders, Room, connection,
    listener::{BACKLOG, set_options},
};
use crate::{
    drain::{Stage, StageCell, Stop},
    settings::EntryPoint,
    worker::Worker,
};

/// Pause when the system has no room for a connection (out of file descriptors).
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// One entrypoint as one worker serves it: everything that its connections share.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its place in the settings, by which the table knows it.
    pub(crate) index: usize,
    pub(crate) name: Label,
    pub(crate) settings: Arc<EntryPoint>,
    /// This machine's name, for `X-Forwarded-Server`.
    pub(crate) server: HeaderValue,
    /// What it counts.
    pub(crate) counts: Option<EntryPointCounts>,
    /// One for each connection that may be open, on all workers together.
    pub(crate) permits: Arc<Semaphore>,
    /// For each request that may be in flight on this worker.
    pub(crate) room: Room,
    pub(crate) reminders: Reminders,
    pub(crate) stop: Stop,
    pub(crate) stage: Rc<StageCell>,
    pub(crate) worker: Rc<Worker>,
}

/// Accepts connections until the entrypoint drains; then takes what has come already, and closes.
///
/// The socket may be one that outlives Mesh, with a queue that goes on filling: then it is enough to take what was in
/// it, and nothing is taken out that there is no room for: it waits for the next process.
pub(crate) async fn accept(listener: TcpListener, entry: Rc<Entry>) {
    loop {
        tokio::select! {
            biased;
            accepted = listener.accept() => admit(accepted, &entry).await,
            () = entry.stage.reached(Stage::Draining) => break,
        }
    }
    // The runtime may not have noticed yet who is waiting; the socket knows.
    let Ok(listener) = listener.into_std() else { return };
    for _ in 0..=BACKLOG {
        let Some(permit) = permit(&entry).await else {
            return;
        };
        match listener.accept() {
            Ok((stream, address)) => match take_over(stream) {
                Ok(stream) => begin(stream, address, permit, &entry),
                Err(error) => gone(&entry, &error),
            },
            Err(error) if is_of_one_connection(&error) => {}
            Err(_) => return,
        }
    }
}

/// Hands a socket to this worker's runtime.
fn take_over(stream: std::net::TcpStream) -> io::Result<TcpStream> {
    stream.set_nonblocking(true)?;
    TcpStream::from_std(stream)
}

/// Starts serving a connection, once there is room for it.
async fn admit(accepted: io::Result<(TcpStream, SocketAddr)>, entry: &Rc<Entry>) {
    let (stream, address) = match accepted {
        Ok(accepted) => accepted,
        Err(error) => {
            tracing::debug!(entry_point = %entry.name, %error, "cannot accept a connection");
            if !is_of_one_connection(&error) {
                if entry.reminders.descriptors.is_due(Instant::now()) {
                    tracing::warn!(
                        entry_point = %entry.name, %error,
                        "the system has no room for connections; clients wait"
                    );
                }
                tokio::time::sleep(EXHAUSTED_PAUSE).await;
            }
            return;
        }
    };
    if let Some(permit) = permit(entry).await {
        begin(stream, address, permit, entry);
    }
}

/// Serves a connection in a task of its own.
fn begin(stream: TcpStream, address: SocketAddr, permit: OwnedSemaphorePermit, entry: &Rc<Entry>) {
    // Elsewhere connections have those of the socket that they came to.
    if cfg!(not(target_os = "linux"))
        && let Err(error) = set_options(&socket2::SockRef::from(&stream))
    {
        return gone(entry, &error);
    }
    let gauge = entry.counts.as_ref().map(EntryPointCounts::open);
    let serving = connection::accepted(stream, address, entry.clone());
    entry.stop.live.spawn_local(async move {
        serving.await;
        drop((permit, gauge));
    });
}

/// Leave for one more connection; it may have to wait until another one ends. Those that end at
/// the drain leave it to those that have come already.
async fn permit(entry: &Entry) -> Option<OwnedSemaphorePermit> {
    if let Ok(permit) = entry.permits.clone().try_acquire_owned() {
        return Some(permit);
    }
    if let Some(counts) = &entry.counts {
        counts.waited();
    }
    if entry.reminders.connections.is_due(Instant::now()) {
        tracing::warn!(
            entry_point = %entry.name, open = entry.settings.max_connections,
            "entryPoints.{}.maxConnections is reached; clients wait for other connections to end", entry.name
        );
    }
    tokio::select! {
        biased;
        permit = entry.permits.clone().acquire_owned() => permit.ok(),
        () = entry.stage.reached(Stage::Cut) => None,
    }
}

fn gone(entry: &Entry, error: &io::Error) {
    tracing::debug!(entry_point = %entry.name, %error, "a connection was gone before it was served");
}

/// True for errors that say nothing about the next connection.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}
