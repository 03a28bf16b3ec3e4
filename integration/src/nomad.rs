//! Nomad agents of their own for each test.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{job::Job, port, skip, wait::until};

/// Ports that the tasks of one agent may get. They must not be those of another agent's.
const TASK_PORTS: u16 = 100;

/// The first of them, below those that the system gives to anybody.
static NEXT_TASK_PORT: AtomicU16 = AtomicU16::new(21_000);

/// One server and its clients, which keep their state. Dropping it kills them and all tasks.
#[derive(Debug)]
pub struct Nomad {
    binary: PathBuf,
    directory: TempDir,
    ports: [u16; 3],
    agents: Vec<Child>,
    token: Option<String>,
    client: reqwest::Client,
}

impl Nomad {
    /// A Nomad that anybody may read. `None`: skip the test.
    pub async fn start() -> Option<Self> {
        Self::with_rights(false).await
    }

    /// A Nomad that denies what no token allows. `None`: skip the test.
    pub async fn start_with_rights() -> Option<Self> {
        Self::with_rights(true).await
    }

    async fn with_rights(rights: bool) -> Option<Self> {
        let mut nomad = Self {
            binary: skip::nomad()?,
            directory: tempfile::tempdir().unwrap(),
            ports: port::free(),
            agents: Vec::new(),
            token: None,
            client: reqwest::Client::new(),
        };
        let own = format!(
            "server {{\n enabled = true\n bootstrap_expect = 1\n raft_multiplier = 1\n}}\nacl {{ enabled = {rights} }}\n"
        );
        nomad.configure("server", nomad.ports, &own);
        nomad.agents.push(nomad.spawn("server"));
        if rights {
            let mut secret = None;
            until("nomad gives out its first token", async || {
                let answer = nomad.request(Method::POST, "/v1/acl/bootstrap", None).await;
                secret = answer
                    .ok()
                    .and_then(|token| Some(token["SecretID"].as_str()?.to_owned()));
                secret.is_some()
            })
            .await;
            nomad.token = secret;
        }
        nomad.ready(1).await;
        Some(nomad)
    }

    /// A further node for tasks.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn add_node(&mut self) {
        let name = format!("node{}", self.agents.len());
        self.configure(&name, port::free(), "");
        let agent = self.spawn(&name);
        self.agents.push(agent);
        self.ready(self.agents.len()).await;
    }

    /// `http://127.0.0.1:port` of its API.
    pub fn address(&self) -> String {
        let [http, ..] = self.ports;
        format!("http://127.0.0.1:{http}")
    }

    /// Ends the server and its node without a word. Tasks run on.
    pub async fn kill(&mut self) {
        self.agents[0].kill().await.unwrap();
    }

    /// Starts them again with what they knew.
    pub async fn restart(&mut self) {
        self.agents[0] = self.spawn("server");
        self.ready(self.agents.len()).await;
    }

    /// Runs a job, or changes it.
    ///
    /// # Panics
    /// When Nomad refuses.
    pub async fn run(&self, job: &Job) {
        self.must(Method::PUT, "/v1/jobs", Some(json!({"Job": job.to_json()})))
            .await;
    }

    /// Stops a job.
    ///
    /// # Panics
    /// When Nomad refuses.
    pub async fn stop(&self, job: &str) {
        self.must(Method::DELETE, &format!("/v1/job/{job}"), None).await;
    }

    /// The allocations of a job that run.
    pub async fn running(&self, job: &str) -> Vec<Value> {
        let allocations = self
            .must(Method::GET, &format!("/v1/job/{job}/allocations"), None)
            .await;
        let Value::Array(mut allocations) = allocations else {
            return Vec::new();
        };
        allocations.retain(|allocation| {
            allocation["ClientStatus"] == "running" && allocation["DesiredStatus"] == "run"
        });
        allocations
    }

    /// Waits until Nomad has found `count` allocations of a job healthy.
    pub async fn healthy(&self, job: &str, count: usize) {
        until("nomad finds them healthy", async || {
            let running = self.running(job).await;
            let healthy = running
                .iter()
                .filter(|allocation| allocation["DeploymentStatus"]["Healthy"] == true);
            healthy.count() == count
        })
        .await;
    }

    /// The instances of a service as Nomad lists them.
    pub async fn registered(&self, service: &str) -> Vec<Value> {
        let listed = self
            .must(Method::GET, &format!("/v1/service/{service}"), None)
            .await;
        listed.as_array().cloned().unwrap_or_default()
    }

    /// Kills the task of an allocation, which its restart policy then starts again.
    ///
    /// # Panics
    /// When Nomad refuses.
    pub async fn crash(&self, allocation: &Value) {
        let id = allocation["ID"].as_str().expect("an id");
        let path = format!("/v1/client/allocation/{id}/signal");
        self.must(Method::PUT, &path, Some(json!({"Signal": "SIGKILL"})))
            .await;
    }

    /// Makes the canaries of a job what the job is.
    ///
    /// # Panics
    /// When there is none, or it is not healthy.
    pub async fn promote(&self, job: &str) {
        let deployment = self
            .must(Method::GET, &format!("/v1/job/{job}/deployment"), None)
            .await;
        let id = deployment["ID"].as_str().expect("a deployment");
        let path = format!("/v1/deployment/promote/{id}");
        self.must(Method::PUT, &path, Some(json!({"DeploymentID": id, "All": true})))
            .await;
    }

    /// How the last deployment of a job went: `running`, `successful`, `failed`.
    pub async fn deployment(&self, job: &str) -> String {
        let deployment = self
            .must(Method::GET, &format!("/v1/job/{job}/deployment"), None)
            .await;
        deployment["Status"].as_str().unwrap_or_default().to_owned()
    }

    /// Moves all tasks away from a node.
    ///
    /// # Panics
    /// When Nomad refuses.
    pub async fn drain(&self, node: &str) {
        let drain = json!({"DrainSpec": {"Deadline": Duration::from_secs(60).as_nanos() as u64}});
        self.must(Method::PUT, &format!("/v1/node/{node}/drain"), Some(drain))
            .await;
    }

    /// Makes a namespace.
    ///
    /// # Panics
    /// When Nomad refuses.
    pub async fn add_namespace(&self, name: &str) {
        self.must(Method::POST, "/v1/namespace", Some(json!({"Name": name})))
            .await;
    }

    /// A token with `rules`; further ones of the same name follow their changes.
    ///
    /// # Panics
    /// When Nomad refuses.
    pub async fn token(&self, name: &str, rules: &str) -> String {
        self.set_rules(name, rules).await;
        let body = json!({"Name": name, "Type": "client", "Policies": [name]});
        let token = self.must(Method::PUT, "/v1/acl/token", Some(body)).await;
        token["SecretID"].as_str().expect("a new token").to_owned()
    }

    /// Gives the policy called `name` these rules.
    ///
    /// # Panics
    /// When Nomad refuses.
    pub async fn set_rules(&self, name: &str, rules: &str) {
        let body = json!({"Name": name, "Rules": rules});
        self.must(Method::PUT, &format!("/v1/acl/policy/{name}"), Some(body))
            .await;
    }

    async fn ready(&self, nodes: usize) {
        until("nomad has its nodes", async || {
            let listed = self.request(Method::GET, "/v1/nodes", None).await;
            let ready = |node: &&Value| node["Status"] == "ready";
            let listed = listed.as_ref().ok().and_then(Value::as_array);
            listed.is_some_and(|listed| listed.iter().filter(ready).count() == nodes)
        })
        .await;
    }

    async fn must(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let answer = self.request(method.clone(), path, body).await;
        answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// What it answers, `null` for what is no JSON, or what it says against it.
    async fn request(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, String> {
        let url = format!("{}{path}", self.address());
        let mut request = self.client.request(method, url).timeout(Duration::from_secs(10));
        if let Some(token) = &self.token {
            request = request.header("x-nomad-token", token);
        }
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let response = request.send().await.map_err(|error| error.to_string())?;
        let status = response.status();
        let text = response.text().await.unwrap_or_default();
        match status.is_success() {
            true => Ok(serde_json::from_str(&text).unwrap_or_default()),
            false => Err(format!("{status}: {text}")),
        }
    }

    /// Writes the settings of one agent. All of them also run tasks.
    fn configure(&self, name: &str, [http, rpc, serf]: [u16; 3], more: &str) {
        let (data, server) = (self.directory.path().join(name), self.ports[1]);
        let first = NEXT_TASK_PORT.fetch_add(TASK_PORTS, Ordering::Relaxed);
        let last = first + TASK_PORTS - 1;
        let text = format!(
            "name = \"{name}\"\nbind_addr = \"127.0.0.1\"\ndata_dir = \"{}\"\ndisable_update_check = true\n\
             log_level = \"WARN\"\nleave_on_terminate = false\n\
             advertise {{\n http = \"127.0.0.1\"\n rpc = \"127.0.0.1\"\n serf = \"127.0.0.1\"\n}}\n\
             ports {{\n http = {http}\n rpc = {rpc}\n serf = {serf}\n}}\n\
             client {{\n enabled = true\n network_interface = \"lo\"\n servers = [\"127.0.0.1:{server}\"]\n \
             min_dynamic_port = {first}\n max_dynamic_port = {last}\n options = {{\n  \
             \"fingerprint.denylist\" = \"env_aws,env_azure,env_digitalocean,env_gce,cni,consul,vault,bridge\"\n  \
             \"driver.allowlist\" = \"raw_exec\"\n }}\n}}\n\
             plugin \"raw_exec\" {{\n config {{\n  enabled = true\n }}\n}}\n{more}",
            data.display()
        );
        fs::write(self.directory.path().join(format!("{name}.hcl")), text).unwrap();
    }

    fn spawn(&self, name: &str) -> Child {
        let directory = self.directory.path();
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(directory.join("log"));
        let log = log.unwrap();
        let mut command = Command::new(&self.binary);
        command
            .arg("agent")
            .arg(format!(
                "-config={}",
                directory.join(format!("{name}.hcl")).display()
            ))
            // What it starts inherits this, and is found by it.
            .env("MESH_INTEGRATION_NOMAD", directory)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(Stdio::null())
            .kill_on_drop(true);
        command.spawn().expect("nomad runs")
    }
}

impl Drop for Nomad {
    /// Tasks outlive their agent.
    fn drop(&mut self) {
        for agent in &mut self.agents {
            let _ = agent.start_kill();
        }
        let processes = started_in(self.directory.path());
        if !processes.is_empty() {
            let _ = std::process::Command::new("kill")
                .arg("-9")
                .args(processes)
                .status();
        }
    }
}

/// The processes that have `directory` in their environment.
fn started_in(directory: &Path) -> Vec<String> {
    let directory = directory.display().to_string();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ours = processes.filter(|process| {
        let environment = fs::read(process.path().join("environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).contains(&directory)
    });
    let ids = ours.map(|process| process.file_name().to_string_lossy().into_owned());
    ids.filter(|id| id.parse::<u32>().is_ok()).collect()
}
