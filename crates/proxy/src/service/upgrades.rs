//! Protocols that servers of a service may be asked to go on with.

use std::sync::Arc;

use http::HeaderValue;
use mesh_config::model;

/// Their names as servers are asked for them.
#[derive(Debug, Clone)]
pub struct Upgrades(Arc<[HeaderValue]>);

impl Upgrades {
    pub(crate) fn new(definition: &model::Upgrades) -> Self {
        let names = definition.iter();
        Self(
            names
                .filter_map(|name| HeaderValue::from_str(name).ok())
                .collect(),
        )
    }

    /// The one that `asked` means; `None` if it may not pass.
    pub(crate) fn allowed(&self, asked: &HeaderValue) -> Option<&HeaderValue> {
        let is_same = |name: &&HeaderValue| name.as_bytes().eq_ignore_ascii_case(asked.as_bytes());
        self.0.iter().find(is_same)
    }
}
