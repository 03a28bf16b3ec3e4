//! Workers: one thread each, sharing nothing on the path of a request but the table and what is counted for
//! servers.

use std::{io, net::TcpListener, rc::Rc, sync::Arc, thread};

use arc_swap::ArcSwap;
use http::HeaderValue;
use mesh_telemetry::{RequestTelemetry, access_log::AccessLog, metrics::Shard};
use tokio::{runtime, sync::Semaphore, task::LocalSet};
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

use crate::{
    drain::{StageCell, Stop},
    entrypoint::{Entry, Reminders, Room, Turns, accept},
    settings::EntryPoint,
    table::RoutingTable,
    upstream::Upstreams,
};

/// What the requests of one worker share.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) table: Arc<ArcSwap<RoutingTable>>,
    pub(crate) upstreams: Rc<Upstreams>,
    pub(crate) shard: Option<Shard>,
    pub(crate) access_log: Option<Arc<AccessLog>>,
    pub(crate) handshakes: Turns,
}

/// An entrypoint as all workers share it.
#[derive(Debug, Clone)]
pub(crate) struct SharedEntry {
    pub(crate) name: Arc<str>,
    pub(crate) settings: Arc<EntryPoint>,
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) stop: Stop,
}

/// An entrypoint as it is given to one worker.
#[derive(Debug)]
pub(crate) struct OwnEntry {
    pub(crate) shared: SharedEntry,
    /// The worker's own socket.
    pub(crate) listener: TcpListener,
    /// Says that the socket is live, before the thread that serves it has begun to run: a drain that comes as
    /// early as that must wait for it.
    pub(crate) live: TaskTrackerToken,
}

impl OwnEntry {
    pub(crate) fn new(shared: &SharedEntry, listener: TcpListener) -> Self {
        Self {
            live: shared.stop.live.token(),
            shared: shared.clone(),
            listener,
        }
    }
}

/// What a worker's thread starts from.
#[derive(Debug)]
pub(crate) struct WorkerPlan {
    pub(crate) index: usize,
    pub(crate) workers: usize,
    /// Its entrypoints in the order of the settings.
    pub(crate) entries: Vec<OwnEntry>,
    pub(crate) table: Arc<ArcSwap<RoutingTable>>,
    pub(crate) telemetry: RequestTelemetry,
    pub(crate) server_name: HeaderValue,
    pub(crate) end: CancellationToken,
}

impl WorkerPlan {
    /// Starts the thread. It ends when `end` says so.
    pub(crate) fn start(self) -> io::Result<thread::JoinHandle<()>> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let listening = self.end.clone();
        thread::Builder::new()
            .name(format!("mesh-worker-{}", self.index))
            .spawn(move || {
                let local = LocalSet::new();
                local.block_on(&runtime, async move {
                    self.serve();
                    listening.cancelled().await;
                });
            })
    }

    /// Starts what a worker does; all of it ends with the worker's task set.
    fn serve(self) {
        // Never waited for: these tasks end with the thread.
        let tasks = TaskTracker::new();
        let upstreams = Upstreams::new(self.workers, tasks.clone());
        tasks.spawn_local(upstreams.clone().sweep());
        // A copy: those of one value are counted together, by all workers.
        let server = HeaderValue::from_bytes(self.server_name.as_bytes()).unwrap_or(self.server_name);
        let shard = self.telemetry.metrics.as_ref().map(|metrics| metrics.shard());
        let worker = Rc::new(Worker {
            table: self.table,
            upstreams,
            access_log: self.telemetry.access_log,
            handshakes: Turns::default(),
            shard,
        });
        for (index, own) in self.entries.into_iter().enumerate() {
            let OwnEntry {
                shared,
                listener,
                live,
            } = own;
            let listener = match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => listener,
                Err(error) => {
                    tracing::error!(entry_point = %shared.name, %error, "cannot listen");
                    continue;
                }
            };
            let stage = Rc::new(StageCell::new());
            let entry = Rc::new(Entry {
                index,
                counts: worker.shard.as_ref().map(|shard| shard.entry_point(&shared.name)),
                room: Room::new(shared.settings.http.max_in_flight_requests, self.workers),
                reminders: Reminders::default(),
                name: shared.name.into(),
                settings: shared.settings,
                server: server.clone(),
                permits: shared.permits,
                stop: shared.stop.clone(),
                stage: stage.clone(),
                worker: worker.clone(),
            });
            tasks.spawn_local(async move { stage.follow(&shared.stop).await });
            tasks.spawn_local(async move {
                accept(listener, entry).await;
                drop(live);
            });
        }
    }
}
