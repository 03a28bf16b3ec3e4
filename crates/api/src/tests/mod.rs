//! What the services answer, on a table that the compiler made.

mod certificates;
mod lists;
mod probes;
mod shapes;

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{Request, Response};
use mesh_config::{Configuration, Entry, Origin, QualifiedName, model::ServersTransport};
use mesh_discovery::{ProviderStatus, ScopeState, ScopeStatus};
use mesh_proxy::{
    Compiler, CompilerSettings, EntryPointInfo, InternalServices, RoutingTable, settings::EntryPoint,
};
use mesh_telemetry::{
    RequestTelemetry,
    metrics::{Metrics, MetricsSettings, PrometheusSettings},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{ApiSettings, Draining, PingSettings, Views, services};

/// The objects that most tests look at.
static OBJECTS: LazyLock<Value> = LazyLock::new(|| {
    json!({
        "routers": {
            "shop@file": {"rule": "Host(`shop.example`) && Header(`Authorization`, `s3cret`)", "middlewares": ["auth"], "service": "shop"},
            "blog/en@nomad": {"rule": "Host(`blog.example`)", "service": "blog", "priority": 7},
            "broken@file": {"rule": "Host(`broken.example`)", "service": "gone"},
        },
        "services": {
            "shop@file": {"loadBalancer": {
                "servers": [{"url": "http://10.0.0.1:80"}, {"url": "http://10.0.0.2:80", "weight": 0}],
                "healthCheck": {"headers": {"X-Api-Key": "s3cret"}},
            }},
            "blog@nomad": {"loadBalancer": {"servers": [{"url": "http://10.0.0.3:80"}]}},
        },
        "middlewares": {
            "auth@file": {"headers": {"customRequestHeaders": {"Authorization": "Bearer s3cret", "X-Team": "shop"}}},
        },
    })
});

/// A running Mesh without the proxy.
struct World {
    draining: Draining,
    services: InternalServices,
}

impl World {
    fn new() -> Self {
        Self::with(&OBJECTS, ApiSettings::default(), vec![provider("file", true)])
    }

    fn with(objects: &Value, api: ApiSettings, providers: Vec<ProviderStatus>) -> Self {
        let table = table(objects);
        let draining = Draining::default();
        let prometheus = MetricsSettings {
            prometheus: Some(PrometheusSettings::default()),
            ..MetricsSettings::default()
        };
        let services = services(Views {
            api,
            ping: PingSettings::default(),
            version: "0.1.0",
            started: SystemTime::UNIX_EPOCH,
            entry_points: ["mesh", "web"].map(|name| (info(name), entry_point(name))).into(),
            table: Arc::new(move || table.clone()),
            certificates: Arc::new(|| certificates::shown().into()),
            providers: Arc::new(move || providers.clone()),
            telemetry: RequestTelemetry {
                metrics: Metrics::new(&prometheus),
                access_log: None,
            },
            log_dropped: Arc::new(|| 3),
            draining: draining.clone(),
            control: tokio::runtime::Handle::current(),
        });
        Self { draining, services }
    }

    async fn call(&self, service: &str, method: &str, uri: &str) -> Response<Bytes> {
        let request = Request::builder().method(method).uri(uri).body(()).unwrap();
        self.services[service].call(request).await
    }

    /// Status and body of a GET of the API.
    async fn api(&self, uri: &str) -> (u16, Value) {
        let answer = self.call("api", "GET", uri).await;
        (
            answer.status().as_u16(),
            serde_json::from_slice(answer.body()).unwrap(),
        )
    }

    /// The names in a list of the API.
    async fn names(&self, uri: &str) -> Vec<String> {
        let (status, list) = self.api(uri).await;
        assert_eq!(status, 200, "{uri}: {list}");
        let items = list.as_array().unwrap().iter();
        items
            .map(|item| item["name"].as_str().unwrap().to_owned())
            .collect()
    }
}

fn entry_point(name: &str) -> EntryPoint {
    let address = if name == "web" { ":8000" } else { "127.0.0.1:8080" };
    EntryPoint::new(address.parse().unwrap())
}

fn provider(name: &str, synced: bool) -> ProviderStatus {
    ProviderStatus {
        name: mesh_config::ProviderName::new(name),
        required: true,
        synced,
        errors: 2,
        scopes: vec![ScopeStatus {
            scope: "service web".to_owned(),
            state: if synced {
                ScopeState::Failed
            } else {
                ScopeState::Starting
            },
            last_success: synced.then(|| SystemTime::now() - Duration::from_secs(90)),
            last_error: Some("cannot reach http://me:s3cret@consul:8500: refused".to_owned()),
            instances: 4,
        }],
    }
}

fn info(name: &str) -> EntryPointInfo {
    EntryPointInfo {
        name: name.into(),
        default: name == "web",
    }
}

fn table(objects: &Value) -> Arc<RoutingTable> {
    let mut compiler = Compiler::new(CompilerSettings {
        entry_points: ["mesh", "web"].map(info).into(),
        precedence: Vec::new(),
        default_transport: ServersTransport::default(),
        internal: InternalServices::new(),
        zone: String::new(),
        tls: mesh_tls::Keeper::new().unwrap().tls().unwrap(),
    });
    compiler.compile(&Configuration {
        routers: entries(&objects["routers"]),
        services: entries(&objects["services"]),
        middlewares: entries(&objects["middlewares"]),
        ..Configuration::default()
    })
}

fn entries<T: DeserializeOwned>(section: &Value) -> BTreeMap<QualifiedName, Arc<Entry<T>>> {
    let objects = section.as_object().into_iter().flatten();
    let entries = objects.map(|(name, object)| {
        let entry = Entry {
            value: serde_json::from_value(object.clone()).unwrap(),
            origin: Origin::new("routes.yml:1"),
            problems: Vec::new(),
        };
        (
            serde_json::from_value(Value::from(name.as_str())).unwrap(),
            Arc::new(entry),
        )
    });
    entries.collect()
}
