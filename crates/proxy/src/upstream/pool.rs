//! Idle connections of one worker.
//!
//! The pool belongs to one thread: nothing is locked. A connection is put back when the answer over it is
//! complete, and taken again newest first, so that the surplus of a burst grows old and is closed.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    future::{Future, poll_fn},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use foldhash::fast::FixedState;
use hyper::client::conn::http2;
use mesh_config::model::ServersTransport;
use tokio::{sync::Mutex, time::timeout};
use tokio_util::task::TaskTracker;

use super::{
    Http1, RequestBody, Sender, Transport, Upload,
    connect::{ConnectError, Connected, connect},
    sender::{Share, Usage},
};
use crate::{
    local_tasks::LocalTasks,
    patience::limit,
    service::{Server, ServerId, ServerState},
};

/// Kept for each server when the servers transport says 0, for the whole process.
const DEFAULT_MAX_IDLE: usize = 2;

/// Requests that share one connection at most, whatever the server allows.
const MAX_STREAMS: usize = 250;

/// Shared connections to one server, of one worker, at most; beyond it requests wait for the others to end.
const MAX_SHARED: usize = 16;

/// The longest wait for somebody else's connection where the transport has no limit.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// How often connections that nobody asks for are looked through where their server left its service.
const SWEEP_PERIOD: Duration = Duration::from_secs(1);

/// Of so many times one looks through all connections.
const SWEEPS: u32 = 5;

/// How long a connection to a server that left its service is kept for clients that may come back to it.
const LEAVING_IDLE: Duration = Duration::from_secs(1);

/// Tasks of one worker that no client waits for, at most; beyond it there are no more copies of requests.
const MAX_BESIDE: usize = 256;

/// The connections of one worker to all servers.
#[derive(Debug)]
pub(crate) struct Upstreams {
    // Its keys are numbers of Mesh's own: nobody can choose them to collide.
    shelves: RefCell<HashMap<ServerId, Shelf, FixedState>>,
    workers: usize,
    tasks: TaskTracker,
    /// Tasks that no client waits for.
    beside: TaskTracker,
}

/// The connections to one server that take requests. A servers transport that changes empties it.
#[derive(Debug)]
struct Shelf {
    transport: Arc<Transport>,
    server: Arc<ServerState>,
    idle: Vec<Idle>,
    shared: Vec<Shared>,
    /// Held by whoever makes a connection that others are going to share.
    making: Rc<Mutex<()>>,
    /// The server chose HTTP/1.1 where it could have shared.
    separate: bool,
}

#[derive(Debug)]
struct Idle {
    connection: Http1,
    since: Instant,
}

/// A connection that requests share.
#[derive(Debug)]
struct Shared {
    sender: http2::SendRequest<RequestBody>,
    usage: Rc<Usage>,
    used: Instant,
}

impl Shelf {
    fn new(server: &Server) -> Self {
        Self {
            transport: server.transport.clone(),
            server: server.state.clone(),
            idle: Vec::new(),
            shared: Vec::new(),
            making: Rc::default(),
            separate: false,
        }
    }

    /// How long a connection may be idle; 0 is without limit.
    fn limit(&self) -> Duration {
        let usual = self.transport.forwarding_timeouts.idle_conn_timeout;
        match self.server.is_leaving() {
            false => usual,
            true if usual.is_zero() => LEAVING_IDLE,
            true => usual.min(LEAVING_IDLE),
        }
    }

    /// The newest idle connection.
    fn take_idle(&mut self, now: Instant) -> Option<Sender> {
        let limit = self.transport.forwarding_timeouts.idle_conn_timeout;
        // Those further down, which nobody asks for, are left to the sweep.
        loop {
            let idle = self.idle.pop()?;
            if idle.is_usable(limit, now) {
                return Some(Sender::One(idle.connection));
            }
        }
    }

    /// A part of a connection that has room; of a full one if there are enough of them.
    fn share(&mut self, now: Instant) -> Option<Sender> {
        self.shared.retain(|shared| !shared.is_over());
        let is_enough = self.shared.len() >= MAX_SHARED;
        let fullest_with_room = self.shared.iter_mut().find(|shared| shared.has_room());
        let shared = match fullest_with_room {
            Some(shared) => shared,
            None if is_enough => self
                .shared
                .iter_mut()
                .min_by_key(|shared| shared.usage.open.get())?,
            None => return None,
        };
        shared.used = now;
        Some(Sender::Shared(Share::new(
            shared.sender.clone(),
            shared.usage.clone(),
        )))
    }
}

impl Idle {
    fn is_usable(&self, limit: Duration, now: Instant) -> bool {
        is_young(self.since, limit, now) && self.connection.is_open()
    }
}

impl Shared {
    fn has_room(&self) -> bool {
        self.usage.open.get() < self.usage.allowed.get().min(MAX_STREAMS)
    }

    fn is_over(&self) -> bool {
        self.usage.over.get() || self.sender.is_closed()
    }

    fn is_wanted(&self, limit: Duration, now: Instant) -> bool {
        !self.is_over() && (self.usage.open.get() > 0 || is_young(self.used, limit, now))
    }
}

/// True if what was used `since` then may be used again.
fn is_young(since: Instant, limit: Duration, now: Instant) -> bool {
    limit.is_zero() || now.saturating_duration_since(since) < limit
}

/// A connection in use by one request. Dropping it closes the connection, unless others share it.
#[derive(Debug)]
pub(crate) struct Lease {
    /// Sends one request.
    pub(crate) sender: Sender,
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
            beside: TaskTracker::new(),
        })
    }

    /// Looks at the connections to a server that are there.
    fn at_shelf<R>(&self, server: &Arc<Server>, look: impl FnOnce(&mut Shelf) -> R) -> R {
        let mut shelves = self.shelves.borrow_mut();
        let shelf = shelves.entry(server.id()).or_insert_with(|| Shelf::new(server));
        if !Arc::ptr_eq(&shelf.transport, &server.transport) {
            *shelf = Shelf::new(server);
        }
        look(shelf)
    }

    /// A connection that takes a request now; over HTTP/1.1 if `only_http1`.
    pub(crate) fn idle(&self, server: &Arc<Server>, only_http1: bool, now: Instant) -> Option<Lease> {
        let sender = self.at_shelf(server, |shelf| match only_http1 || shelf.shared.is_empty() {
            true => shelf.take_idle(now),
            false => shelf.share(now),
        })?;
        Some(Lease {
            sender,
            server: server.clone(),
        })
    }

    /// A new connection, or part of one that somebody else makes now.
    ///
    /// # Errors
    /// When the server cannot be reached within the limits of its transport.
    pub(crate) async fn connect(
        &self,
        server: &Arc<Server>,
        only_http1: bool,
    ) -> Result<Lease, ConnectError> {
        let may_share = server.may_share() && !only_http1;
        let sender = match may_share && self.at_shelf(server, |shelf| !shelf.separate) {
            true => Box::pin(self.share(server)).await?,
            false => self.make(server, only_http1).await?,
        };
        Ok(Lease {
            sender,
            server: server.clone(),
        })
    }

    /// Makes one connection after the other: the next one only if all have no room.
    async fn share(&self, server: &Arc<Server>) -> Result<Sender, ConnectError> {
        let making = self.at_shelf(server, |shelf| shelf.making.clone());
        let limit = limit(server.transport.forwarding_timeouts.dial_timeout).unwrap_or(MAX_WAIT);
        let _turn = timeout(limit, making.lock())
            .await
            .map_err(|_| ConnectError::Timeout(limit))?;
        let shared = self.at_shelf(server, |shelf| shelf.share(Instant::now()));
        match shared {
            Some(sender) => Ok(sender),
            None => self.make(server, false).await,
        }
    }

    async fn make(&self, server: &Arc<Server>, only_http1: bool) -> Result<Sender, ConnectError> {
        let tasks = LocalTasks(self.tasks.clone());
        let address = server.authority.clone();
        let ended = move |result: hyper::Result<()>| {
            if let Err(error) = result {
                tracing::debug!(server = %address, %error, "connection to a server ended");
            }
        };
        match connect(&server.url, &server.transport, only_http1, tasks).await? {
            Connected::One(connection) => {
                self.at_shelf(server, |shelf| shelf.separate = !only_http1);
                Ok(Sender::One(connection))
            }
            Connected::Shared(sender, mut connection) => {
                let usage = Rc::new(Usage {
                    open: Cell::new(0),
                    allowed: Cell::new(connection.current_max_send_streams()),
                    over: Cell::new(false),
                });
                let shared = Shared {
                    sender: sender.clone(),
                    usage: usage.clone(),
                    used: Instant::now(),
                };
                let share = Share::new(sender, usage.clone());
                self.at_shelf(server, |shelf| shelf.shared.push(shared));
                self.tasks.spawn_local(async move {
                    let driven = poll_fn(|cx| {
                        let polled = Pin::new(&mut connection).poll(cx);
                        if polled.is_pending() {
                            usage.allowed.set(connection.current_max_send_streams());
                        }
                        polled
                    });
                    ended(driven.await);
                });
                Ok(Sender::Shared(share))
            }
        }
    }

    /// Runs a task that no client waits for. False if too many of them run.
    pub(crate) fn beside(&self, task: impl Future<Output = ()> + 'static) -> bool {
        let has_room = self.beside.len() < MAX_BESIDE;
        if has_room {
            self.beside.spawn_local(task);
        }
        has_room
    }

    /// Keeps a connection whose answer is complete. What is left of its request, as `upload` tells, is sent first.
    pub(crate) fn put_back(self: &Rc<Self>, lease: Lease, upload: Option<&Rc<Upload>>, now: Instant) {
        match lease.sender.one() {
            Some(connection) if connection.is_sending() => {
                let pool = self.clone();
                self.tasks.spawn_local(async move {
                    if let Some(connection) = lease.sender.one() {
                        connection.sent().await;
                    }
                    pool.shelve(lease, Instant::now());
                });
            }
            Some(_) => self.shelve(lease, now),
            None => {
                let limit = limit(lease.server.transport.forwarding_timeouts.early_answer_timeout);
                if let (Some(upload), Some(limit)) = (upload.filter(|upload| upload.goes_on()), limit) {
                    self.tasks.spawn_local(upload.clone().limited(limit));
                }
            }
        }
    }

    fn shelve(&self, lease: Lease, now: Instant) {
        let Sender::One(connection) = lease.sender else {
            return;
        };
        let limit = max_idle(&lease.server.transport, self.workers);
        if limit == 0 || !connection.is_free() {
            return;
        }
        connection.rest();
        let mut shelves = self.shelves.borrow_mut();
        let shelf = shelves
            .entry(lease.server.id())
            .or_insert_with(|| Shelf::new(&lease.server));
        if Arc::ptr_eq(&shelf.transport, &lease.server.transport) && shelf.idle.len() < limit {
            shelf.idle.push(Idle {
                connection,
                since: now,
            });
        }
    }

    /// Closes what has been idle for too long, for ever.
    pub(crate) async fn sweep(self: Rc<Self>) {
        let mut ticks = tokio::time::interval(SWEEP_PERIOD);
        for sweep in (0..SWEEPS).cycle() {
            let now = ticks.tick().await.into_std();
            self.close_old(now, sweep == 0);
        }
    }

    /// Those of servers that left, or of `all`.
    fn close_old(&self, now: Instant, all: bool) {
        self.shelves.borrow_mut().retain(|_, shelf| {
            if !all && !shelf.server.is_leaving() {
                return true;
            }
            let limit = shelf.limit();
            shelf.idle.retain(|idle| idle.is_usable(limit, now));
            shelf.shared.retain(|shared| shared.is_wanted(limit, now));
            let is_making = Rc::strong_count(&shelf.making) > 1;
            is_making || !(shelf.idle.is_empty() && shelf.shared.is_empty())
        });
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
