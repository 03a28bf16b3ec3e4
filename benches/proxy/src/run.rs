//! A run: finds the proxies, goes through the cases round by round, prints the tables.

use std::{
    env,
    io::{self, Error, Write},
    net::SocketAddr,
    path::PathBuf,
};

use clap::Parser;
use tokio::task::LocalSet;

use crate::{
    backend,
    cases::{self, Case, Row},
    load::Client,
    machine,
    measure::{measure, warm_up},
    peer::{Binary, Peer, Running},
    report::{Report, Rounds},
};

/// Open files for 10,000 connections, and what else there is.
const OPEN_FILES: u64 = 65_536;

/// Measures Mesh beside nginx and HAProxy on the same work.
#[derive(Debug, Parser)]
#[command(name = "mesh-bench-proxy")]
pub(crate) struct Options {
    /// Mesh; a release build. Without it the one that MESH_BIN names, or target/release/mesh.
    #[arg(long)]
    mesh: Option<PathBuf>,
    /// nginx, if not the one on the path.
    #[arg(long)]
    nginx: Option<PathBuf>,
    /// HAProxy, if not the one on the path.
    #[arg(long)]
    haproxy: Option<PathBuf>,
    /// How often each proxy is put through each work.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only cases whose names contain this.
    #[arg(long, default_value = "")]
    only: String,
    /// Mesh alone.
    #[arg(long)]
    alone: bool,
    /// Factor on the number of requests.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Print the names of the cases.
    #[arg(long)]
    list: bool,
}

pub(crate) fn run(options: &Options) -> io::Result<()> {
    let mut cases = cases::all();
    cases.retain(|case| case.name.contains(&options.only));
    if options.list {
        let names: Vec<_> = cases.iter().map(|case| case.name).collect();
        return writeln!(io::stdout(), "{}", names.join("\n"));
    }
    if cases.is_empty() {
        return Err(Error::other(format!(
            "no case has {:?} in its name; see --list",
            options.only
        )));
    }
    machine::pin(machine::HARNESS_CPU)?;
    machine::adopt_orphans()?;
    let open_files = machine::raise_open_files(OPEN_FILES);
    let binaries = binaries(options);
    let bench = Bench {
        servers: backend::start()?,
        client: Client::new()?,
        rounds: options.rounds,
        scale: options.scale,
    };
    let mut out = io::stdout();
    writeln!(
        out,
        "{}; {open_files} open files, {} rounds\n",
        machine::name(),
        options.rounds
    )?;
    for binary in &binaries {
        writeln!(out, "- {}", binary.version)?;
    }
    let mut report = Report::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    for case in &cases {
        let put_through = |binary: &&Binary| binary.peer == Peer::Mesh || !case.mesh_alone;
        let binaries: Vec<_> = binaries.iter().filter(put_through).collect();
        let peers: Vec<_> = binaries.iter().map(|binary| binary.peer).collect();
        // An interruption ends the proxies as well, and what was measured until then is printed.
        let measuring = async {
            tokio::select! {
                values = bench.case(case, &binaries) => Some(values),
                _ = tokio::signal::ctrl_c() => None,
            }
        };
        // What a case left running ends with it.
        let Some(values) = LocalSet::new().block_on(&runtime, measuring) else {
            break;
        };
        report.add(case, &peers, &values);
    }
    let peers: Vec<_> = binaries.iter().map(|binary| binary.peer).collect();
    writeln!(out, "\n{}", report.tables(&peers))
}

/// The proxies that there are; the others are left out with a word.
fn binaries(options: &Options) -> Vec<Binary> {
    let built = || env::var_os("MESH_BIN").map_or_else(|| "target/release/mesh".into(), PathBuf::from);
    let find = |peer: Peer| {
        if options.alone && peer != Peer::Mesh {
            return None;
        }
        let path = match peer {
            Peer::Nginx => options.nginx.clone(),
            Peer::Haproxy => options.haproxy.clone(),
            Peer::Mesh => Some(options.mesh.clone().unwrap_or_else(built)),
        };
        let found = Binary::find(peer, path.as_deref());
        if found.is_none() {
            let program = peer.program();
            eprintln!("{peer} is left out: there is no such binary; name it with --{program}");
        }
        found
    };
    Peer::ALL.into_iter().filter_map(find).collect()
}

struct Bench {
    servers: Vec<SocketAddr>,
    client: Client,
    rounds: usize,
    scale: f64,
}

impl Bench {
    /// The values by row, proxy and round.
    async fn case(&self, case: &Case, binaries: &[&Binary]) -> Vec<Vec<Rounds>> {
        let mut kept = Vec::new();
        for row in &case.rows {
            let mut running = Vec::new();
            for binary in binaries {
                running.push(self.ready(row, binary).await);
            }
            kept.push(running);
        }
        let mut values = vec![vec![Vec::new(); binaries.len()]; case.rows.len()];
        for _ in 0..self.rounds {
            let rows = case.rows.iter().zip(&mut kept).zip(&mut values);
            for ((row, running), values) in rows {
                let peers = binaries.iter().zip(running).zip(values);
                for ((binary, running), values) in peers {
                    values.push(self.round(row, binary, running).await);
                }
            }
        }
        for (running, binary) in kept
            .into_iter()
            .flat_map(|running| running.into_iter().zip(binaries))
        {
            if let Some(running) = running {
                said(binary, running.end().await);
            }
        }
        values
    }

    /// A proxy that serves all rounds, if one does, and is warm.
    async fn ready(&self, row: &Row, binary: &Binary) -> Option<Running> {
        if row.work.starts_anew() {
            return None;
        }
        let started = async {
            let mut running = self.start(row, binary).await?;
            warm_up(&mut running, row.work.scaled(self.scale)).await?;
            Ok(running)
        };
        said(binary, started.await)
    }

    async fn round(&self, row: &Row, binary: &Binary, running: &mut Option<Running>) -> Option<Vec<f64>> {
        let work = row.work.scaled(self.scale);
        let measured = if row.work.starts_anew() {
            match self.start(row, binary).await {
                Ok(mut running) => {
                    let measured = measure(&mut running, work).await;
                    let ended = running.end().await;
                    measured.and_then(|values| ended.map(|()| values))
                }
                Err(error) => Err(error),
            }
        } else {
            measure(running.as_mut()?, work).await
        };
        said(binary, measured)
    }

    async fn start(&self, row: &Row, binary: &Binary) -> io::Result<Running> {
        Running::start(binary, row.setup, &self.servers, &self.client).await
    }
}

/// The rest is worth measuring all the same.
fn said<T>(binary: &Binary, result: Result<T, Error>) -> Option<T> {
    result
        .inspect_err(|error| eprintln!("{}: {error}", binary.peer))
        .ok()
}
