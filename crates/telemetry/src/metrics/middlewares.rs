//! What middlewares count: what they refuse and why, and what their caches had.

use std::{collections::BTreeMap, sync::Arc};

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::{gauges::Live, text::Text};

/// Middlewares that one worker tells apart; what further ones count is counted as `other`.
const MOST_MIDDLEWARES: usize = 2_000;

/// What the labels of the series for everything else say.
const OTHER: &str = "other";

/// What a middleware made of a request, where that is more than to let it pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Refused: it says nothing of who asks.
    Missing,
    /// Refused: what it says of who asks is not so.
    Invalid,
    /// Refused: it is known who asks, and that is not enough.
    Forbidden,
    /// Refused: the one that was asked said no.
    Denied,
    /// Refused: its address, or another thing of its head, is not allowed.
    Rejected,
    /// Sent to where clients log in.
    Login,
    /// Refused: too many.
    Limit,
    /// Refused: its headers are too many, or too long.
    Headers,
    /// Refused: its body is too long.
    Body,
    /// Refused: the breaker is open.
    Open,
    /// Refused: what is needed to tell cannot be had.
    Unavailable,
    /// Refused: only what is kept was wanted, and nothing is.
    OnlyIfCached,
    /// Answered by what is kept.
    Hit,
    /// Answered by what is kept and not fresh any more.
    Stale,
    /// Answered by what is kept, which still holds, as was asked.
    Revalidated,
    /// Nothing is kept for it.
    Miss,
    /// Nothing can be kept for requests like this one.
    Bypass,
    /// Passed without having been counted.
    Uncounted,
}

/// Where an outcome is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Refused,
    Cache,
    Uncounted,
}

impl Outcome {
    /// Every one, in the order of their declaration.
    pub(super) const ALL: [Self; 18] = [
        Self::Missing,
        Self::Invalid,
        Self::Forbidden,
        Self::Denied,
        Self::Rejected,
        Self::Login,
        Self::Limit,
        Self::Headers,
        Self::Body,
        Self::Open,
        Self::Unavailable,
        Self::OnlyIfCached,
        Self::Hit,
        Self::Stale,
        Self::Revalidated,
        Self::Miss,
        Self::Bypass,
        Self::Uncounted,
    ];

    /// As it appears in labels.
    fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Invalid => "invalid",
            Self::Forbidden => "forbidden",
            Self::Denied => "denied",
            Self::Rejected => "rejected",
            Self::Login => "login",
            Self::Limit => "limit",
            Self::Headers => "headers",
            Self::Body => "body",
            Self::Open => "open",
            Self::Unavailable => "unavailable",
            Self::OnlyIfCached => "only-if-cached",
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Revalidated => "revalidated",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
            Self::Uncounted => "uncounted",
        }
    }

    fn family(self) -> Family {
        match self {
            Self::Missing
            | Self::Invalid
            | Self::Forbidden
            | Self::Denied
            | Self::Rejected
            | Self::Login
            | Self::Limit
            | Self::Headers
            | Self::Body
            | Self::Open
            | Self::Unavailable
            | Self::OnlyIfCached => Family::Refused,
            Self::Hit | Self::Stale | Self::Revalidated | Self::Miss | Self::Bypass => Family::Cache,
            Self::Uncounted => Family::Uncounted,
        }
    }
}

/// Some outcomes of one request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcomes(u32);

impl Outcomes {
    /// One more.
    pub fn add(&mut self, outcome: Outcome) {
        self.0 |= 1 << outcome as u32;
    }

    /// All of `others`.
    pub fn add_all(&mut self, others: Self) {
        self.0 |= others.0;
    }

    /// True if there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// True if `outcome` is one of them.
    pub fn has(self, outcome: Outcome) -> bool {
        self.0 & 1 << outcome as u32 != 0
    }
}

impl From<Outcome> for Outcomes {
    fn from(outcome: Outcome) -> Self {
        let mut outcomes = Self::default();
        outcomes.add(outcome);
        outcomes
    }
}

/// What the middlewares counted on one worker, by name.
#[derive(Debug, Default)]
pub(super) struct MiddlewareTable {
    known: HashMap<Arc<str>, Counts, FixedState>,
    /// Of middlewares that found no room.
    other: Option<Counts>,
}

/// What one middleware counted.
#[derive(Debug, Clone)]
struct Counts {
    kind: &'static str,
    /// By the place of the outcome in [`Outcome::ALL`].
    counts: [u64; Outcome::ALL.len()],
}

impl MiddlewareTable {
    pub(super) fn count(&mut self, name: &Arc<str>, kind: &'static str, outcomes: Outcomes) {
        let is_full = self.known.len() >= MOST_MIDDLEWARES;
        let counts = match self.known.get_mut(name) {
            Some(counts) => counts,
            None if is_full => self.other.get_or_insert_with(|| Counts::new(OTHER)),
            None => self
                .known
                .entry(name.clone())
                .or_insert_with(|| Counts::new(kind)),
        };
        // Another definition under the same name.
        if counts.kind != kind && counts.kind != OTHER {
            *counts = Counts::new(kind);
        }
        for (outcome, count) in Outcome::ALL.into_iter().zip(&mut counts.counts) {
            *count += u64::from(outcomes.has(outcome));
        }
    }
}

impl Counts {
    fn new(kind: &'static str) -> Self {
        Self {
            kind,
            counts: Default::default(),
        }
    }
}

/// What middlewares counted on all workers.
#[derive(Debug, Default)]
pub(super) struct MiddlewareSums(BTreeMap<(Arc<str>, &'static str), [u64; Outcome::ALL.len()]>);

impl MiddlewareSums {
    /// Adds what one worker counted; what is not `live` any more is there for the last time.
    pub(super) fn collect(&mut self, table: &mut MiddlewareTable, live: Option<&Live>) {
        let other = table
            .other
            .iter()
            .map(|counts| (Arc::from(OTHER), counts.clone()));
        let known = table
            .known
            .iter()
            .map(|(name, counts)| (name.clone(), counts.clone()));
        for (name, Counts { kind, counts }) in known.chain(other) {
            let sums = self.0.entry((name, kind)).or_default();
            for (sum, count) in sums.iter_mut().zip(counts) {
                *sum += count;
            }
        }
        if let Some(live) = live {
            table.known.retain(|name, _| live.middlewares.contains(&**name));
        }
    }

    pub(super) fn write(&self, text: &mut Text) {
        let mut family = |family, name: &str, help: &str, label: Option<&str>| {
            text.metric(name, "counter", help);
            for ((middleware, kind), counts) in &self.0 {
                let of_family = Outcome::ALL
                    .into_iter()
                    .zip(counts)
                    .filter(|(outcome, count)| outcome.family() == family && **count > 0);
                for (outcome, count) in of_family {
                    let mut labels = vec![("middleware", &**middleware), ("kind", kind)];
                    labels.extend(label.map(|label| (label, outcome.as_str())));
                    text.sample("", &labels, count);
                }
            }
        };
        family(
            Family::Refused,
            "middleware_refused_requests_total",
            "Requests that a middleware answered instead of letting them pass.",
            Some("reason"),
        );
        family(
            Family::Cache,
            "middleware_cache_requests_total",
            "Requests to a middleware that keeps answers, by what it had for them.",
            Some("outcome"),
        );
        family(
            Family::Uncounted,
            "middleware_uncounted_requests_total",
            "Requests that passed uncounted because Redis could not be asked.",
            None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(tables: &mut [MiddlewareTable], live: Option<&Live>) -> Vec<String> {
        let mut sums = MiddlewareSums::default();
        for table in tables {
            sums.collect(table, live);
        }
        let mut text = Text::default();
        sums.write(&mut text);
        let text = text.finish();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    }

    #[test]
    fn workers_are_summed_and_each_outcome_is_in_its_family() {
        let (plan, keep): (Arc<str>, Arc<str>) = ("plan@file".into(), "keep@file".into());
        let mut tables = [MiddlewareTable::default(), MiddlewareTable::default()];
        for table in &mut tables {
            table.count(&plan, "quota", Outcome::Limit.into());
        }
        let mut both = Outcomes::from(Outcome::Hit);
        both.add(Outcome::Denied);
        tables[1].count(&keep, "forwardAuth", both);
        tables[1].count(&plan, "quota", Outcome::Uncounted.into());
        assert_eq!(
            written(&mut tables, None),
            [
                r#"mesh_middleware_refused_requests_total{middleware="keep@file",kind="forwardAuth",reason="denied"} 1"#,
                r#"mesh_middleware_refused_requests_total{middleware="plan@file",kind="quota",reason="limit"} 2"#,
                r#"mesh_middleware_cache_requests_total{middleware="keep@file",kind="forwardAuth",outcome="hit"} 1"#,
                r#"mesh_middleware_uncounted_requests_total{middleware="plan@file",kind="quota"} 1"#,
            ]
        );
    }

    #[test]
    fn every_outcome_is_shown_under_a_name_of_its_own() {
        let name: Arc<str> = "m@file".into();
        let mut table = MiddlewareTable::default();
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::ALL[outcome as usize], outcome);
            table.count(&name, "cache", outcome.into());
        }
        let mut lines = written(&mut [table], None);
        lines.dedup();
        assert_eq!(lines.len(), Outcome::ALL.len());
        assert!(lines.iter().all(|line| line.ends_with(" 1")), "{lines:?}");
    }

    #[test]
    fn what_is_gone_is_shown_once_more_and_another_kind_begins_anew() {
        let name: Arc<str> = "m@file".into();
        let mut tables = [MiddlewareTable::default()];
        tables[0].count(&name, "jwt", Outcome::Missing.into());
        tables[0].count(&name, "apiKey", Outcome::Missing.into());
        let nothing = Live::default();
        let lines = written(&mut tables, Some(&nothing));
        assert_eq!(
            lines,
            [
                r#"mesh_middleware_refused_requests_total{middleware="m@file",kind="apiKey",reason="missing"} 1"#
            ]
        );
        assert!(written(&mut tables, Some(&nothing)).is_empty());
    }

    #[test]
    fn middlewares_without_room_are_counted_together() {
        let mut table = MiddlewareTable::default();
        for number in 0..MOST_MIDDLEWARES + 2 {
            table.count(&format!("m{number}@file").into(), "quota", Outcome::Limit.into());
        }
        assert_eq!(table.known.len(), MOST_MIDDLEWARES);
        let lines = written(&mut [table], None);
        let other =
            r#"mesh_middleware_refused_requests_total{middleware="other",kind="other",reason="limit"} 2"#;
        assert!(lines.contains(&other.to_owned()));
    }
}
