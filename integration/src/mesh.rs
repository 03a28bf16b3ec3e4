//! The built `mesh` as its users run it.

use std::{
    env, fs,
    ops::Deref,
    path::{Path, PathBuf},
    process::{Command as Build, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use reqwest::StatusCode;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{Client, port, wait::DEADLINE};

/// A running `mesh`. Dropping it kills it.
#[derive(Debug)]
pub struct Mesh {
    directory: TempDir,
    child: Child,
    client: Client,
}

impl Deref for Mesh {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Mesh {
    /// Starts `mesh` with `providers` (YAML, two spaces deep), and waits until its API answers.
    ///
    /// # Panics
    /// When it cannot be built or does not start.
    pub async fn start(providers: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let [web, admin] = port::free();
        let state = directory.path().join("state");
        fs::create_dir(&state).unwrap();
        let settings = format!(
            "entryPoints:\n  web: {{address: '127.0.0.1:{web}'}}\n  mesh: {{address: '127.0.0.1:{admin}'}}\n\
             api: {{insecure: true}}\nping: {{}}\n\
             snapshot: {{path: '{}', interval: 100ms}}\n\
             providers:\n{providers}",
            state.join("snapshot.json").display(),
        );
        fs::write(directory.path().join("mesh.yml"), settings).unwrap();
        let child = spawn(directory.path());
        let mut mesh = Self {
            directory,
            child,
            client: Client::of([web, admin]),
        };
        mesh.answers().await;
        mesh
    }

    /// Ends it without a word.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Panics
    /// When it cannot be asked.
    pub async fn stop(&mut self) {
        let id = self.child.id().expect("it runs").to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status().await;
        assert!(asked.unwrap().success());
        self.child.wait().await.unwrap();
    }

    /// Starts it again with the same settings and what it keeps on disk, and waits for nothing.
    pub fn restart(&mut self) {
        self.child = spawn(self.directory.path());
    }

    async fn answers(&mut self) {
        let start = Instant::now();
        while self
            .admin("/ping")
            .await
            .is_none_or(|(status, _)| status != StatusCode::OK)
        {
            let ended = self.child.try_wait().unwrap();
            if ended.is_some() || start.elapsed() > DEADLINE {
                panic!("mesh does not start: {ended:?}\n{}", self.log());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What it keeps on disk for a start without its providers.
    pub fn snapshot(&self) -> String {
        fs::read_to_string(self.directory.path().join("state/snapshot.json")).unwrap_or_default()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

fn spawn(directory: &Path) -> Child {
    let log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(directory.join("log"))
        .unwrap();
    let mut command = Command::new(binary());
    command
        .arg("--config")
        .arg(directory.join("mesh.yml"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true);
    command.spawn().expect("mesh runs")
}

/// `MESH_BIN`, or the one beside the test, which `cargo test --workspace` builds; built here when it is missing.
///
/// # Panics
/// When it cannot be built.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(named) = env::var_os("MESH_BIN") {
            return named.into();
        }
        let test = env::current_exe().unwrap();
        let profile = test.ancestors().nth(2).expect("<target>/<profile>/deps/<test>");
        let binary = profile.join(format!("mesh{}", env::consts::EXE_SUFFIX));
        if !binary.exists() {
            build(profile);
        }
        binary
    })
}

fn build(directory: &Path) {
    let profile = directory
        .file_name()
        .expect("the profile's directory")
        .to_str()
        .unwrap();
    let profile = if profile == "debug" { "dev" } else { profile };
    let status = Build::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "build",
            "--quiet",
            "--package",
            "mesh",
            "--profile",
            profile,
            "--target-dir",
        ])
        .arg(directory.parent().expect("the target directory"))
        .status();
    assert!(status.is_ok_and(|status| status.success()), "mesh does not build");
}
