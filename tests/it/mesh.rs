//! The binary under test.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::http::{self, Answer};

/// What no test should wait for longer.
const DEADLINE: Duration = Duration::from_secs(15);

/// Waits until `condition` holds.
pub(crate) fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(start.elapsed() < DEADLINE, "{what} did not happen");
        thread::park_timeout(Duration::from_millis(2));
    }
}

/// A directory for the files of one test; Mesh runs in it.
#[derive(Debug)]
pub(crate) struct Place {
    directory: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            directory: TempDir::new().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file as careful programs do: aside, then by rename.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let (path, aside) = (self.path(name), self.path(".aside"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&aside, text).unwrap();
        std::fs::rename(&aside, &path).unwrap();
        path
    }

    /// The binary with a clean environment: the one just built, or the one that `MESH_BIN` names.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let built = env!("CARGO_BIN_EXE_mesh");
        let mut command = Command::new(std::env::var("MESH_BIN").as_deref().unwrap_or(built));
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .env_clear()
            .env("HOME", self.directory.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        Finished(self.command(arguments).output().unwrap())
    }

    /// Starts the router and waits until its entrypoints listen.
    pub(crate) fn start(&self, arguments: &[&str]) -> Mesh {
        Mesh::start(self.command(arguments).args(["--log.format=json"]))
    }
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Finished(Output);

impl Finished {
    pub(crate) fn code(&self) -> i32 {
        self.0.status.code().unwrap()
    }

    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).into_owned()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }
}

/// A running router; killed when dropped.
#[derive(Debug)]
pub(crate) struct Mesh {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl Mesh {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::start_printing(command, Stdio::null())
    }

    /// One that prints to `stdout`.
    pub(crate) fn start_printing(command: &mut Command, stdout: Stdio) -> Self {
        let mut child = command.stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (stderr, lines) = (BufReader::new(child.stderr.take().unwrap()), log.clone());
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                lines.lock().unwrap().push(line);
            }
        });
        let mut mesh = Self { child, log };
        eventually("listening", || {
            if let Some(status) = mesh.child.try_wait().unwrap() {
                panic!("mesh ended with {status}: {:?}", mesh.log());
            }
            (!mesh.addresses().is_empty()).then_some(())
        });
        mesh
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Where entrypoints listen. Their lines come out together.
    pub(crate) fn addresses(&self) -> BTreeMap<String, SocketAddr> {
        let lines = self.log();
        let lines = lines
            .iter()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        lines
            .filter(|line| line["message"] == "entrypoint listens")
            .map(|line| {
                let address = line["address"].as_str().unwrap().parse().unwrap();
                (line["entry_point"].as_str().unwrap().to_owned(), address)
            })
            .collect()
    }

    /// Where one entrypoint listens, on loopback.
    pub(crate) fn address(&self, entry_point: &str) -> SocketAddr {
        let address = eventually("the entrypoint", || self.addresses().get(entry_point).copied());
        SocketAddr::from(([127, 0, 0, 1], address.port()))
    }

    /// Asks `web` for a path of a host.
    pub(crate) fn get(&self, host: &str, path: &str) -> Answer {
        http::get(self.address("web"), host, path)
    }

    /// Asks Mesh itself.
    pub(crate) fn ask(&self, path: &str) -> Answer {
        http::get(self.address("mesh"), "localhost", path)
    }

    /// Asks until the answer is as wanted.
    pub(crate) fn eventually(&self, host: &str, path: &str, wanted: impl Fn(&Answer) -> bool) -> Answer {
        eventually(&format!("the answer for {host}{path}"), || {
            Some(self.get(host, path)).filter(&wanted)
        })
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        eventually("the end", || self.child.try_wait().unwrap())
    }
}

impl Drop for Mesh {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A document with a router and a service per server; hosts are `<name>.test`.
pub(crate) fn routes(servers: &[(&str, &str)]) -> String {
    let mut text = String::from("http:\n  routers:\n");
    for (name, _) in servers {
        text.push_str(&format!(
            "    {name}: {{rule: \"Host(`{name}.test`)\", service: {name}}}\n"
        ));
    }
    text.push_str("  services:\n");
    for (name, url) in servers {
        text.push_str(&format!(
            "    {name}: {{loadBalancer: {{servers: [{{url: \"{url}\"}}]}}}}\n"
        ));
    }
    text
}

/// Flags of a router on free ports that reads `file` and leaves nothing behind.
pub(crate) fn flags(file: &Path) -> Vec<String> {
    [
        "--entryPoints.web.address=127.0.0.1:0",
        "--entryPoints.mesh.address=127.0.0.1:0",
        "--api.insecure",
        "--ping",
        "--metrics.prometheus",
        "--snapshot.enabled=false",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([format!("--providers.file.filename={}", file.display())])
    .collect()
}

/// The same as references.
pub(crate) fn words(flags: &[String]) -> Vec<&str> {
    flags.iter().map(String::as_str).collect()
}
