//! What systemd hands over to the process, and is told by it.

use std::{env, io};

use listenfd::ListenFd;
use mesh_proxy::Inherited;
use sd_notify::NotifyState;
use tracing::warn;

/// The name of sockets whose names were not handed over.
const NAMELESS: &str = "unknown";

/// Takes the sockets that the process was started with. The variables that announce them are gone afterwards, so
/// this must be called before there are threads that could read the environment.
pub(crate) fn inherited() -> Inherited {
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':').filter(|name| !name.is_empty());
    let mut given = ListenFd::from_env();
    let sockets = (0..given.len()).filter_map(|index| {
        let name = names.next().unwrap_or(NAMELESS).to_owned();
        let socket = given.take_tcp_listener(index).transpose()?;
        Some((name, socket.map_err(other_kind)))
    });
    Inherited::new(sockets.collect())
}

/// What is wrong with a socket that is none of TCP, in the words of a unit.
fn other_kind(error: io::Error) -> io::Error {
    let text = format!(
        "entrypoints take connections over TCP: write ListenStream= with a port, no path and no ListenDatagram= ({error})"
    );
    io::Error::new(error.kind(), text)
}

/// Says that entrypoints answer.
pub(crate) fn tell_ready() {
    tell(NotifyState::Ready);
}

/// Says that the end has begun.
pub(crate) fn tell_stopping() {
    tell(NotifyState::Stopping);
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        warn!(%error, "cannot tell NOTIFY_SOCKET how it is");
    }
}
