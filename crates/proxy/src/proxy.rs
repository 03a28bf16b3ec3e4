//! The data plane before it serves.

use std::{collections::BTreeMap, net::SocketAddr, num::NonZeroUsize, sync::Arc};

use arc_swap::ArcSwap;
use http::HeaderValue;
use mesh_config::Configuration;
use mesh_telemetry::RequestTelemetry;
use tokio::{runtime::Handle, sync::Semaphore};
use tokio_util::sync::CancellationToken;

use crate::{
    drain::Stop,
    entrypoint::{BindError, Bound, Inherited, adopt, bind},
    running::Running,
    settings::{EntryPoint, ProxySettings},
    table::Compiler,
    worker::{OwnEntry, SharedEntry, WorkerPlan},
};

/// Entrypoints that are bound but not served yet: clients that connect wait.
#[derive(Debug)]
pub struct Proxy {
    entry_points: Vec<(Arc<str>, EntryPoint, Bound)>,
    workers: NonZeroUsize,
}

impl Proxy {
    /// Binds every entrypoint, or none. Those that have a socket in `inherited` bind none of their own.
    ///
    /// # Errors
    /// When an address is in use or cannot be had; the error names it.
    pub fn bind(settings: &ProxySettings, inherited: Inherited) -> Result<Self, BindError> {
        let workers = settings.worker_count();
        let mut inherited = inherited.sort(settings.entry_points.keys().map(String::as_str));
        let bound = settings.entry_points.iter().map(|(name, entry_point)| {
            let bound = match inherited.remove(name.as_str()) {
                Some(listener) => adopt(name, listener, workers.get())?,
                None => bind(name, entry_point, workers.get())?,
            };
            Ok((Arc::from(name.as_str()), entry_point.clone(), bound))
        });
        Ok(Self {
            entry_points: bound.collect::<Result<_, BindError>>()?,
            workers,
        })
    }

    /// Where each entrypoint listens, with the port that the system chose when none was given.
    pub fn addresses(&self) -> BTreeMap<String, SocketAddr> {
        let addresses = self.entry_points.iter();
        addresses
            .map(|(name, _, bound)| (name.to_string(), bound.address))
            .collect()
    }

    /// Starts the workers with the table of `first`. Whoever connected since the sockets were bound has waited in
    /// their queues and is answered by it.
    ///
    /// The entrypoints of `compiler` must be those of the settings, in the same order. Health checks run on the
    /// runtime of the caller, and so does what middlewares have to fetch.
    ///
    /// # Errors
    /// When the system has no threads left.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(
        self,
        mut compiler: Compiler,
        first: &Configuration,
        telemetry: RequestTelemetry,
    ) -> Result<Running, BindError> {
        let addresses = self.addresses();
        let workers = self.workers.get();
        compiler.work_on(Handle::current());
        let table = Arc::new(ArcSwap::new(compiler.compile(first)));
        let end = CancellationToken::new();
        let mut entries = Vec::new();
        let mut listeners: Vec<Vec<_>> = (0..workers).map(|_| Vec::new()).collect();
        for (name, settings, bound) in self.entry_points {
            let entry = SharedEntry {
                name,
                permits: Arc::new(Semaphore::new(settings.max_connections as usize)),
                settings: Arc::new(settings),
                stop: Stop::default(),
            };
            for (own, listener) in listeners.iter_mut().zip(bound.listeners) {
                own.push(OwnEntry::new(&entry, listener));
            }
            entries.push(entry);
        }
        let server_name = server_name();
        let threads = listeners.into_iter().enumerate().map(|(index, entries)| {
            let plan = WorkerPlan {
                index,
                workers,
                entries,
                table: table.clone(),
                telemetry: telemetry.clone(),
                server_name: server_name.clone(),
                end: end.clone(),
            };
            plan.start().map_err(|source| BindError::Worker {
                worker: index,
                source,
            })
        });
        let threads = threads
            .collect::<Result<Vec<_>, _>>()
            .inspect_err(|_| end.cancel())?;
        Ok(Running::new(
            compiler,
            table,
            addresses,
            entries,
            threads,
            end,
            telemetry.metrics,
        ))
    }
}

/// This machine's name, as `X-Forwarded-Server` tells it.
fn server_name() -> HeaderValue {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .and_then(|name| HeaderValue::from_str(name.trim()).ok())
        .unwrap_or(HeaderValue::from_static("mesh"))
}
