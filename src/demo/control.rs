//! `POST /demo/servers/a?weight=3&health=down`: the levers of the demo.

use std::sync::Arc;

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use http::{Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use mesh_proxy::InternalService;
use serde_json::json;

use super::server::Servers;

/// Changes the servers.
#[derive(Debug)]
pub(crate) struct Control {
    servers: Arc<Servers>,
}

impl Control {
    /// Levers for `servers`.
    pub(crate) fn new(servers: Arc<Servers>) -> Self {
        Self { servers }
    }

    fn answer(&self, request: &Request<()>) -> (StatusCode, String) {
        let path = request.uri().path().trim_end_matches('/');
        let Some(name) = path.strip_prefix("/demo/servers") else {
            return (
                StatusCode::NOT_FOUND,
                "there is /demo/servers, and /demo/servers/a".to_owned(),
            );
        };
        let name = name.trim_start_matches('/');
        let change = [Method::POST, Method::PUT].contains(request.method());
        if !name.is_empty() && self.servers.named(name).is_none() {
            return (
                StatusCode::NOT_FOUND,
                format!("there is no server {name}: take a or b"),
            );
        }
        if change {
            let changed = self.change(name, request.uri().query().unwrap_or_default());
            if let Err(reason) = changed {
                return (StatusCode::BAD_REQUEST, reason);
            }
        }
        (StatusCode::OK, self.state())
    }

    fn change(&self, name: &str, query: &str) -> Result<(), String> {
        let server = self.servers.named(name).ok_or("name a server: /demo/servers/a")?;
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let usage = || "add ?weight=0 to 100, ?health=up or ?health=down".to_owned();
        let (mut weight, mut healthy) = (None, None);
        for (key, value) in pairs {
            match (key, value) {
                ("weight", value) => {
                    let number = value.parse::<u32>().ok().filter(|weight| *weight <= 100);
                    weight = Some(number.ok_or_else(usage)?);
                }
                ("health", "up") => healthy = Some(true),
                ("health", "down") => healthy = Some(false),
                _ => return Err(usage()),
            }
        }
        if weight.is_none() && healthy.is_none() {
            return Err(usage());
        }
        if let Some(healthy) = healthy {
            server.set_healthy(healthy);
        }
        if let Some(weight) = weight {
            self.servers.set_weight(server, weight);
        }
        Ok(())
    }

    fn state(&self) -> String {
        let servers = self.servers.all().iter().map(|server| {
            let health = if server.is_healthy() { "up" } else { "down" };
            json!({"server": server.name, "url": format!("http://{}", server.address), "weight": server.weight(), "health": health})
        });
        json!(servers.collect::<Vec<_>>()).to_string()
    }
}

impl InternalService for Control {
    fn call(&self, request: Request<()>) -> BoxFuture<'static, Response<Bytes>> {
        let (status, text) = self.answer(&request);
        let kind = if status == StatusCode::OK {
            "application/json"
        } else {
            "text/plain; charset=utf-8"
        };
        let mut response = Response::new(Bytes::from(format!("{text}\n")));
        *response.status_mut() = status;
        response
            .headers_mut()
            .insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
        std::future::ready(response).boxed()
    }
}
