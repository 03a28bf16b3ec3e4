//! A proxy while it runs: started on its CPU, ready, reloaded, ended with all its processes.

use std::{
    fs,
    io::{self, Error},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tempfile::TempDir;

use super::{Binary, CERTIFICATE, DOMAIN, Peer, Setup, Site};
use crate::{
    figures,
    load::{Client, Front, probe},
    machine,
};

/// How long it may take until a proxy answers for a host: 10,000 routers take some of them seconds.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// How often it is asked in that time.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// How long it may take to end by itself.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// How much of what it printed is shown when it does not start.
const SHOWN_LINES: usize = 10;

#[derive(Debug)]
pub(crate) struct Running {
    peer: Peer,
    setup: Setup,
    child: Child,
    front: Front,
    servers: Vec<SocketAddr>,
    folder: TempDir,
    /// How often its hosts changed.
    changes: usize,
}

impl Running {
    /// Starts it and waits until it answers for its last host.
    pub(crate) async fn start(
        binary: &Binary,
        setup: Setup,
        servers: &[SocketAddr],
        client: &Client,
    ) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let front = free_address()?;
        let peer = binary.peer;
        let site = Site {
            setup,
            front,
            servers,
            folder: folder.path(),
        };
        let mut files = peer.settings(&site);
        files.push(peer.routers(&site, None));
        for file in files {
            fs::write(folder.path().join(file.name), file.text)?;
        }
        fs::write(folder.path().join(CERTIFICATE), client.certificate())?;
        let output = fs::File::create(folder.path().join("output"))?;
        let mut command = Command::new(&binary.path);
        command
            .args(peer.arguments(folder.path()))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let child = machine::on_proxy_cpu(|| command.spawn())?;
        let front = Front::new(front, setup.tls.then(|| client.clone()));
        let servers = servers.to_vec();
        let mut running = Self {
            peer,
            setup,
            child,
            front,
            servers,
            folder,
            changes: 0,
        };
        let last = super::host(setup.routers.saturating_sub(1));
        running.answers_for(&last).await?;
        Ok(running)
    }

    pub(crate) fn front(&self) -> &Front {
        &self.front
    }

    pub(crate) fn routers(&self) -> usize {
        self.setup.routers
    }

    /// The first of its processes.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Writes the configurations of the next `count` reloads, so that a reload itself is cheap for the harness.
    pub(crate) fn prepare(&self, count: usize) -> io::Result<Reloads> {
        let front = self.front.address();
        let site = Site {
            setup: self.setup,
            front,
            servers: &self.servers,
            folder: self.folder.path(),
        };
        let mut name = "";
        for change in self.changes..self.changes + count {
            let file = self.peer.routers(&site, Some(&changed_host(change)));
            fs::write(self.folder.path().join(format!("next-{change}")), file.text)?;
            name = file.name;
        }
        Ok(Reloads {
            name,
            next: self.changes,
            end: self.changes + count,
        })
    }

    /// Puts the next configuration in place. `false` when there is none left.
    pub(crate) fn reload(&self, reloads: &mut Reloads) -> io::Result<bool> {
        if reloads.next == reloads.end {
            return Ok(false);
        }
        let next = self.folder.path().join(format!("next-{}", reloads.next));
        fs::rename(next, self.folder.path().join(reloads.name))?;
        if let Some(signal) = self.peer.reload_signal() {
            kill_process(Pid::from_child(&self.child), signal)?;
        }
        reloads.next += 1;
        Ok(true)
    }

    /// Waits until the last of them is in force: a reload that does nothing would be a fast one.
    pub(crate) async fn finish(&mut self, reloads: &Reloads) -> io::Result<()> {
        self.changes = reloads.next;
        self.answers_for(&changed_host(self.changes.saturating_sub(1)))
            .await
    }

    /// Asks it to end and waits: one that was built to count what runs writes its counts then.
    pub(crate) async fn end(mut self) -> io::Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let until = Instant::now() + ENDS_WITHIN;
        while self.child.try_wait()?.is_none() && Instant::now() < until {
            tokio::time::sleep(ASK_EVERY).await;
        }
        Ok(())
    }

    async fn answers_for(&mut self, host: &str) -> io::Result<()> {
        let until = Instant::now() + READY_WITHIN;
        loop {
            let Err(error) = probe(&self.front, host).await else {
                return Ok(());
            };
            let ended = self.child.try_wait()?.is_some();
            if ended || Instant::now() > until {
                let output = fs::read_to_string(self.folder.path().join("output"))?;
                let lines: Vec<_> = output.lines().collect();
                let shown = lines
                    .get(lines.len().saturating_sub(SHOWN_LINES)..)
                    .unwrap_or_default();
                let (peer, said) = (self.peer, shown.join("\n"));
                return Err(Error::other(format!(
                    "{peer} does not answer for {host}: {error}\n{said}"
                )));
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let tree = figures::tree(self.process()).unwrap_or_default();
        let processes = tree
            .into_iter()
            .filter_map(|id| Pid::from_raw(id.try_into().ok()?));
        let processes: Vec<_> = processes.collect();
        // Some end with those before them.
        for process in &processes {
            let _ = kill_process(*process, Signal::KILL);
        }
        let _ = self.child.wait();
        // The others are ours now, see `machine::adopt_orphans`.
        for process in processes {
            let _ = waitpid(Some(process), WaitOptions::empty());
        }
    }
}

/// Configurations that wait to be put in place.
#[derive(Debug)]
pub(crate) struct Reloads {
    name: &'static str,
    next: usize,
    end: usize,
}

/// The host that a change adds.
fn changed_host(change: usize) -> String {
    format!("change{change}.{DOMAIN}")
}

/// An address that nobody listens on.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
