//! The numbers of one worker.

use std::{
    hash::{BuildHasher, Hash, Hasher},
    sync::Arc,
};

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use parking_lot::Mutex;

use super::{
    Families, Label,
    entry_point::EntryPointCounts,
    middlewares::{MiddlewareTable, Outcomes},
    observation::{Observation, Protocol, method_label},
};

/// The numbers of one worker: no other worker touches it, a scrape does for microseconds at a time.
#[derive(Debug, Clone)]
pub struct Shard(pub(super) Arc<ShardState>);

#[derive(Debug)]
pub(super) struct ShardState {
    families: Families,
    add_internals: bool,
    pub(super) table: Mutex<SeriesTable>,
    pub(super) entry_points: Mutex<Vec<(Arc<str>, EntryPointCounts)>>,
    pub(super) middlewares: Mutex<MiddlewareTable>,
}

impl Shard {
    pub(super) fn new(
        families: Families,
        add_internals: bool,
        bounds: Arc<[u64]>,
        max_series: usize,
    ) -> Self {
        Self(Arc::new(ShardState {
            families,
            add_internals,
            table: Mutex::new(SeriesTable::new(bounds, max_series)),
            entry_points: Mutex::new(Vec::new()),
            middlewares: Mutex::default(),
        }))
    }

    /// Counts one finished request. One update, whatever families are on.
    pub fn record(&self, seen: &Observation<'_>) {
        if seen.internal && !self.0.add_internals {
            return;
        }
        let families = self.0.families;
        let labels = Labels {
            entry_point: seen.entry_point,
            router: seen.router.filter(|_| families.routers),
            service: seen.service.filter(|_| families.routers || families.services),
            code: seen.code,
            method: method_label(seen.method),
            protocol: seen.protocol,
        };
        self.0.table.lock().record(&labels, seen);
    }

    /// Counts what the middleware `name` made of a request.
    pub fn middleware(&self, name: &Arc<str>, kind: &'static str, outcomes: Outcomes) {
        self.0.middlewares.lock().count(name, kind, outcomes);
    }

    /// The numbers of an entrypoint on this worker; ask once per listener.
    pub fn entry_point(&self, name: &Arc<str>) -> EntryPointCounts {
        let mut known = self.0.entry_points.lock();
        if let Some((_, counts)) = known.iter().find(|(known, _)| known == name) {
            return counts.clone();
        }
        let counts = EntryPointCounts::default();
        known.push((name.clone(), counts.clone()));
        counts
    }
}

/// What tells series apart, borrowed from a request.
#[derive(Clone, Copy)]
struct Labels<'a> {
    entry_point: &'a Label,
    router: Option<&'a Label>,
    service: Option<&'a Label>,
    code: u16,
    method: &'static str,
    protocol: Protocol,
}

impl Labels<'_> {
    fn hash(&self) -> u64 {
        let mut state = FixedState::with_seed(0).build_hasher();
        state.write_u64(self.entry_point.hash());
        state.write_u64(self.router.map_or(0, Label::hash));
        state.write_u64(self.service.map_or(0, Label::hash));
        state.write_u32(u32::from(self.code) << 8 | self.protocol as u32);
        self.method.hash(&mut state);
        state.finish()
    }

    fn is(&self, key: &Key) -> bool {
        self.code == key.code
            && self.protocol == key.protocol
            && self.method == key.method
            && same(self.router, key.router.as_ref())
            && same(self.service, key.service.as_ref())
            && self.entry_point.is(&key.entry_point)
    }

    fn to_key(self) -> Key {
        Key {
            entry_point: self.entry_point.clone(),
            router: self.router.cloned(),
            service: self.service.cloned(),
            code: self.code,
            method: self.method,
            protocol: self.protocol,
        }
    }
}

fn same(a: Option<&Label>, b: Option<&Label>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.is(b),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// What tells series apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) entry_point: Label,
    pub(super) router: Option<Label>,
    pub(super) service: Option<Label>,
    pub(super) code: u16,
    pub(super) method: &'static str,
    pub(super) protocol: Protocol,
}

impl Key {
    fn labels(&self) -> Labels<'_> {
        Labels {
            entry_point: &self.entry_point,
            router: self.router.as_ref(),
            service: self.service.as_ref(),
            code: self.code,
            method: self.method,
            protocol: self.protocol,
        }
    }
}

/// The numbers of one series.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Series {
    pub(super) requests: u64,
    pub(super) nanos: u64,
    pub(super) request_bytes: u64,
    pub(super) response_bytes: u64,
    pub(super) retries: u64,
    /// Requests per bucket, each counted in its own bucket only; longer ones are in none.
    pub(super) buckets: Box<[u64]>,
}

impl Series {
    fn new(buckets: usize) -> Self {
        Self {
            buckets: vec![0; buckets].into_boxed_slice(),
            ..Self::default()
        }
    }

    fn count(&mut self, seen: &Observation<'_>, bounds: &[u64]) {
        let nanos = u64::try_from(seen.duration.as_nanos()).unwrap_or(u64::MAX);
        self.requests += 1;
        self.nanos = self.nanos.saturating_add(nanos);
        self.request_bytes = self.request_bytes.saturating_add(seen.request_bytes);
        self.response_bytes = self.response_bytes.saturating_add(seen.response_bytes);
        self.retries += u64::from(seen.retries);
        let bucket = bounds.iter().position(|bound| nanos <= *bound);
        if let Some(count) = bucket.and_then(|index| self.buckets.get_mut(index)) {
            *count += 1;
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.nanos = self.nanos.saturating_add(other.nanos);
        self.request_bytes = self.request_bytes.saturating_add(other.request_bytes);
        self.response_bytes = self.response_bytes.saturating_add(other.response_bytes);
        self.retries += other.retries;
        if self.buckets.is_empty() {
            self.buckets = other.buckets.clone();
            return;
        }
        for (count, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *count += more;
        }
    }
}

/// All series of a worker. A slab beside an index, so that a scrape can copy it in short pieces and the worker
/// never waits for the whole.
#[derive(Debug)]
pub(super) struct SeriesTable {
    bounds: Arc<[u64]>,
    max_series: usize,
    index: HashTable<usize>,
    slab: Vec<(u64, Key, Series)>,
    /// Requests whose labels found no room.
    pub(super) other: Series,
}

impl SeriesTable {
    fn new(bounds: Arc<[u64]>, max_series: usize) -> Self {
        let other = Series::new(bounds.len());
        Self {
            bounds,
            max_series,
            index: HashTable::new(),
            slab: Vec::new(),
            other,
        }
    }

    fn record(&mut self, labels: &Labels<'_>, seen: &Observation<'_>) {
        let slot = self.slot(labels);
        let series = match slot.and_then(|at| self.slab.get_mut(at)) {
            Some((_, _, series)) => series,
            None => &mut self.other,
        };
        series.count(seen, &self.bounds);
    }

    /// The place of `labels` in the slab, made when there is room.
    fn slot(&mut self, labels: &Labels<'_>) -> Option<usize> {
        let hash = labels.hash();
        let slab = &self.slab;
        let known = self
            .index
            .find(hash, |&at| slab.get(at).is_some_and(|(_, key, _)| labels.is(key)));
        if let Some(&at) = known {
            return Some(at);
        }
        let at = slab.len();
        if at >= self.max_series {
            return None;
        }
        self.slab
            .push((hash, labels.to_key(), Series::new(self.bounds.len())));
        let slab = &self.slab;
        self.index.insert_unique(hash, at, |&at| hash_at(slab, at));
        Some(at)
    }

    /// A copy of at most `count` series from place `from` on; empty behind the last.
    pub(super) fn copy(&self, from: usize, count: usize) -> Vec<(Key, Series)> {
        let copied = self.slab.iter().skip(from).take(count);
        copied
            .map(|(_, key, series)| (key.clone(), series.clone()))
            .collect()
    }

    /// Moves the numbers of `from` to the series `to`, so that sums over both stay what they were.
    pub(super) fn fold(&mut self, from: &Key, to: &Key) {
        let labels = from.labels();
        let hash = labels.hash();
        let slab = &self.slab;
        let found = self
            .index
            .find_entry(hash, |&at| slab.get(at).is_some_and(|(_, key, _)| labels.is(key)));
        let Ok(entry) = found else { return };
        let (at, _) = entry.remove();
        let (_, _, series) = self.slab.swap_remove(at);
        let moved = self.slab.len();
        if at != moved {
            let hash = hash_at(&self.slab, at);
            if let Some(place) = self.index.find_mut(hash, |&place| place == moved) {
                *place = at;
            }
        }
        match self.slot(&to.labels()).and_then(|at| self.slab.get_mut(at)) {
            Some((_, _, sum)) => sum.add(&series),
            None => self.other.add(&series),
        }
    }
}

fn hash_at(slab: &[(u64, Key, Series)], at: usize) -> u64 {
    slab.get(at).map_or(0, |(hash, _, _)| *hash)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Method;
    use proptest::prelude::*;

    use super::*;

    fn seen<'a>(router: Option<&'a Label>, entry_point: &'a Label) -> Observation<'a> {
        Observation {
            entry_point,
            router,
            service: None,
            code: 200,
            method: &Method::GET,
            protocol: Protocol::Http,
            duration: Duration::from_millis(50),
            request_bytes: 1,
            response_bytes: 2,
            retries: 0,
            internal: false,
        }
    }

    fn shard(max_series: usize) -> Shard {
        Shard::new(Families::default(), false, Arc::from([100_000_000]), max_series)
    }

    #[test]
    fn equal_labels_share_a_series_whatever_allocation_they_come_from() {
        let shard = shard(10);
        for _ in 0..3 {
            let (web, router) = (Label::from("web"), Label::from("r@file"));
            shard.record(&seen(Some(&router), &web));
        }
        let table = shard.0.table.lock();
        assert_eq!((table.slab.len(), table.copy(0, 9)[0].1.requests), (1, 3));
        assert_eq!(*table.copy(0, 9)[0].1.buckets, [3]);
    }

    #[test]
    fn what_finds_no_room_is_counted_as_other() {
        let (shard, web) = (shard(2), Label::from("web"));
        for router in ["a", "b", "c", "d", "a"] {
            shard.record(&seen(Some(&Label::from(router)), &web));
        }
        let table = shard.0.table.lock();
        assert_eq!((table.slab.len(), table.other.requests), (2, 2));
    }

    #[test]
    fn requests_to_mesh_itself_count_only_when_asked_for() {
        let (shard, web) = (shard(2), Label::from("web"));
        shard.record(&Observation {
            internal: true,
            ..seen(None, &web)
        });
        assert_eq!(shard.0.table.lock().slab.len(), 0);
    }

    proptest! {
        #[test]
        fn folding_loses_no_request(records in proptest::collection::vec(0_usize..20, 1..60), folds in proptest::collection::vec(0_usize..20, 0..20)) {
            let (shard, web) = (shard(15), Label::from("web"));
            for router in &records {
                shard.record(&seen(Some(&Label::from(format!("r{router}"))), &web));
            }
            let key = |router: Option<String>| Key {
                entry_point: web.clone(), router: router.map(Label::from), service: None,
                code: 200, method: "GET", protocol: Protocol::Http,
            };
            let mut table = shard.0.table.lock();
            for router in &folds {
                table.fold(&key(Some(format!("r{router}"))), &key(None));
            }
            let all = table.copy(0, 100);
            let sum: u64 = all.iter().map(|(_, series)| series.requests).sum();
            prop_assert_eq!(sum + table.other.requests, records.len() as u64);
            for (known, series) in &all {
                let at = table.slot(&known.labels()).unwrap();
                prop_assert_eq!(&table.slab[at].2, series);
            }
        }
    }
}
