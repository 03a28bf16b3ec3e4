//! Options of `grpcWeb`.

use serde::{Deserialize, Serialize};

use crate::model::is_default;

/// Lets browsers speak to gRPC servers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct GrpcWeb {
    /// Origins whose pages may ask, `https://app.example`, or `*` for all.
    #[serde(skip_serializing_if = "is_default")]
    pub allow_origins: Vec<String>,
}
