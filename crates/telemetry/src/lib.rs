//! What Mesh tells about itself: logs, access log and metrics.
//!
//! Nothing here makes a request wait. Workers record into their own [`metrics::Shard`], and lines go through
//! a bounded queue to a thread that writes them; what does not fit is counted, not waited for.

pub mod access_log;
mod background;
pub mod logs;
pub mod metrics;
pub mod timestamp;

use std::sync::Arc;

use access_log::AccessLog;
use metrics::Metrics;

/// What requests leave behind; `None` for what is not configured.
#[derive(Debug, Clone, Default)]
pub struct RequestTelemetry {
    /// Counts and durations.
    pub metrics: Option<Arc<Metrics>>,
    /// One line per request.
    pub access_log: Option<Arc<AccessLog>>,
}
