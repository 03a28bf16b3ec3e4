//! `inFlightReq`: limits how many requests of one source are answered at a time.

use std::{collections::HashMap, sync::Arc};

use futures::future::LocalBoxFuture;
use http::StatusCode;
use mesh_config::model;
use mesh_telemetry::metrics::Outcome;

use super::{
    Around, Instances, InvalidMiddleware, Next, Visit, answer_text,
    source::Source,
    sources::{Sharded, Who},
};
use crate::forward::Answer;

/// Sources with requests in flight that are told apart; those of further ones are refused.
const MAX_SOURCES: usize = 65_536;

/// One limit, with what is in flight for one router.
#[derive(Debug)]
pub(super) struct InFlightReq {
    settings: Arc<Settings>,
    counts: Arc<Counts>,
}

#[derive(Debug)]
struct Settings {
    amount: u32,
    source: Source,
    instances: Instances<Counts>,
}

/// Requests in flight by source.
#[derive(Debug)]
struct Counts(Sharded<HashMap<Who, u32>>);

/// A request in flight.
#[derive(Debug)]
struct Place {
    counts: Arc<Counts>,
    who: Who,
}

impl InFlightReq {
    pub(super) fn new(settings: &model::InFlightReq) -> Result<Self, InvalidMiddleware> {
        Ok(Self {
            settings: Arc::new(Settings {
                amount: settings.amount,
                source: Source::new(settings.source_criterion.as_ref(), Source::Host)?,
                instances: Instances::default(),
            }),
            counts: Arc::default(),
        })
    }
}

impl Around for InFlightReq {
    fn call<'a>(&'a self, visit: &'a mut Visit<'_>, mut next: Next<'a>) -> LocalBoxFuture<'a, Answer> {
        Box::pin(async move {
            let key = self.settings.source.key(&visit.head.headers, visit.client.peer());
            let who = self.counts.0.who(&key);
            let amount = self.settings.amount;
            let Some(place) = self.counts.enter(who, amount) else {
                let text = format!("max connections reached: {amount}");
                let refusal = answer_text(StatusCode::TOO_MANY_REQUESTS, text);
                return Answer::from(refusal).counted(Outcome::Limit);
            };
            let mut answer = next.run(visit).await;
            answer.hold(place);
            answer
        })
    }

    fn for_owner(&self, owner: &str) -> Option<Arc<dyn Around>> {
        Some(Arc::new(Self {
            settings: self.settings.clone(),
            counts: self.settings.instances.of(owner, Counts::default),
        }))
    }
}

impl Default for Counts {
    fn default() -> Self {
        Self(Sharded::new(MAX_SOURCES))
    }
}

impl Counts {
    /// A place for one more request of a source that may have `amount`.
    fn enter(self: &Arc<Self>, who: Who, amount: u32) -> Option<Place> {
        let (mut counts, room) = self.0.lock(who);
        let is_known = counts.contains_key(&who);
        if amount == 0 || !is_known && counts.len() >= room {
            return None;
        }
        let count = counts.entry(who).or_default();
        if *count >= amount {
            return None;
        }
        *count += 1;
        Some(Place {
            counts: self.clone(),
            who,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (mut counts, _) = self.counts.0.lock(self.who);
        if let Some(count) = counts.get_mut(&self.who) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::source::Key, *};

    #[test]
    fn each_source_has_its_places_and_nothing_is_left_of_it() {
        let counts = Arc::new(Counts::default());
        let [a, b] = [&b"a"[..], b"b"].map(|text| counts.0.who(&Key::Text(text)));
        let places = [counts.enter(a, 2), counts.enter(a, 2), counts.enter(b, 2)];
        assert!(places.iter().all(Option::is_some));
        assert!(counts.enter(a, 2).is_none());
        drop(places);
        assert!(counts.enter(a, 1).is_some());
        assert!(counts.enter(a, 0).is_none());
        assert_eq!(counts.0.lock(a).0.len(), 0);
    }

    #[test]
    fn sources_beyond_the_bound_are_refused() {
        let counts = Arc::new(Counts(Sharded::new(1)));
        let who = |n: u32| counts.0.who(&Key::Text(&n.to_be_bytes()));
        let places: Vec<_> = (0..200).map(|n| counts.enter(who(n), 9)).collect();
        let taken = places.iter().flatten().count();
        assert!((1..=16).contains(&taken), "{taken} of 200");
    }
}
