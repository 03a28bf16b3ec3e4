//! A Redis of its own for each test.

use std::{path::PathBuf, process::Stdio};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
};

use crate::{port, skip, wait::until};

/// `redis-server`, which keeps nothing. Dropping it kills it.
#[derive(Debug)]
pub struct Redis {
    binary: PathBuf,
    directory: TempDir,
    port: u16,
    options: Vec<String>,
    child: Child,
}

impl Redis {
    /// A Redis with further options, as its command line has them. `None`: skip the test.
    pub async fn start(options: &[&str]) -> Option<Self> {
        let [port] = port::free();
        Self::at(port, tempfile::tempdir().unwrap(), options).await
    }

    /// The same at a port, in a directory.
    pub async fn at(port: u16, directory: TempDir, options: &[&str]) -> Option<Self> {
        let binary = skip::redis()?;
        let options: Vec<_> = options.iter().map(ToString::to_string).collect();
        let child = spawn(&binary, &directory, port, &options);
        let redis = Self {
            binary,
            directory,
            port,
            options,
            child,
        };
        redis.listens().await;
        Some(redis)
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Ends it without a word.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Starts it again in the same place. It has forgotten everything.
    pub async fn restart(&mut self) {
        self.child = spawn(&self.binary, &self.directory, self.port, &self.options);
        self.listens().await;
    }

    /// Stops it, so that its connections stand and nothing answers, or lets it go on.
    ///
    /// # Panics
    /// When there is no `kill`.
    pub async fn stop(&self, stop: bool) {
        let signal = if stop { "-STOP" } else { "-CONT" };
        let id = self.child.id().unwrap().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &id])
                .status()
                .await
                .unwrap()
                .success()
        );
    }

    async fn listens(&self) {
        until("redis listens", async || {
            TcpStream::connect(self.address()).await.is_ok()
        })
        .await;
    }

    /// What it answers to a command, its parts in one line each. Authenticates with `password` first, if it is given.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn ask(&self, password: Option<&str>, command: &[&str]) -> Vec<String> {
        let mut stream = BufReader::new(TcpStream::connect(self.address()).await.unwrap());
        if let Some(password) = password {
            stream.write_all(&encoded(&["AUTH", password])).await.unwrap();
            answer(&mut stream).await;
        }
        stream.write_all(&encoded(command)).await.unwrap();
        answer(&mut stream).await
    }
}

fn spawn(binary: &PathBuf, directory: &TempDir, port: u16, options: &[String]) -> Child {
    let log = std::fs::File::create(directory.path().join("log")).unwrap();
    let with_tls = options.iter().any(|option| option == "--tls-port");
    let port = if with_tls { 0 } else { port }.to_string();
    Command::new(binary)
        .args([
            "--port",
            &port,
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ])
        .args(options)
        .current_dir(directory.path())
        .stdout(log)
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

fn encoded(command: &[&str]) -> Vec<u8> {
    let mut text = format!("*{}\r\n", command.len());
    for part in command {
        text.push_str(&format!("${}\r\n{part}\r\n", part.len()));
    }
    text.into_bytes()
}

/// The parts of an answer; an error is one that begins with `-`.
async fn answer(stream: &mut BufReader<TcpStream>) -> Vec<String> {
    let (mut parts, mut left) = (Vec::new(), 1);
    while left > 0 {
        left -= 1;
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        let (kind, rest) = line.trim_end().split_at(1);
        match (kind, rest.parse::<usize>()) {
            ("*", Ok(count)) => left += count,
            ("$", Ok(length)) => {
                let mut bytes = vec![0; length + 2];
                stream.read_exact(&mut bytes).await.unwrap();
                bytes.truncate(length);
                parts.push(String::from_utf8(bytes).unwrap());
            }
            ("-", _) => parts.push(line.trim_end().to_owned()),
            (_, _) => parts.push(rest.to_owned()),
        }
    }
    parts
}
