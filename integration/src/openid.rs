//! A certified OpenID provider, dressed by `oidc/provider.mjs`.

use std::{path::Path, process::Stdio};

use serde_json::Value;
use tokio::process::{Child, Command};

use crate::{Browser, Page, port, skip, wait::until};

/// oidc-provider with one client, `shop`, and users of any name without passwords. Dropping it ends it.
#[derive(Debug)]
pub struct OpenId {
    port: u16,
    _server: Child,
    client: reqwest::Client,
}

impl OpenId {
    /// What the client is called.
    pub const CLIENT: &str = "shop";

    /// What the client shows.
    pub const SECRET: &str = "a secret: of the/client";

    /// A provider that sends users back to `callback`, and to `after_logout`. `None`: skip the test.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(callback: &str, after_logout: &str) -> Option<Self> {
        let directory = skip::oidc_provider()?;
        let [port] = port::free();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("oidc/provider.mjs");
        let server = Command::new("node")
            .arg(script)
            .arg(directory)
            .arg(port.to_string())
            .args([callback, after_logout])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("node runs");
        let provider = Self {
            port,
            _server: server,
            client: reqwest::Client::new(),
        };
        until("oidc-provider answers", async || provider.says().await.is_some()).await;
        Some(provider)
    }

    /// What it calls itself.
    pub fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How often it did something: `grant.success refresh_token`.
    pub async fn count(&self, what: &str) -> u64 {
        let says = self.says().await.expect("an answer");
        says[what].as_u64().unwrap_or_default()
    }

    async fn says(&self) -> Option<Value> {
        let answer = self
            .client
            .get(format!("{}/says", self.issuer()))
            .send()
            .await
            .ok()?;
        answer.json().await.ok()
    }

    /// Fills in its forms on `page` as `user`, and agrees to all of it.
    ///
    /// # Panics
    /// When `page` is none of its forms.
    pub async fn log_in(&self, browser: &mut Browser, page: &Page, user: &str) -> Page {
        assert!(
            page.text.contains("name=\"login\""),
            "no form to log in: {page:?}"
        );
        let consent = browser.send(page, &[("login", user), ("password", "any")]).await;
        browser.send(&consent, &[]).await
    }
}
