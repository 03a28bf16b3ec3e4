//! A Consul agent of its own for each test.

use std::{path::PathBuf, process::Stdio, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{port, skip, wait::until};

/// May do everything where rights are on.
pub const MASTER_TOKEN: &str = "5c9f7c52-2b7c-4d3f-9f0e-0d2d3f5f9a11";

/// `consul agent -dev`: one server that keeps nothing. Dropping it kills it.
#[derive(Debug)]
pub struct Consul {
    binary: PathBuf,
    directory: TempDir,
    ports: [u16; 5],
    rights: bool,
    child: Child,
    client: reqwest::Client,
}

impl Consul {
    /// A Consul that anybody may read. `None`: skip the test.
    pub async fn start() -> Option<Self> {
        Self::with_settings(false, None).await
    }

    /// A Consul that denies what no token allows. `None`: skip the test.
    pub async fn start_with_rights() -> Option<Self> {
        Self::with_settings(true, None).await
    }

    /// A Consul that also listens with TLS, for clients with a certificate, and on a socket. `None`: skip the test.
    ///
    /// # Panics
    /// When it cannot make certificates.
    pub async fn start_with_tls() -> Option<Self> {
        let binary = skip::consul()?;
        let directory = tempfile::tempdir().unwrap();
        for words in [
            &["ca", "create"][..],
            &["cert", "create", "-server"],
            &["cert", "create", "-client"],
        ] {
            let made = Command::new(&binary)
                .arg("tls")
                .args(words)
                .current_dir(directory.path())
                .output();
            assert!(made.await.unwrap().status.success(), "consul tls {words:?}");
        }
        Self::with_settings(false, Some(directory)).await
    }

    async fn with_settings(rights: bool, certificates: Option<TempDir>) -> Option<Self> {
        let binary = skip::consul()?;
        let ports = port::free();
        let tls = certificates.is_some();
        let directory = certificates.unwrap_or_else(|| tempfile::tempdir().unwrap());
        if tls {
            let path = |name: &str| directory.path().join(name).display().to_string();
            let settings = json!({
                "ca_file": path("consul-agent-ca.pem"),
                "cert_file": path("dc1-server-consul-0.pem"),
                "key_file": path("dc1-server-consul-0-key.pem"),
                "verify_incoming_https": true,
                "ports": {"https": ports[4]},
                "addresses": {"http": format!("127.0.0.1 unix://{}", path("consul.sock"))},
            });
            std::fs::write(directory.path().join("tls.json"), settings.to_string()).unwrap();
        }
        if rights {
            let acl = json!({"enabled": true, "default_policy": "deny", "tokens": {"master": MASTER_TOKEN}});
            std::fs::write(
                directory.path().join("acl.json"),
                json!({ "acl": acl }).to_string(),
            )
            .unwrap();
        }
        let child = spawn(&binary, &directory, ports);
        let consul = Self {
            binary,
            directory,
            ports,
            rights,
            child,
            client: reqwest::Client::new(),
        };
        consul.ready().await;
        Some(consul)
    }

    /// `127.0.0.1:port` of its HTTP API.
    pub fn address(&self) -> String {
        let [http, ..] = self.ports;
        format!("127.0.0.1:{http}")
    }

    /// `127.0.0.1:port` of its HTTPS API.
    pub fn tls_address(&self) -> String {
        format!("127.0.0.1:{}", self.ports[4])
    }

    /// A file beside its certificates.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Ends it without a word.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Starts it again in the same place. It has forgotten everything.
    pub async fn restart(&mut self) {
        self.child = spawn(&self.binary, &self.directory, self.ports);
        self.ready().await;
    }

    async fn ready(&self) {
        until("consul elects itself", async || {
            let services = self
                .request(reqwest::Method::GET, "/v1/catalog/service/consul", None)
                .await;
            services.is_some_and(|services| services.as_array().is_some_and(|list| !list.is_empty()))
        })
        .await;
    }

    /// Registers an instance that passes its check until told otherwise.
    ///
    /// # Panics
    /// When Consul refuses.
    pub async fn register(&self, service: &str, id: &str, port: u16, tags: &[&str]) {
        let body = json!({
            "Name": service, "ID": id, "Address": "127.0.0.1", "Port": port, "Tags": tags,
            "Check": {"CheckID": format!("check-{id}"), "TTL": "1h", "Status": "passing"},
        });
        self.put("/v1/agent/service/register", Some(body)).await;
    }

    /// Takes it out.
    ///
    /// # Panics
    /// When Consul refuses.
    pub async fn deregister(&self, id: &str) {
        self.put(&format!("/v1/agent/service/deregister/{id}"), None)
            .await;
    }

    /// Lets its check `pass`, `warn` or `fail`.
    ///
    /// # Panics
    /// When Consul refuses.
    pub async fn check(&self, id: &str, word: &str) {
        self.put(&format!("/v1/agent/check/{word}/check-{id}"), None)
            .await;
    }

    /// Takes it into maintenance, or out of it.
    ///
    /// # Panics
    /// When Consul refuses.
    pub async fn maintenance(&self, id: &str, enable: bool) {
        self.put(
            &format!("/v1/agent/service/maintenance/{id}?enable={enable}&reason=rebuild"),
            None,
        )
        .await;
    }

    /// A token with `rules`.
    ///
    /// # Panics
    /// When Consul refuses.
    pub async fn token(&self, name: &str, rules: &str) -> String {
        self.put("/v1/acl/policy", Some(json!({"Name": name, "Rules": rules})))
            .await;
        let token = self
            .put("/v1/acl/token", Some(json!({"Policies": [{"Name": name}]})))
            .await;
        token["SecretID"].as_str().expect("a new token").to_owned()
    }

    /// Gives the policy called `name` other rules.
    ///
    /// # Panics
    /// When Consul refuses.
    pub async fn set_rules(&self, name: &str, rules: &str) {
        let path = format!("/v1/acl/policy/name/{name}");
        let policy = self
            .request(reqwest::Method::GET, &path, None)
            .await
            .expect("the policy");
        let id = policy["ID"].as_str().expect("its id");
        self.put(
            &format!("/v1/acl/policy/{id}"),
            Some(json!({"ID": id, "Name": name, "Rules": rules})),
        )
        .await;
    }

    async fn put(&self, path: &str, body: Option<Value>) -> Value {
        let answer = self.request(reqwest::Method::PUT, path, body).await;
        answer.unwrap_or_else(|| panic!("consul refused PUT {path}"))
    }

    /// `None` when it is not there or refuses; `null` for an empty answer.
    async fn request(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> Option<Value> {
        let url = format!("http://{}{path}", self.address());
        let request = self.client.request(method, url).timeout(Duration::from_secs(5));
        let request = if self.rights {
            request.header("x-consul-token", MASTER_TOKEN)
        } else {
            request
        };
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let response = request.send().await.ok()?.error_for_status().ok()?;
        let text = response.text().await.ok()?;
        Some(serde_json::from_str(&text).unwrap_or_default())
    }
}

fn spawn(binary: &PathBuf, directory: &TempDir, ports: [u16; 5]) -> Child {
    let [http, server, lan, wan, _] = ports;
    let mut command = Command::new(binary);
    command
        .args([
            "agent",
            "-dev",
            "-bind=127.0.0.1",
            "-dns-port=-1",
            "-grpc-port=-1",
            "-log-level=err",
        ])
        .arg(format!("-http-port={http}"))
        .arg(format!("-server-port={server}"))
        .arg(format!("-serf-lan-port={lan}"))
        .arg(format!("-serf-wan-port={wan}"))
        .arg(format!("-config-dir={}", directory.path().display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    command.spawn().expect("consul runs")
}
