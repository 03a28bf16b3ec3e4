//! Idle connections of one worker.
//!
//! The pool belongs to one thread: nothing is locked. A connection is put back when the answer over it is
//! complete, and taken again newest first, so that the surplus of a burst grows old and is closed.

use std::{
    cell::RefCell,
    collections::HashMap,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use hyper::client::conn::http1::SendRequest;
use mesh_config::model::ServersTransport;
use tokio_util::task::TaskTracker;

use super::{
    RequestBody,
    connect::{ConnectError, connect},
};
use crate::service::{Server, ServerId};

/// Kept for each server when the servers transport says 0, for the whole process.
const DEFAULT_MAX_IDLE: usize = 2;

/// How often connections that nobody asks for are looked through.
const SWEEP_PERIOD: Duration = Duration::from_secs(5);

/// The connections of one worker to all servers.
#[derive(Debug)]
pub(crate) struct Upstreams {
    shelves: RefCell<HashMap<ServerId, Shelf>>,
    workers: usize,
    tasks: TaskTracker,
}

/// The idle connections to one server. A servers transport that changes empties it.
#[derive(Debug)]
struct Shelf {
    transport: Arc<ServersTransport>,
    idle: Vec<Idle>,
}

#[derive(Debug)]
struct Idle {
    sender: SendRequest<RequestBody>,
    since: Instant,
}

impl Idle {
    fn is_usable(&self, transport: &ServersTransport, now: Instant) -> bool {
        let limit = transport.forwarding_timeouts.idle_conn_timeout;
        !self.sender.is_closed() && (limit.is_zero() || now.duration_since(self.since) < limit)
    }
}

/// A connection in use by one request. Dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct Lease {
    /// Sends one request.
    pub(crate) sender: SendRequest<RequestBody>,
    /// The server at the other end.
    pub(crate) server: Arc<Server>,
}

impl Upstreams {
    /// The pool of one of `workers`; connections are driven by tasks of `tasks`.
    pub(crate) fn new(workers: usize, tasks: TaskTracker) -> Rc<Self> {
        Rc::new(Self {
            shelves: RefCell::default(),
            workers,
            tasks,
        })
    }

    /// An idle connection, newest first.
    pub(crate) fn idle(&self, server: &Arc<Server>, now: Instant) -> Option<Lease> {
        let mut shelves = self.shelves.borrow_mut();
        let shelf = shelves.get_mut(&server.id())?;
        if !Arc::ptr_eq(&shelf.transport, &server.transport) {
            shelves.remove(&server.id());
            return None;
        }
        // Those further down, which nobody asks for, are left to the sweep.
        let mut left = shelf.idle.len();
        let sender = loop {
            left = left.checked_sub(1)?;
            let idle = shelf.idle.get(left)?;
            let usable = idle.is_usable(&server.transport, now);
            // The newest one's task may still have to notice that its answer is over.
            if usable && !idle.sender.is_ready() {
                continue;
            }
            let idle = shelf.idle.remove(left);
            if usable {
                break idle.sender;
            }
        };
        Some(Lease {
            sender,
            server: server.clone(),
        })
    }

    /// A new connection.
    ///
    /// # Errors
    /// When the server cannot be reached within the limits of its transport.
    pub(crate) async fn connect(&self, server: &Arc<Server>) -> Result<Lease, ConnectError> {
        let timeouts = &server.transport.forwarding_timeouts;
        let (sender, connection) = connect(&server.url, timeouts).await?;
        let address = server.authority.clone();
        self.tasks.spawn_local(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(server = %address, %error, "connection to a server ended");
            }
        });
        Ok(Lease {
            sender,
            server: server.clone(),
        })
    }

    /// Keeps a connection whose answer is complete.
    pub(crate) fn put_back(&self, lease: Lease, now: Instant) {
        let limit = max_idle(&lease.server.transport, self.workers);
        if lease.sender.is_closed() || limit == 0 {
            return;
        }
        let mut shelves = self.shelves.borrow_mut();
        let shelf = shelves.entry(lease.server.id()).or_insert_with(|| Shelf {
            transport: lease.server.transport.clone(),
            idle: Vec::new(),
        });
        if Arc::ptr_eq(&shelf.transport, &lease.server.transport) && shelf.idle.len() < limit {
            shelf.idle.push(Idle {
                sender: lease.sender,
                since: now,
            });
        }
    }

    /// Closes what has been idle for too long, for ever.
    pub(crate) async fn sweep(self: Rc<Self>) {
        let mut ticks = tokio::time::interval(SWEEP_PERIOD);
        loop {
            let now = ticks.tick().await.into_std();
            self.shelves.borrow_mut().retain(|_, shelf| {
                let transport = &shelf.transport;
                shelf.idle.retain(|idle| idle.is_usable(transport, now));
                !shelf.idle.is_empty()
            });
        }
    }
}

/// The share of one worker in `maxIdleConnsPerHost`, rounded up.
fn max_idle(transport: &ServersTransport, workers: usize) -> usize {
    let whole = match usize::try_from(transport.max_idle_conns_per_host) {
        Err(_) => return 0,
        Ok(0) => DEFAULT_MAX_IDLE,
        Ok(limit) => limit,
    };
    whole.div_ceil(workers.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_the_limit_of_idle_connections() {
        let limit = |max_idle_conns_per_host| {
            let transport = ServersTransport {
                max_idle_conns_per_host,
                ..ServersTransport::default()
            };
            max_idle(&transport, 4)
        };
        assert_eq!((limit(200), limit(1), limit(0), limit(-1)), (50, 1, 1, 0));
    }
}
