//! The zone that this process is in, where nobody wrote it.

use std::time::Duration;

use http::Method;
use serde::Deserialize;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::http_client;

/// Where ECS tells a container about its task.
const TASK_METADATA: &str = "ECS_CONTAINER_METADATA_URI_V4";

/// How long a start waits for that.
const LIMIT: Duration = Duration::from_secs(1);

/// What is read of a task.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Task {
    #[serde(default)]
    availability_zone: String,
}

/// The zone as it is `written`, or else that of the ECS task which this process is in; empty without either.
pub(crate) async fn own_zone(written: &str) -> String {
    let task = std::env::var(TASK_METADATA).ok();
    let Some(task) = task.filter(|_| written.is_empty()) else {
        return written.to_owned();
    };
    match timeout(LIMIT, zone_of(&task)).await {
        Ok(Ok(zone)) => {
            info!(zone, "the zone of this task, from its metadata");
            zone
        }
        Ok(Err(error)) => {
            warn!(error, "cannot tell the zone of this task from its metadata");
            String::new()
        }
        Err(_) => {
            warn!(limit = ?LIMIT, "the metadata of this task did not come in time: its zone is not known");
            String::new()
        }
    }
}

async fn zone_of(task: &str) -> Result<String, String> {
    let answer = http_client::send(Method::GET, &format!("{task}/task")).await;
    let answer = answer.map_err(|error| error.to_string())?;
    if !answer.status().is_success() {
        return Err(format!("status {}", answer.status()));
    }
    let task: Task = serde_json::from_slice(answer.body()).map_err(|error| error.to_string())?;
    Ok(task.availability_zone)
}
