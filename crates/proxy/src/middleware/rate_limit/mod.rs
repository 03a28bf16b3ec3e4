//! `rateLimit`: limits how often one source may ask.

mod law;
mod local;
mod shared;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::LocalBoxFuture;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use mesh_config::{QualifiedName, duration, model};
use mesh_telemetry::metrics::Outcome;

use self::{
    law::{Law, Verdict},
    local::Local,
    shared::Shared,
};
use super::{
    Around, Instances, InvalidMiddleware, Next, Visit, plain,
    source::{IpStrategy, Source},
};
use crate::forward::Answer;

static RATELIMIT_LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
static RATELIMIT_REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
static RATELIMIT_RESET: HeaderName = HeaderName::from_static("ratelimit-reset");
static X_RETRY_IN: HeaderName = HeaderName::from_static("x-retry-in");

/// One limit, with the buckets of one router.
#[derive(Debug)]
pub(super) struct RateLimit {
    settings: Arc<Settings>,
    buckets: Buckets,
}

#[derive(Debug)]
struct Settings {
    /// None: without limit.
    law: Option<Law>,
    source: Source,
    instances: Instances<Local>,
}

/// Where tokens are counted.
#[derive(Debug, Clone)]
enum Buckets {
    Local(Arc<Local>),
    Shared(Arc<Shared>),
}

impl RateLimit {
    pub(super) fn new(name: &QualifiedName, settings: &model::RateLimit) -> Result<Self, InvalidMiddleware> {
        let by_address = Source::Ip(IpStrategy::default());
        let buckets = match &settings.redis {
            None => Buckets::Local(Arc::default()),
            Some(redis) => Buckets::Shared(Arc::new(Shared::new(name, redis)?)),
        };
        Ok(Self {
            settings: Arc::new(Settings {
                law: Law::new(settings),
                source: Source::new(settings.source_criterion.as_ref(), by_address)?,
                instances: Instances::default(),
            }),
            buckets,
        })
    }

    /// Whether a request passes, and when; what is to become of it if that cannot be told.
    async fn judge(&self, law: &Law, visit: &Visit<'_>) -> Result<Verdict, model::OnError> {
        let key = self.settings.source.key(&visit.head.headers, visit.client.peer());
        match &self.buckets {
            Buckets::Local(local) => Ok(local.take(law, &key)),
            Buckets::Shared(shared) => shared.take(law, &key).await,
        }
    }
}

impl Around for RateLimit {
    fn call<'a>(&'a self, visit: &'a mut Visit<'_>, mut next: Next<'a>) -> LocalBoxFuture<'a, Answer> {
        Box::pin(async move {
            let Some(law) = &self.settings.law else {
                return next.run(visit).await;
            };
            match self.judge(law, visit).await {
                Ok(Verdict::Pass(Duration::ZERO)) => {}
                Ok(Verdict::Pass(delay)) => tokio::time::sleep(delay).await,
                Ok(Verdict::Refuse(wait)) => {
                    return Answer::from(refusal(law, wait)).counted(Outcome::Limit);
                }
                Err(model::OnError::Allow) => return next.run(visit).await.counted(Outcome::Uncounted),
                Err(model::OnError::Deny) => {
                    let refusal = plain(StatusCode::INTERNAL_SERVER_ERROR);
                    return Answer::from(refusal).counted(Outcome::Unavailable);
                }
            }
            next.run(visit).await
        })
    }

    fn for_owner(&self, owner: &str) -> Option<Arc<dyn Around>> {
        // What is in Redis is shared by all that count there.
        let Buckets::Local(_) = self.buckets else {
            return None;
        };
        Some(Arc::new(Self {
            settings: self.settings.clone(),
            buckets: Buckets::Local(self.settings.instances.of(owner, Local::default)),
        }))
    }
}

/// The answer to a request that may come again after `wait`.
fn refusal(law: &Law, wait: Duration) -> Response<Bytes> {
    let mut answer = plain(StatusCode::TOO_MANY_REQUESTS);
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let micros = Duration::from_micros(u64::try_from(wait.as_micros()).unwrap_or(u64::MAX));
    let values = [
        (&header::RETRY_AFTER, seconds.to_string()),
        (&X_RETRY_IN, duration::format(micros)),
        (&RATELIMIT_LIMIT, format!("{:.0}", law.burst)),
        (&RATELIMIT_REMAINING, "0".to_owned()),
        (&RATELIMIT_RESET, seconds.to_string()),
    ];
    for (name, value) in values {
        if let Ok(value) = HeaderValue::try_from(value) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_refused_learns_when_to_come_again() {
        let law = law::tests::cases()[0].law();
        let answer = refusal(&law, Duration::from_millis(1250));
        let value = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(answer.status(), 429);
        assert_eq!(
            (value("retry-after"), value("x-retry-in")),
            ("2".into(), "1s250ms".into())
        );
        let told = ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"].map(value);
        assert_eq!(told, ["3", "0", "2"]);
    }
}
