//! The keys of an issuer, fetched from where it publishes them.
//!
//! One task for each place fetches, on the control plane; workers look at what it found. A token that names an unknown
//! key has the set fetched once more, but not more often than the settings allow, whoever sends how many such tokens.

use std::{
    future::Future,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use mesh_config::{ProviderName, model::Jwks};
use parking_lot::Mutex;
use rand::Rng;
use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
    task::AbortHandle,
    time::timeout,
};

use super::keys::{Keys, Origin};
use crate::outside::{Outside, Reach, Unaskable};

/// The pause after the first failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause after a failure.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// The sets of all middlewares, each fetched once, however many name it.
#[derive(Debug, Default)]
pub(in crate::middleware) struct KeySets {
    runtime: Option<Handle>,
    known: Fetches,
}

/// The sets that are fetched, for those who look at them.
#[derive(Debug, Clone, Default)]
pub struct Fetches(Arc<Mutex<Vec<(Id, Weak<KeySet>)>>>);

/// How often something was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchInfo {
    /// From where, without secrets.
    pub url: String,
    /// How often.
    pub fetches: u64,
    /// How often that failed.
    pub failures: u64,
}

/// What makes two sets the same.
type Id = (Jwks, Reach);

/// One set.
#[derive(Debug)]
pub(super) struct KeySet {
    shared: Arc<Shared>,
    task: Option<AbortHandle>,
}

/// What its task and workers share.
#[derive(Debug)]
struct Shared {
    settings: Jwks,
    found: ArcSwap<Found>,
    /// Fetches that are over.
    fetches: watch::Sender<u64>,
    /// How many of them failed.
    failures: AtomicU64,
    is_fetching: AtomicBool,
    wanted: Notify,
}

/// What came of the last fetches.
#[derive(Debug, Default)]
struct Found {
    keys: Option<Arc<Keys>>,
    /// When they were fetched.
    fresh: Option<Instant>,
    /// When somebody was asked last.
    asked: Option<Instant>,
    trouble: Option<Arc<str>>,
}

impl KeySets {
    /// Fetches on `runtime` from now on.
    pub(in crate::middleware) fn work_on(&mut self, runtime: Handle) {
        self.runtime = Some(runtime);
    }

    /// Those that are fetched.
    pub(in crate::middleware) fn fetches(&self) -> Fetches {
        self.known.clone()
    }

    /// The set that `settings` of `provider` name. One that is fetched in another way begins with the keys that are known
    /// of the same place.
    pub(super) fn of(&self, settings: &Jwks, provider: &ProviderName) -> Result<Arc<KeySet>, Unaskable> {
        let id = (settings.clone(), Reach::of(provider));
        let mut known = self.known.0.lock();
        known.retain(|(_, set)| set.strong_count() > 0);
        let same = known.iter().find(|(known, _)| *known == id);
        if let Some(set) = same.and_then(|(_, set)| set.upgrade()) {
            return Ok(set);
        }
        let outside = Outside::new(&settings.url, settings.ca.as_ref(), settings.timeout, provider)?;
        let of_same_place = known.iter().find_map(|((other, reach), set)| {
            let is_same = other.url == settings.url && other.ca == settings.ca && *reach == id.1;
            set.upgrade().filter(|_| is_same)
        });
        let found = of_same_place
            .map(|set| set.shared.found.load_full())
            .unwrap_or_default();
        let shared = Arc::new(Shared {
            settings: settings.clone(),
            found: ArcSwap::new(found),
            fetches: watch::Sender::new(0),
            failures: AtomicU64::new(0),
            // Whoever comes before the first fetch has begun waits for that one.
            is_fetching: AtomicBool::new(self.runtime.is_some()),
            wanted: Notify::new(),
        });
        let task = self.runtime.as_ref().map(|runtime| {
            let followed = shared.clone();
            let following = async move { followed.follow(async || outside.get().await).await };
            runtime.spawn(following).abort_handle()
        });
        let set = Arc::new(KeySet { shared, task });
        known.push((id, Arc::downgrade(&set)));
        Ok(set)
    }
}

impl Fetches {
    /// How often each was fetched, those of one URL together.
    pub fn list(&self) -> Vec<FetchInfo> {
        let sets: Vec<_> = self
            .0
            .lock()
            .iter()
            .filter_map(|(_, set)| set.upgrade())
            .collect();
        let mut list: Vec<FetchInfo> = Vec::new();
        for set in sets {
            let url = mesh_config::redact::text(&set.shared.settings.url).into_owned();
            let fetches = *set.shared.fetches.borrow();
            let failures = set.shared.failures.load(Ordering::Relaxed);
            match list.iter_mut().find(|known| known.url == url) {
                None => list.push(FetchInfo {
                    url,
                    fetches,
                    failures,
                }),
                Some(known) => {
                    known.fetches += fetches;
                    known.failures += failures;
                }
            }
        }
        list
    }
}

impl KeySet {
    /// The keys, as long as they may be used.
    pub(super) fn keys(&self, now: Instant) -> Option<Arc<Keys>> {
        let found = self.shared.found.load();
        let keys = found.keys.as_ref()?;
        let Jwks {
            refresh_interval,
            stale_for,
            ..
        } = self.shared.settings;
        let age = now.saturating_duration_since(found.fresh?);
        (age <= refresh_interval.saturating_add(stale_for)).then(|| keys.clone())
    }

    /// Has them fetched once more, and waits for it. False at once if that is not allowed now, and if it takes too long.
    pub(super) async fn renew(&self) -> bool {
        let shared = &*self.shared;
        let mut fetches = shared.fetches.subscribe();
        if !shared.is_fetching.load(Ordering::SeqCst) {
            if !shared.may_ask(Instant::now()) {
                return false;
            }
            shared.wanted.notify_one();
        }
        let seen = *fetches.borrow_and_update();
        let over = fetches.wait_for(|over| *over > seen);
        matches!(timeout(shared.settings.wait, over).await, Ok(Ok(_)))
    }

    /// Why they cannot be fetched.
    pub(super) fn trouble(&self) -> Option<Arc<str>> {
        self.shared.found.load().trouble.clone()
    }
}

impl Drop for KeySet {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Shared {
    /// True if the place was not asked for a while, or never.
    fn may_ask(&self, now: Instant) -> bool {
        let asked = self.found.load().asked;
        asked.is_none_or(|asked| now.saturating_duration_since(asked) >= self.settings.min_refresh_interval)
    }

    /// Fetches, now and whenever it is time or somebody wants it.
    async fn follow<F>(&self, get: impl Fn() -> F)
    where
        F: Future<Output = Result<bytes::Bytes, String>>,
    {
        let mut pause = FIRST_PAUSE;
        loop {
            let is_fine = self.fetch(&get).await;
            let rest = match is_fine {
                true => {
                    pause = FIRST_PAUSE;
                    jittered(self.settings.refresh_interval)
                }
                false => {
                    let rest = jittered(pause);
                    pause = (pause * 2).min(MAX_PAUSE);
                    rest
                }
            };
            let wanted = async {
                loop {
                    self.wanted.notified().await;
                    // The call may be of somebody whom the last fetch has answered.
                    if self.may_ask(Instant::now()) {
                        break;
                    }
                }
            };
            // Time or a call: either is enough.
            let _whichever = timeout(rest, wanted).await;
        }
    }

    /// Fetches once. True if there are keys.
    async fn fetch<F>(&self, get: &impl Fn() -> F) -> bool
    where
        F: Future<Output = Result<bytes::Bytes, String>>,
    {
        self.is_fetching.store(true, Ordering::SeqCst);
        let answer = get().await;
        let keys = answer.and_then(|text| {
            Keys::parse(&text, Origin::Public).map_err(|reason| format!("its answer {reason}"))
        });
        let (now, before) = (Instant::now(), self.found.load());
        let found = match keys {
            Ok(keys) => Found {
                keys: Some(Arc::new(Keys::new(keys))),
                fresh: Some(now),
                asked: Some(now),
                trouble: None,
            },
            Err(error) => Found {
                keys: before.keys.clone(),
                fresh: before.fresh,
                asked: Some(now),
                trouble: Some(error.into()),
            },
        };
        self.tell(before.trouble.as_deref(), found.trouble.as_deref());
        let is_fine = found.trouble.is_none();
        self.failures.fetch_add(u64::from(!is_fine), Ordering::Relaxed);
        self.found.store(Arc::new(found));
        self.is_fetching.store(false, Ordering::SeqCst);
        self.fetches.send_modify(|over| *over += 1);
        is_fine
    }

    /// What changes is logged; that it stays as it is goes without saying.
    fn tell(&self, before: Option<&str>, now: Option<&str>) {
        let url = mesh_config::redact::text(&self.settings.url);
        match (before, now) {
            (Some(_), None) => tracing::info!(%url, "keys of tokens can be fetched again"),
            (before, Some(error)) if before != Some(error) => {
                tracing::warn!(%url, %error, "keys of tokens cannot be fetched");
            }
            _ => {}
        }
    }
}

/// `time` give or take a tenth, so that those who began together do not ask together.
fn jittered(time: Duration) -> Duration {
    time.mul_f64(rand::rng().random_range(0.9..=1.1))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::tests::Issuer, *};
    use crate::fixture::Serving;

    fn answer(issuers: &[&Issuer]) -> String {
        let keys: Vec<_> = issuers.iter().map(|issuer| issuer.jwk()).collect();
        let body = json!({"keys": keys}).to_string();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    fn settings(server: &Serving) -> Jwks {
        Jwks {
            url: format!("http://{}/keys", server.address),
            min_refresh_interval: Duration::ZERO,
            ..Jwks::default()
        }
    }

    fn sets() -> KeySets {
        let mut sets = KeySets::default();
        sets.work_on(Handle::current());
        sets
    }

    fn of(sets: &KeySets, settings: &Jwks) -> Arc<KeySet> {
        sets.of(settings, &ProviderName::new("file")).unwrap()
    }

    fn knows(set: &KeySet, id: &str) -> bool {
        set.keys(Instant::now()).is_some_and(|keys| keys.knows(id))
    }

    #[tokio::test]
    async fn a_key_that_is_not_known_yet_is_fetched_and_one_that_is_gone_is_forgotten() {
        let (a, b) = (Issuer::p256("a"), Issuer::p256("b"));
        let server = Serving::new(vec![("/keys", answer(&[&a]))]);
        let (sets, settings) = (sets(), settings(&server));
        let set = of(&sets, &settings);
        assert!(set.keys(Instant::now()).is_none(), "nothing came yet");
        assert!(set.renew().await);
        assert!(knows(&set, "a") && !knows(&set, "b"));
        server.answer("/keys", answer(&[&b]));
        assert!(set.renew().await);
        assert!(knows(&set, "b") && !knows(&set, "a"));
    }

    #[tokio::test]
    async fn however_many_want_it_a_set_is_not_fetched_more_often_than_allowed() {
        let server = Serving::new(vec![("/keys", answer(&[&Issuer::p256("a")]))]);
        let mut settings = settings(&server);
        settings.min_refresh_interval = Duration::from_secs(3600);
        let (sets, mut asking) = (sets(), Vec::new());
        let first = of(&sets, &settings);
        for _ in 0..100 {
            let set = of(&sets, &settings);
            asking.push(tokio::spawn(async move { set.renew().await }));
        }
        let all = futures::future::join_all(asking).await;
        assert!(
            all.into_iter().all(Result::unwrap),
            "the first fetch answers all of them"
        );
        assert!(!first.renew().await && knows(&first, "a"));
        assert_eq!(server.asked(), 1);
    }

    #[tokio::test]
    async fn keys_serve_on_while_they_cannot_be_fetched_but_not_for_ever() {
        let server = Serving::new(vec![("/keys", answer(&[&Issuer::p256("a")]))]);
        let mut settings = settings(&server);
        settings.refresh_interval = Duration::from_secs(10);
        settings.stale_for = Duration::from_secs(20);
        let sets = sets();
        let set = of(&sets, &settings);
        assert!(set.renew().await && set.trouble().is_none());
        for broken in [
            "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
            "",
            "HTTP/1.1 200 OK\r\n\r\n{}",
        ] {
            server.answer("/keys", broken.to_owned());
            assert!(set.renew().await);
            assert!(set.trouble().is_some() && knows(&set, "a"), "{broken}");
        }
        let now = Instant::now();
        assert!(set.keys(now + Duration::from_secs(29)).is_some());
        assert!(set.keys(now + Duration::from_secs(31)).is_none());
    }

    #[tokio::test]
    async fn a_changed_definition_begins_with_the_keys_of_the_same_place() {
        let server = Serving::new(vec![("/keys", answer(&[&Issuer::p256("a")]))]);
        let (sets, settings) = (sets(), settings(&server));
        let set = of(&sets, &settings);
        assert!(set.renew().await);
        assert!(Arc::ptr_eq(&set, &of(&sets, &settings)));
        let other = Jwks {
            timeout: Duration::from_secs(1),
            ..settings.clone()
        };
        let changed = of(&sets, &other);
        assert!(!Arc::ptr_eq(&set, &changed) && knows(&changed, "a"));
        let tenant = sets.of(&settings, &ProviderName::new("nomad"));
        assert!(tenant.is_err(), "a tenant has nobody inside asked");
        drop((set, changed));
        assert!(
            !knows(&of(&sets, &settings), "a"),
            "what nobody uses is forgotten"
        );
    }

    #[tokio::test]
    async fn a_request_waits_for_keys_no_longer_than_it_may() {
        // It accepts and never answers.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let settings = Jwks {
            url: format!("http://{}/keys", listener.local_addr().unwrap()),
            wait: Duration::from_millis(50),
            ..Jwks::default()
        };
        let sets = sets();
        let set = of(&sets, &settings);
        assert!(!set.renew().await);
    }
}
