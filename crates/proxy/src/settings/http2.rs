//! HTTP/2 on an entrypoint.

use serde::{Deserialize, Serialize};

use super::NotServed;

/// What one HTTP/2 connection may ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Http2Settings {
    /// Requests that a client may have open on one connection.
    #[serde(deserialize_with = "mesh_config::whole::within::<_, _, 1, 10_000>")]
    pub max_concurrent_streams: u32,
    /// Largest table of headers that a client may refer to, in bytes.
    #[serde(deserialize_with = "mesh_config::whole::within::<_, _, 0, 65_536>")]
    pub max_decoder_header_table_size: u32,
    /// Largest head of a request, in bytes, each header counted with 32 more (RFC 9113 6.5.2).
    #[serde(deserialize_with = "mesh_config::whole::within::<_, _, 8192, 1_048_576>")]
    pub max_header_list_size: u32,
    /// Not served: the codec keeps to 4096 bytes, or to what the client allows.
    #[serde(skip_serializing)]
    pub max_encoder_header_table_size: Option<NotServed>,
}

impl Default for Http2Settings {
    fn default() -> Self {
        Self {
            max_concurrent_streams: 250,
            max_decoder_header_table_size: 4096,
            max_header_list_size: 64 * 1024,
            max_encoder_header_table_size: None,
        }
    }
}
