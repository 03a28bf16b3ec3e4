//! The containers of a test and their network.

use std::{
    net::IpAddr,
    ops::Deref,
    process,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use mesh_integration::{
    Client,
    docker::{docker, tried},
    images, skip, until,
};
use serde_json::{Value, json};
use testcontainers::{
    ContainerAsync, ContainerRequest, GenericImage, ImageExt,
    core::{IntoContainerPort, Mount},
    runners::AsyncRunner,
};

use crate::HOST;

/// Longer than Mesh takes to drain.
const STOP_SECONDS: i32 = 60;

/// Everything of one test. It has to outlive its containers, and leaves nothing.
#[derive(Debug)]
pub(crate) struct Stack(String);

impl Stack {
    /// `None`: skip the test.
    pub(crate) fn start() -> Option<Self> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        skip::has_docker().then(|| {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            Self(format!("mesh-tests-{}-{number}", process::id()))
        })
    }

    /// The name of something that belongs to this test, by which other containers also find it.
    pub(crate) fn name(&self, what: &str) -> String {
        format!("{}-{what}", self.0)
    }

    /// A container called `what`, whose `ports` can be reached from this machine.
    pub(crate) async fn run(
        &self,
        what: &str,
        image: &str,
        ports: &[u16],
        more: impl FnOnce(GenericImage) -> ContainerRequest<GenericImage>,
    ) -> ContainerAsync<GenericImage> {
        let (name, tag) = image.rsplit_once(':').unwrap_or((image, "latest"));
        let image = ports.iter().fold(GenericImage::new(name, tag), |image, port| {
            image.with_exposed_port(port.tcp())
        });
        let request = more(image)
            .with_container_name(self.name(what))
            .with_network(self.0.as_str());
        let started = request.start().await;
        started.unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    /// A server that says it is `who`, at port 8080.
    pub(crate) async fn server(&self, who: &str) -> ContainerAsync<GenericImage> {
        self.run(who, &images::who(), &[], |image| image.with_env_var("WHO", who))
            .await
    }

    /// A Mesh with these settings beside those of its image.
    pub(crate) async fn mesh(&self, what: &str, settings: &[(&str, String)]) -> Mesh {
        self.mesh_of(&images::mesh(), what, settings, |image| image).await
    }

    /// The same of another image, or with more than settings.
    pub(crate) async fn mesh_of(
        &self,
        image: &str,
        what: &str,
        settings: &[(&str, String)],
        more: impl FnOnce(ContainerRequest<GenericImage>) -> ContainerRequest<GenericImage>,
    ) -> Mesh {
        let container = self
            .run(what, image, &[8000, 8080], |image| {
                let image = image
                    .with_readonly_rootfs(true)
                    .with_cap_drop("ALL")
                    .with_security_opt("no-new-privileges:true")
                    .with_env_var("MESH_ENTRYPOINTS_WEB_ADDRESS", ":8000")
                    .with_env_var("MESH_ENTRYPOINTS_MESH_ADDRESS", ":8080")
                    .with_env_var("MESH_API_INSECURE", "true")
                    .with_env_var("MESH_SNAPSHOT_INTERVAL", "100ms");
                let image = settings
                    .iter()
                    .fold(image, |image, (name, value)| image.with_env_var(*name, value));
                more(image)
            })
            .await;
        let client = Client::of([
            container.get_host_port_ipv4(8000).await.unwrap(),
            container.get_host_port_ipv4(8080).await.unwrap(),
        ]);
        let mesh = Mesh { container, client };
        until("mesh answers", async || mesh.admin("/ping").await.is_some()).await;
        mesh
    }

    /// Takes a container out of the network: nothing reaches it, and it reaches nothing.
    pub(crate) fn cut(&self, what: &str) {
        docker(&["network", "disconnect", &self.0, &self.name(what)]);
    }

    /// Puts it back.
    pub(crate) fn join(&self, what: &str) {
        docker(&["network", "connect", &self.0, &self.name(what)]);
    }

    /// A directory that outlives containers.
    pub(crate) fn volume(&self, path: &str) -> Mount {
        Mount::volume_mount(self.name("volume"), path)
    }
}

impl Drop for Stack {
    /// Containers went before; this is for what they left.
    fn drop(&mut self) {
        let _ = tried(&["volume", "rm", "--force", &self.name("volume")]);
        let _ = tried(&["network", "rm", &self.0]);
    }
}

/// A Mesh in a container.
#[derive(Debug)]
pub(crate) struct Mesh {
    container: ContainerAsync<GenericImage>,
    client: Client,
}

impl Deref for Mesh {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Mesh {
    /// Asks it to end, waits until it has, and gives the code it ended with.
    pub(crate) async fn stop(&self) -> Option<i64> {
        self.container
            .stop_with_timeout(Some(STOP_SECONDS))
            .await
            .unwrap();
        self.container.exit_code().await.unwrap()
    }

    /// Ends it without a word.
    pub(crate) async fn kill(self) {
        self.container.rm().await.unwrap();
    }
}

/// The agent that services of a test are registered with. It keeps nothing when it ends.
#[derive(Debug)]
pub(crate) struct Consul {
    name: String,
    container: ContainerAsync<GenericImage>,
    client: reqwest::Client,
}

impl Consul {
    pub(crate) async fn start(stack: &Stack) -> Self {
        let container = stack
            .run("consul", &images::consul(), &[8500], |image| {
                image.with_cmd(["agent", "-dev", "-client", "0.0.0.0", "-log-level", "warn"])
            })
            .await;
        let consul = Self {
            name: stack.name("consul"),
            container,
            client: reqwest::Client::new(),
        };
        consul.ready().await;
        consul
    }

    /// Waits until it can be asked.
    pub(crate) async fn ready(&self) {
        until("consul elects itself", async || {
            let url = self.url("/v1/catalog/service/consul").await;
            let request = self.client.get(url).timeout(Duration::from_secs(1));
            let Ok(answer) = request.send().await else {
                return false;
            };
            answer
                .json::<Vec<Value>>()
                .await
                .is_ok_and(|found| !found.is_empty())
        })
        .await;
    }

    /// The settings of a Mesh that follows it.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        let address = format!("{}:8500", self.name);
        vec![("MESH_PROVIDERS_CONSULCATALOG_ENDPOINT_ADDRESS", address)]
    }

    /// Registers the server of `who` for [`HOST`], by its address.
    pub(crate) async fn register(&self, who: &str, address: IpAddr) {
        self.register_with(who, address, &[&format!("mesh.host={HOST}")])
            .await;
    }

    /// The same with other tags.
    pub(crate) async fn register_with(&self, who: &str, address: IpAddr, tags: &[&str]) {
        let body = json!({
            "Name": "shop", "ID": who, "Address": address, "Port": 8080, "Tags": tags,
            "Check": {"CheckID": format!("check-{who}"), "TTL": "1h", "Status": "passing"},
        });
        self.put("/v1/agent/service/register", body).await;
    }

    /// Takes it out.
    pub(crate) async fn deregister(&self, who: &str) {
        self.put(&format!("/v1/agent/service/deregister/{who}"), Value::Null)
            .await;
    }

    /// Ends it without a word.
    pub(crate) async fn kill(self) {
        self.container.rm().await.unwrap();
    }

    async fn put(&self, path: &str, body: Value) {
        let request = self
            .client
            .put(self.url(path).await)
            .timeout(Duration::from_secs(10));
        let response = request.json(&body).send().await.expect("consul answers");
        assert!(response.status().is_success(), "{path}: {}", response.status());
    }

    /// Its port is another one after it was cut off.
    async fn url(&self, path: &str) -> String {
        let port = self.container.get_host_port_ipv4(8500).await.unwrap_or_default();
        format!("http://127.0.0.1:{port}{path}")
    }
}

/// The address of a container in the network of its test.
pub(crate) async fn address(container: &ContainerAsync<GenericImage>) -> IpAddr {
    container.get_bridge_ip_address().await.unwrap()
}
