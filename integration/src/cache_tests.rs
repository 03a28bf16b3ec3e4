//! The public tests of HTTP caches (<https://cache-tests.fyi>), and the server that they ask through a cache.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{port, skip, wait::until};

/// Their server, which runs. Dropping it ends it.
#[derive(Debug)]
pub struct CacheTests {
    directory: PathBuf,
    port: u16,
    _server: Child,
    _place: TempDir,
}

/// What came of one test.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What it is called.
    pub id: String,
    /// `required`, `optimal` or `check`.
    pub kind: String,
    /// `pass`, `fail`, `no` (of a check), `setup` (it could not begin), or `dependency` (one that it builds on did not pass).
    pub outcome: String,
    /// What was wrong.
    pub why: String,
}

impl Outcome {
    /// True if it passed.
    pub fn passed(&self) -> bool {
        self.outcome == "pass"
    }
}

impl CacheTests {
    /// Starts their server. `None`: skip the test.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start() -> Option<Self> {
        let directory = skip::cache_tests()?;
        let ([port], place) = (port::free(), tempfile::tempdir().unwrap());
        let server = Command::new("node")
            .arg("server/server.mjs")
            .current_dir(directory.join("node_modules/http-cache-tests"))
            .env("npm_config_protocol", "http")
            .env("npm_config_port", port.to_string())
            .env("npm_config_pidfile", place.path().join("pid"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("node runs");
        let tests = Self {
            directory,
            port,
            _server: server,
            _place: place,
        };
        let address = tests.address();
        until("the server of the cache tests listens", async || {
            tokio::net::TcpStream::connect(address).await.is_ok()
        })
        .await;
        Some(tests)
    }

    /// Where their server listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Runs those called `ids`, or all if there are none, against the cache at `base`.
    ///
    /// # Panics
    /// When they cannot be run.
    pub async fn run(&self, base: &str, ids: &[String]) -> Vec<Outcome> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("cache-tests/run.mjs");
        let output = Command::new("node")
            .arg("--no-warnings")
            .arg(script)
            .arg(&self.directory)
            .arg(base)
            .args(ids)
            .kill_on_drop(true)
            .output()
            .await
            .expect("node runs");
        let told: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{error}: {}", String::from_utf8_lossy(&output.stderr));
        });
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        told.iter()
            .map(|test| Outcome {
                id: text(&test["id"]),
                kind: text(&test["kind"]),
                outcome: text(&test["outcome"]),
                why: text(&test["why"]),
            })
            .collect()
    }
}
