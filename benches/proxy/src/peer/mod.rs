//! The proxies: which there are, where their binaries lie and what they call themselves.

mod haproxy;
mod mesh;
mod nginx;
mod running;

use std::{
    env, fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::Signal;

pub(crate) use running::Running;

/// What a connection or an answer may take at most, everywhere the same and never reached.
const PATIENCE_SECONDS: u32 = 600;

/// Connections that a proxy keeps to each server.
const KEPT_CONNECTIONS: u32 = 1024;

/// Client connections that a proxy takes.
const MAX_CLIENTS: u32 = 30_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    Nginx,
    Haproxy,
    Mesh,
}

/// A proxy that can be started.
#[derive(Debug)]
pub(crate) struct Binary {
    pub(crate) peer: Peer,
    path: PathBuf,
    pub(crate) version: String,
}

/// What a proxy is to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    /// How many hosts it knows, each by a router of its own.
    pub(crate) routers: usize,
    /// Whether clients speak TLS with it.
    pub(crate) tls: bool,
}

/// All that a configuration depends on.
struct Site<'a> {
    setup: Setup,
    front: SocketAddr,
    servers: &'a [SocketAddr],
    /// Where its files lie.
    folder: &'a Path,
}

/// A file of a configuration, in the folder of its proxy.
struct File {
    name: &'static str,
    text: String,
}

impl Binary {
    /// `None` where there is no such binary.
    pub(crate) fn find(peer: Peer, path: Option<&Path>) -> Option<Self> {
        let path = path.map_or_else(|| on_the_path(peer), |path| Some(path.to_owned()))?;
        let path = path.canonicalize().ok()?;
        let flag = if peer == Peer::Mesh { "--version" } else { "-v" };
        let output = Command::new(&path).arg(flag).output().ok()?;
        // nginx prints it to the standard error.
        let text = [output.stdout, output.stderr].concat();
        let version = String::from_utf8_lossy(&text).lines().next()?.to_owned();
        Some(Self { peer, path, version })
    }
}

fn on_the_path(peer: Peer) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let mut candidates = env::split_paths(&path).map(|folder| folder.join(peer.program()));
    candidates.find(|candidate| candidate.is_file())
}

impl Peer {
    pub(crate) const ALL: [Self; 3] = [Self::Nginx, Self::Haproxy, Self::Mesh];

    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Mesh => "mesh",
        }
    }

    fn arguments(self, folder: &Path) -> Vec<String> {
        match self {
            Self::Nginx => nginx::arguments(folder),
            Self::Haproxy => haproxy::arguments(folder),
            Self::Mesh => mesh::arguments(folder),
        }
    }

    /// The files that never change.
    fn settings(self, site: &Site<'_>) -> Vec<File> {
        match self {
            Self::Nginx => vec![nginx::settings(site)],
            Self::Haproxy => vec![haproxy::settings(site)],
            Self::Mesh => vec![mesh::settings(site)],
        }
    }

    /// The file that lists the hosts, and changes with a reload.
    fn routers(self, site: &Site<'_>, extra: Option<&str>) -> File {
        let hosts = (0..site.setup.routers).map(host).chain(extra.map(str::to_owned));
        match self {
            Self::Nginx => nginx::routers(site, hosts),
            Self::Haproxy => haproxy::routers(hosts),
            Self::Mesh => mesh::routers(site, hosts),
        }
    }

    /// What tells the first process that its files changed; Mesh notices by itself.
    fn reload_signal(self) -> Option<Signal> {
        match self {
            Self::Nginx => Some(Signal::HUP),
            Self::Haproxy => Some(Signal::USR2),
            Self::Mesh => None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
            Self::Mesh => "Mesh",
        })
    }
}

/// The name that all hosts end in, and the certificate is for.
pub(crate) const DOMAIN: &str = "bench.test";

/// The file with the certificate and its key.
const CERTIFICATE: &str = "certificate.pem";

/// The host of a router.
pub(crate) fn host(number: usize) -> String {
    format!("h{number}.{DOMAIN}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_proxy_lists_every_host_once_and_the_one_of_a_reload() {
        let front = SocketAddr::from(([127, 0, 0, 1], 80));
        let site = Site {
            setup: Setup {
                routers: 3,
                tls: true,
            },
            front,
            servers: &[front, front],
            folder: Path::new("/folder"),
        };
        for peer in Peer::ALL {
            let file = peer.routers(&site, Some("more.bench.test"));
            for host in ["h0.bench.test", "h2.bench.test", "more.bench.test"] {
                assert_eq!(file.text.matches(host).count(), 1, "{peer}: {}", file.text);
            }
        }
    }
}
