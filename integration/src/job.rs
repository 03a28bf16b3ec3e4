//! A job of one group of servers that say who they are.

use std::time::Duration;

use serde_json::{Value, json};

use crate::images::beside;

/// What Nomad is to run.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its name, which is that of its service as well.
    pub name: &'static str,
    /// Where it belongs.
    pub namespace: &'static str,
    /// How many.
    pub count: usize,
    /// The first part of every server's name.
    pub version: &'static str,
    /// What its service says of itself.
    pub tags: Vec<String>,
    /// What a canary says instead.
    pub canary_tags: Vec<String>,
    /// How many canaries a deploy begins with.
    pub canaries: usize,
    /// Deploys replace one server after the other, and wait for its health.
    pub rolling: bool,
    /// How long a server takes until it listens.
    pub slow_start: Duration,
    /// How long Nomad waits before it starts a server that crashed.
    pub restart_delay: Duration,
    /// How long a server runs on that is deregistered.
    pub shutdown_delay: Duration,
}

impl Job {
    /// One server of version `v1` without tags.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            namespace: "default",
            count: 1,
            version: "v1",
            tags: Vec::new(),
            canary_tags: Vec::new(),
            canaries: 0,
            rolling: false,
            slow_start: Duration::ZERO,
            restart_delay: Duration::from_secs(1),
            shutdown_delay: Duration::from_secs(2),
        }
    }

    /// Two servers that answer for `host`.
    pub fn of_host(name: &'static str, host: &str) -> Self {
        Self {
            count: 2,
            tags: vec![format!("mesh.host={host}")],
            ..Self::new(name)
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        let nanos = |duration: Duration| duration.as_nanos() as u64;
        let second = nanos(Duration::from_secs(1));
        let check =
            json!({"Type": "http", "Path": "/", "Name": "alive", "Interval": second, "Timeout": second});
        let service = json!({
            "Name": self.name, "PortLabel": "http", "Provider": "nomad",
            "Tags": self.tags, "CanaryTags": self.canary_tags, "Checks": [check],
        });
        let task = json!({
            "Name": "who", "Driver": "raw_exec",
            "Config": {"command": beside("who"), "args": []},
            "Env": {"WHO": self.version, "WHO_DELAY": self.slow_start.as_millis().to_string()},
            "LogConfig": {"Disabled": true, "MaxFiles": 1, "MaxFileSizeMB": 1},
            "Resources": {"CPU": 20, "MemoryMB": 20},
        });
        json!({
            "ID": self.name, "Name": self.name, "Namespace": self.namespace,
            "Type": "service", "Datacenters": ["dc1"],
            "TaskGroups": [{
                "Name": "group", "Count": self.count,
                "Networks": [{"DynamicPorts": [{"Label": "http"}]}],
                "Services": [service], "Tasks": [task],
                "ShutdownDelay": nanos(self.shutdown_delay),
                "RestartPolicy": {
                    "Attempts": 10, "Delay": nanos(self.restart_delay), "Interval": 300 * second, "Mode": "delay",
                },
                "Migrate": {
                    "MaxParallel": 1, "HealthCheck": "checks", "MinHealthyTime": second, "HealthyDeadline": 60 * second,
                },
                "Update": {
                    "MaxParallel": usize::from(self.rolling || self.canaries > 0), "Canary": self.canaries,
                    "HealthCheck": "checks", "MinHealthyTime": second, "HealthyDeadline": 60 * second,
                    "ProgressDeadline": 120 * second, "Stagger": second, "AutoPromote": false,
                },
                "EphemeralDisk": {"SizeMB": 10},
            }],
        })
    }
}
