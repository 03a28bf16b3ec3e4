//! Counts in a Redis, shared by all processes that count there.

use mesh_config::{QualifiedName, model};

use super::{Balance, Law};
use crate::middleware::{InvalidMiddleware, redis::Redis, source::Key};

/// The counts of one middleware.
#[derive(Debug)]
pub(super) struct Shared(Redis);

impl Shared {
    pub(super) fn new(name: &QualifiedName, settings: &model::Redis) -> Result<Self, InvalidMiddleware> {
        Redis::new(("quota", name), include_str!("count.lua"), settings).map(Self)
    }

    /// What a request of a source finds, which is counted if it passes; what is to become of it if that cannot be told.
    pub(super) async fn take(&self, law: Law, key: &Key<'_>) -> Result<Balance, model::OnError> {
        let arguments = [law.limit.to_string(), law.period.to_string()];
        let said = self.0.count::<(u8, u64, u64)>(key, &arguments).await;
        said.map(|(passes, requests, left)| law.balance(passes == 1, requests, u128::from(left)))
    }
}
