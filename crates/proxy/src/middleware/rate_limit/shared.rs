//! Buckets in a Redis, shared by all processes that count there.

use std::time::Duration;

use mesh_config::{QualifiedName, model};

use super::law::{Law, Verdict};
use crate::middleware::{InvalidMiddleware, redis::Redis, source::Key};

/// The buckets of one middleware.
#[derive(Debug)]
pub(super) struct Shared(Redis);

impl Shared {
    pub(super) fn new(name: &QualifiedName, settings: &model::Redis) -> Result<Self, InvalidMiddleware> {
        Redis::new(("rate", name), include_str!("take.lua"), settings).map(Self)
    }

    /// Takes a token of a source; what is to become of the request if that cannot be done.
    pub(super) async fn take(&self, law: &Law, key: &Key<'_>) -> Result<Verdict, model::OnError> {
        let longest = law.max_delay.as_micros();
        let arguments = [
            law.rate.to_string(),
            law.burst.to_string(),
            longest.to_string(),
            law.memory().to_string(),
        ];
        let (passes, wait) = self.0.count::<(u8, u64)>(key, &arguments).await?;
        let wait = Duration::from_micros(wait);
        Ok(match passes {
            0 => Verdict::Refuse(wait),
            _ => Verdict::Pass(wait),
        })
    }
}
