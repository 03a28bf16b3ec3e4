//! The law of a bucket of tokens. The script for Redis (`take.lua`) says the same; one table of cases holds for both.

use std::time::Duration;

use mesh_config::model;

/// Longest delay of a source that may ask less than once in a second.
const MAX_SLOW_DELAY: Duration = Duration::from_millis(500);

/// How fast buckets fill, and how full they get.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Law {
    /// Tokens in a second.
    pub(super) rate: f64,
    /// Tokens in a full bucket.
    pub(super) burst: f64,
    /// Longest delay of a request, in whole microseconds; one that would have to wait longer is refused.
    pub(super) max_delay: Duration,
}

/// Tokens that a source had at one moment. Less than none: those that wait have taken them in advance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bucket {
    /// Microseconds since some beginning.
    pub(super) at: u64,
    pub(super) tokens: f64,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Verdict {
    /// It goes on, after a while.
    Pass(Duration),
    /// It may come again after a while.
    Refuse(Duration),
}

impl Law {
    /// What `settings` say; `None` if they are without limit.
    pub(super) fn new(settings: &model::RateLimit) -> Option<Self> {
        if settings.average == 0 {
            return None;
        }
        let period = match settings.period.is_zero() {
            true => Duration::from_secs(1),
            false => settings.period,
        };
        #[expect(clippy::cast_precision_loss, reason = "nobody counts more than 2^53 requests")]
        let (average, burst) = (settings.average as f64, settings.burst.max(1) as f64);
        let rate = average / period.as_secs_f64();
        let max_delay = match rate < 1.0 {
            true => MAX_SLOW_DELAY,
            false => micros(0.5 / rate.floor()),
        };
        Some(Self {
            rate,
            burst,
            max_delay,
        })
    }

    /// Takes a token out of `bucket`, or out of a full one.
    pub(super) fn take(&self, bucket: Option<Bucket>, now: u64) -> (Bucket, Verdict) {
        let (at, filled) = match bucket {
            None => (now, self.burst),
            Some(before) => {
                let passed = Duration::from_micros(now.saturating_sub(before.at)).as_secs_f64();
                let filled = before.tokens + passed * self.rate;
                (now.max(before.at), filled.min(self.burst))
            }
        };
        let tokens = filled - 1.0;
        let wait = micros(-tokens.min(0.0) / self.rate);
        match wait > self.max_delay {
            true => (Bucket { at, tokens: filled }, Verdict::Refuse(wait)),
            false => (Bucket { at, tokens }, Verdict::Pass(wait)),
        }
    }

    /// When a bucket is full again, in microseconds: then it need not be remembered.
    pub(super) fn full_at(&self, bucket: &Bucket) -> u64 {
        let missing = (self.burst - bucket.tokens) / self.rate;
        let wait = Duration::try_from_secs_f64(missing).unwrap_or(Duration::MAX);
        bucket
            .at
            .saturating_add(u64::try_from(wait.as_micros()).unwrap_or(u64::MAX))
    }

    /// How long an empty bucket takes to be full, and the longest delay before that, in milliseconds.
    pub(super) fn memory(&self) -> u64 {
        const LONGEST: f64 = 10.0 * 365.0 * 86_400.0;
        let filling = micros((self.burst / self.rate).min(LONGEST));
        let memory = filling + self.max_delay + Duration::from_secs(1);
        u64::try_from(memory.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Seconds in whole microseconds: what is left of fractions decides nothing.
fn micros(seconds: f64) -> Duration {
    let exact = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    let micros = exact.as_nanos().saturating_add(500) / 1000;
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A run of requests of one source, and what becomes of each.
    #[derive(Debug, serde::Deserialize)]
    pub(in super::super) struct Case {
        pub(in super::super) name: String,
        average: u64,
        period_ms: u64,
        burst: u64,
        /// When, in milliseconds, and what: a delay in milliseconds, or `!` and when to come again.
        pub(in super::super) requests: Vec<(u64, String)>,
    }

    /// The same for the bucket in this process and for Redis.
    pub(in super::super) fn cases() -> Vec<Case> {
        serde_json::from_str(include_str!("cases.json")).unwrap()
    }

    impl Case {
        pub(in super::super) fn law(&self) -> Law {
            Law::new(&model::RateLimit {
                average: self.average,
                period: Duration::from_millis(self.period_ms),
                burst: self.burst,
                ..model::RateLimit::default()
            })
            .unwrap()
        }
    }

    pub(in super::super) fn written(verdict: Verdict) -> String {
        match verdict {
            Verdict::Pass(delay) => delay.as_millis().to_string(),
            Verdict::Refuse(delay) => format!("!{}", delay.as_millis()),
        }
    }

    #[test]
    fn requests_pass_wait_and_are_refused_as_the_table_says() {
        for case in cases() {
            let (law, mut bucket) = (case.law(), None);
            for (number, (at, wanted)) in case.requests.iter().enumerate() {
                let (next, verdict) = law.take(bucket, at * 1000);
                bucket = Some(next);
                assert_eq!(written(verdict), *wanted, "{}, request {number}", case.name);
            }
        }
    }

    #[test]
    fn without_average_there_is_no_limit() {
        assert_eq!(Law::new(&model::RateLimit::default()), None);
    }

    #[test]
    fn a_full_bucket_is_as_good_as_none() {
        let law = cases()[0].law();
        let (bucket, _) = law.take(None, 0);
        let full = law.full_at(&bucket);
        assert_eq!(
            law.take(Some(bucket), full).0.tokens,
            law.take(None, full).0.tokens
        );
        assert!(law.memory() * 1000 >= full);
    }
}
