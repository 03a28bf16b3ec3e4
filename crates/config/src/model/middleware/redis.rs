//! Options of `redis`, where middlewares count together.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ClientTls, Hidden};
use crate::model::is_default;

/// A Redis that several processes count in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Redis {
    /// `host:port` of the server; of several, they are nodes of a cluster.
    pub endpoints: Vec<String>,
    /// Who Mesh says it is.
    #[serde(skip_serializing_if = "is_default")]
    pub username: String,
    /// How it proves that.
    #[serde(skip_serializing_if = "is_default")]
    pub password: Hidden,
    /// The database.
    #[serde(skip_serializing_if = "is_default")]
    pub db: i64,
    /// Connections at most; 0 means one for each worker.
    #[serde(skip_serializing_if = "is_default")]
    pub pool_size: u32,
    /// Connections that stay open; each that was opened does.
    #[serde(skip_serializing_if = "is_default")]
    pub min_idle_conns: u32,
    /// A further limit of connections; 0 is none.
    #[serde(skip_serializing_if = "is_default")]
    pub max_active_conns: u32,
    /// How long connecting may take.
    #[serde(with = "crate::duration")]
    pub dial_timeout: Duration,
    /// How long Redis may take to answer.
    #[serde(with = "crate::duration")]
    pub read_timeout: Duration,
    /// How long it may take to send it a question.
    #[serde(with = "crate::duration")]
    pub write_timeout: Duration,
    /// Speak TLS.
    #[serde(skip_serializing_if = "is_default")]
    pub tls: Option<ClientTls>,
    /// What becomes of requests while Redis cannot be asked.
    #[serde(skip_serializing_if = "is_default")]
    pub on_error: OnError,
}

/// What becomes of requests that cannot be counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnError {
    /// They are answered 500.
    #[default]
    Deny,
    /// They pass.
    Allow,
}

impl Default for Redis {
    fn default() -> Self {
        Self {
            endpoints: vec!["localhost:6379".to_owned()],
            username: String::new(),
            password: Hidden::default(),
            db: 0,
            pool_size: 0,
            min_idle_conns: 0,
            max_active_conns: 0,
            dial_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(3),
            write_timeout: Duration::from_secs(3),
            tls: None,
            on_error: OnError::Deny,
        }
    }
}
