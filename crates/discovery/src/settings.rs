//! What a user may set about discovery as a whole.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

/// How long things are remembered, where, and how often changes are published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct DiscoverySettings {
    /// How long the routes of a service outlive its last instance, answering 503; 0 forgets them at once.
    #[serde(with = "mesh_config::duration")]
    pub route_retention: Duration,
    /// How long an instance that its provider no longer lists is kept as draining.
    #[serde(with = "mesh_config::duration")]
    pub drain: Duration,
    /// The copy of all knowledge on disk.
    pub snapshot: SnapshotSettings,
    /// The pace of new configurations.
    pub publish: PublishSettings,
}

impl Default for DiscoverySettings {
    fn default() -> Self {
        Self {
            route_retention: Duration::from_secs(600),
            drain: Duration::from_secs(10),
            snapshot: SnapshotSettings::default(),
            publish: PublishSettings::default(),
        }
    }
}

/// The copy of all knowledge on disk, from which a cold start serves while no provider answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct SnapshotSettings {
    /// Keep one.
    pub enabled: bool,
    /// The file. Absent: `snapshot.json` in `$STATE_DIRECTORY` (set by systemd), `$XDG_STATE_HOME/mesh`,
    /// `~/.local/state/mesh` or `/var/lib/mesh`, whichever comes first and is writable.
    pub path: Option<PathBuf>,
    /// Shortest time between two writes.
    #[serde(with = "mesh_config::duration")]
    pub interval: Duration,
}

impl Default for SnapshotSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            path: None,
            interval: Duration::from_secs(5),
        }
    }
}

/// The pace of new configurations. An isolated change is published at once; changes that follow it within
/// `min` are collected, and while they go on the time of collecting doubles up to `max`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct PublishSettings {
    /// Shortest time between two configurations.
    #[serde(with = "mesh_config::duration")]
    pub min: Duration,
    /// Longest time that a change waits in a storm.
    #[serde(with = "mesh_config::duration")]
    pub max: Duration,
}

impl Default for PublishSettings {
    fn default() -> Self {
        Self {
            min: Duration::from_millis(50),
            max: Duration::from_secs(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_optional_one_by_one_and_durations_have_units() {
        let settings: DiscoverySettings =
            serde_json::from_str(r#"{"routeRetention": "1h", "snapshot": {"path": "/tmp/s.json"}}"#).unwrap();
        assert_eq!(settings.route_retention, Duration::from_secs(3600));
        assert_eq!(settings.drain, Duration::from_secs(10));
        assert_eq!(settings.snapshot.path, Some(PathBuf::from("/tmp/s.json")));
        assert_eq!(settings.publish, PublishSettings::default());
    }
}
