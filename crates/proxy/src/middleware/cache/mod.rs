//! `cache`: keeps answers, and gives them to who asks again (RFC 9111).

mod freshness;
mod keeping;
mod key;
mod store;
mod stored;

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use bytes::{Bytes, BytesMut};
use futures::future::LocalBoxFuture;
use http::{HeaderName, HeaderValue, Method, StatusCode, header, request, response};
use mesh_config::{QualifiedName, model};
use mesh_telemetry::metrics::Outcome;
use tokio::time::timeout;

use self::{
    freshness::{Defaults, Use, age_on_arrival, is_cacheable, lifetime, usable},
    keeping::Keeping,
    key::{key, key_of},
    store::{Boarding, Flight, Store},
    stored::{Conditions, Stored, selection},
};
use super::{Around, Caches, Detached, Instances, Next, Visit, directives::Directives, plain};
use crate::{
    entrypoint::Client,
    forward::{Answer, Source, let_go},
};

/// Says what the cache did (RFC 9211).
static CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Longest time for asking anew behind a client's back.
const MAX_REFRESH: Duration = Duration::from_secs(60);

/// A cache, with what it keeps for one router.
#[derive(Debug)]
pub(super) struct Cache {
    settings: Arc<Settings>,
    store: Arc<Store>,
}

#[derive(Debug)]
struct Settings {
    name: QualifiedName,
    caches: Arc<Caches>,
    max_bytes: u64,
    max_body: usize,
    defaults: Defaults,
    wait: Duration,
    ignores_requests: bool,
    instances: Instances<Store>,
}

impl Cache {
    pub(super) fn new(
        name: &QualifiedName,
        settings: &model::Cache,
        caches: &Arc<Caches>,
    ) -> Result<Self, String> {
        if settings.max_body_bytes > settings.max_bytes {
            return Err(format!(
                "maxBodyBytes {} is more than maxBytes {}, which all answers may take: write less, or more for maxBytes",
                settings.max_body_bytes, settings.max_bytes
            ));
        }
        let all = Settings {
            name: name.clone(),
            caches: caches.clone(),
            max_bytes: settings.max_bytes,
            max_body: usize::try_from(settings.max_body_bytes).unwrap_or(usize::MAX),
            defaults: Defaults {
                ttl: settings.default_ttl,
                stale_while_revalidate: settings.stale_while_revalidate,
                stale_if_error: settings.stale_if_error,
            },
            wait: settings.wait,
            ignores_requests: settings.ignore_request_directives,
            instances: Instances::default(),
        };
        Ok(Self {
            store: Arc::new(Store::new(all.max_bytes)),
            settings: Arc::new(all),
        })
    }
}

impl Around for Cache {
    fn call<'a>(&'a self, visit: &'a mut Visit<'_>, mut next: Next<'a>) -> LocalBoxFuture<'a, Answer> {
        Box::pin(async move {
            let said = match self.settings.ignores_requests {
                true => Directives::default(),
                false => request_directives(&visit.head),
            };
            let is_whole = visit.body.is_empty() && !has_precondition(&visit.head);
            if !is_cacheable(&visit.head, &said) || !is_whole {
                if let Some(part) = self.part(&said, visit).filter(|_| is_whole) {
                    return part;
                }
                return self.pass(visit, next).await;
            }
            let asking = Asking {
                key: key(&visit.head, visit.client.peer().scheme()),
                method: visit.head.method.clone(),
                said,
                conditions: Conditions::take(&mut visit.head.headers),
            };
            self.answer(asking, visit, &mut next).await
        })
    }

    fn for_owner(&self, owner: &str) -> Option<Arc<dyn Around>> {
        let new = || Store::new(self.settings.max_bytes);
        let store = self.settings.instances.of(owner, new);
        self.settings.caches.add(&self.settings.name, owner, &store);
        Some(Arc::new(Self {
            settings: self.settings.clone(),
            store,
        }))
    }
}

/// A request that may be answered by what is kept.
struct Asking {
    key: String,
    method: Method,
    said: Directives,
    conditions: Conditions,
}

impl Cache {
    async fn answer(&self, asking: Asking, visit: &mut Visit<'_>, next: &mut Next<'_>) -> Answer {
        let mut found = self.store.find(&asking.key, &visit.head.headers);
        if let Some(answer) = self.at_once(&asking, found.as_ref(), visit, next) {
            return answer;
        }
        if asking.said.only_if_cached {
            return Answer::from(plain(StatusCode::GATEWAY_TIMEOUT)).counted(Outcome::OnlyIfCached);
        }
        let mut flight = None;
        // Nobody waits for an answer to HEAD, which is not kept.
        let boarding = match asking.method == Method::GET {
            true => self.store.board(&asking.key),
            false => Boarding::Alone,
        };
        match boarding {
            Boarding::Asks(mine) => flight = Some(mine),
            Boarding::Alone => {}
            Boarding::Waits(mut landed) => {
                let _in_time = timeout(self.settings.wait, landed.changed()).await;
                found = self.store.find(&asking.key, &visit.head.headers);
                if let Some(answer) = self.at_once(&asking, found.as_ref(), visit, next) {
                    return answer;
                }
            }
        }
        let asked = visit.head.clone();
        if let Some(found) = &found {
            found.ask_whether_it_holds(&mut visit.head.headers);
        }
        let (began, purges) = (Instant::now(), self.store.purges());
        let answer = next.run(visit).await;
        let trip = Trip {
            asked: &asked,
            delay: began.elapsed(),
            purges,
            found,
            flight,
            is_known: is_known(visit),
        };
        self.take(answer, &asking, trip, &visit.client)
    }

    /// The part that a request wants of what is kept and fresh.
    fn part(&self, said: &Directives, visit: &Visit<'_>) -> Option<Answer> {
        let head = &visit.head;
        let range = head
            .headers
            .get(header::RANGE)
            .filter(|_| head.method == Method::GET)?;
        let found = self
            .store
            .find(&key(head, visit.client.peer().scheme()), &head.headers)?;
        let age = found.age(Instant::now());
        let is_fresh = !said.no_store && usable(&found.lifetime, age, said) == Use::Give;
        let response = found.part(range, &Conditions::of(&head.headers), age);
        let mut answer = Answer::from(response.filter(|_| is_fresh)?);
        tell(&mut answer.head, "hit");
        Some(answer)
    }

    /// What is kept, if the request may have it without asking.
    fn at_once(
        &self,
        asking: &Asking,
        found: Option<&Arc<Stored>>,
        visit: &Visit<'_>,
        next: &Next<'_>,
    ) -> Option<Answer> {
        let found = found?;
        let age = found.age(Instant::now());
        let outcome = match usable(&found.lifetime, age, &asking.said) {
            Use::Ask => return None,
            Use::Give => Outcome::Hit,
            Use::GiveAndAsk => {
                self.refresh(asking, found, visit, next);
                Outcome::Stale
            }
        };
        Some(given(found, asking, age, "hit").counted(outcome))
    }

    /// Asks anew behind the client's back, unless somebody does.
    fn refresh(&self, asking: &Asking, found: &Arc<Stored>, visit: &Visit<'_>, next: &Next<'_>) {
        let (Boarding::Asks(flight), Some(detached)) = (self.store.board(&asking.key), next.detached())
        else {
            return;
        };
        let cache = Self {
            settings: self.settings.clone(),
            store: self.store.clone(),
        };
        let asking = Asking {
            key: asking.key.clone(),
            method: Method::GET,
            said: Directives::default(),
            conditions: Conditions::default(),
        };
        let (asked, client, found) = (visit.head.clone(), visit.client.clone(), found.clone());
        let is_known = is_known(visit);
        let refreshing = async move {
            let again = Again {
                found,
                flight,
                is_known,
            };
            let refresh = cache.ask_anew(asking, asked, again, detached, client);
            let _in_time = timeout(MAX_REFRESH, refresh).await;
        };
        // Where too much is done beside requests already, the next one tries it again.
        let _is_done = visit.client.upstreams().beside(refreshing);
    }

    async fn ask_anew(
        self,
        asking: Asking,
        mut asked: Box<request::Parts>,
        again: Again,
        mut detached: Detached,
        client: Rc<Client>,
    ) {
        let Again {
            found,
            flight,
            is_known,
        } = again;
        asked.method = Method::GET;
        let mut head = asked.clone();
        found.ask_whether_it_holds(&mut head.headers);
        let (began, purges) = (Instant::now(), self.store.purges());
        let answer = detached.run(head, client.clone()).await;
        let trip = Trip {
            asked: &asked,
            delay: began.elapsed(),
            purges,
            found: Some(found),
            flight: Some(flight),
            is_known,
        };
        let mut answer = self.take(answer, &asking, trip, &client);
        while let Some(Ok(_)) = answer.body.next().await {}
        let_go(answer, client.upstreams());
    }

    /// Passes what is not for the cache. What changes a thing makes what is kept of it old (RFC 9111 4.4).
    async fn pass(&self, visit: &mut Visit<'_>, mut next: Next<'_>) -> Answer {
        let scheme = visit.client.peer().scheme();
        let changes = !visit.head.method.is_safe();
        let asked = changes.then(|| (key(&visit.head, scheme), visit.head.clone()));
        let mut answer = next.run(visit).await;
        let status = answer.head.status;
        if let Some((key, asked)) = asked.filter(|_| status.is_success() || status.is_redirection()) {
            self.store.forget(&key);
            for named in [header::LOCATION, header::CONTENT_LOCATION] {
                let named = answer
                    .head
                    .headers
                    .get(named)
                    .and_then(|named| named.to_str().ok());
                if let Some(key) = named.and_then(|named| key_of(named, &asked, scheme)) {
                    self.store.forget(&key);
                }
            }
        }
        tell(
            &mut answer.head,
            if changes { "fwd=method" } else { "fwd=bypass" },
        );
        answer.counted(Outcome::Bypass)
    }

    /// Takes what was answered: keeps it if that may be, or gives what is kept instead.
    fn take(&self, mut answer: Answer, asking: &Asking, trip: Trip<'_>, client: &Rc<Client>) -> Answer {
        if matches!(answer.body, Source::Tunnel(_)) {
            return answer;
        }
        let status = answer.head.status;
        let given = match &trip.found {
            Some(found) if status == StatusCode::NOT_MODIFIED => {
                Some(self.renew(found, &answer.head, asking, &trip))
            }
            _ if status.is_server_error() => self.stale(asking, &trip),
            _ => None,
        };
        let Some(mut given) = given else {
            self.keep(&mut answer, asking, trip);
            return answer;
        };
        given.stands_for(&mut answer);
        let_go(answer, client.upstreams());
        given
    }

    /// What is kept still holds, as the service `said`.
    fn renew(&self, found: &Stored, said: &response::Parts, asking: &Asking, trip: &Trip<'_>) -> Answer {
        const HOW: &str = "hit; fwd=stale; fwd-status=304";
        if !found.is_meant_by(&said.headers) {
            return given(found, asking, found.age(Instant::now()), HOW).counted(Outcome::Revalidated);
        }
        let now = SystemTime::now();
        let age = age_on_arrival(&said.headers, now, trip.delay);
        let mut renewed = found.renewed(said, (age, Instant::now()));
        let (mut whole, ()) = http::Response::new(()).into_parts();
        (whole.status, whole.headers) = (renewed.status, renewed.headers.clone());
        match lifetime(trip.is_personal(), &whole, now, self.settings.defaults) {
            Some(lifetime) => {
                renewed.lifetime = lifetime;
                self.store.keep(&asking.key, renewed.clone(), trip.purges);
            }
            None => drop(self.store.forget(&asking.key)),
        }
        given(&renewed, asking, age, HOW).counted(Outcome::Revalidated)
    }

    /// What is kept, where the service fails and it may be given nevertheless.
    fn stale(&self, asking: &Asking, trip: &Trip<'_>) -> Option<Answer> {
        let found = self.store.find(&asking.key, &trip.asked.headers)?;
        let age = found.age(Instant::now());
        let may_be = age < may_be_given_on_error(&found, &asking.said);
        may_be.then(|| {
            let given = given(&found, asking, age, "hit; fwd=stale; detail=stale-if-error");
            given.counted(Outcome::Stale)
        })
    }

    /// Keeps an answer as it passes, if that may be.
    fn keep(&self, answer: &mut Answer, asking: &Asking, trip: Trip<'_>) {
        answer.count(Outcome::Miss);
        let now = SystemTime::now();
        let why = if trip.found.is_some() {
            "fwd=stale"
        } else {
            "fwd=miss"
        };
        let lifetime = lifetime(trip.is_personal(), &answer.head, now, self.settings.defaults);
        let length = length(&answer.head);
        let is_short = length.is_none_or(|length| length <= self.settings.max_body);
        let is_get = asking.method == Method::GET;
        let Some(lifetime) = lifetime.filter(|_| is_short && is_get) else {
            if is_get && !answer.head.status.is_server_error() {
                self.store.forget(&asking.key);
                self.store.pass(&asking.key);
            }
            return tell(&mut answer.head, why);
        };
        let stored = Stored {
            status: answer.head.status,
            selected_by: selection(&answer.head.headers, &trip.asked.headers),
            headers: answer.head.headers.clone(),
            body: Bytes::new(),
            lifetime,
            age: age_on_arrival(&answer.head.headers, now, trip.delay),
            arrived: Instant::now(),
        };
        let mut keeping = Keeping {
            length,
            stored: Some(Box::new(stored)),
            body: BytesMut::new(),
            most: self.settings.max_body,
            key: asking.key.clone(),
            store: self.store.clone(),
            purges: trip.purges,
            flight: trip.flight,
        };
        tell(&mut answer.head, &format!("{why}; stored"));
        match answer.body.is_over() {
            // Nobody asks for a body that is none.
            true => keeping.finish(),
            false => answer.watch(keeping),
        }
    }
}

/// What is asked for anew.
struct Again {
    found: Arc<Stored>,
    flight: Flight,
    is_known: bool,
}

/// What is known of a request that was sent to the service.
struct Trip<'t> {
    asked: &'t request::Parts,
    delay: Duration,
    /// What was thrown away before it began.
    purges: u64,
    found: Option<Arc<Stored>>,
    flight: Option<Flight>,
    /// A middleware in front knows who asks, and may have told the service.
    is_known: bool,
}

impl Trip<'_> {
    /// True if the answer may be for one user alone.
    fn is_personal(&self) -> bool {
        self.is_known || self.asked.headers.contains_key(header::AUTHORIZATION)
    }
}

/// The answer to a request out of what is kept.
fn given(stored: &Stored, asking: &Asking, age: Duration, how: &str) -> Answer {
    let response = stored.answer(&asking.method, &asking.conditions, age);
    let mut answer = Answer::from(response);
    let left = i64::try_from(stored.lifetime.fresh.as_secs()).unwrap_or(i64::MAX)
        - i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
    tell(&mut answer.head, &format!("{how}; ttl={left}"));
    answer
}

/// How old an answer may be that is given when the service fails.
fn may_be_given_on_error(stored: &Stored, said: &Directives) -> Duration {
    let lifetime = &stored.lifetime;
    let asked = said
        .stale_if_error
        .filter(|_| !lifetime.is_strict && !lifetime.always_ask);
    let longer = asked.unwrap_or_default().max(lifetime.if_error);
    lifetime.fresh.saturating_add(longer)
}

fn tell(head: &mut response::Parts, how: &str) {
    if let Ok(value) = HeaderValue::from_str(&format!("mesh; {how}")) {
        head.headers.append(&CACHE_STATUS, value);
    }
}

/// True if a middleware in front, or TLS, knows who asks: services may be told, and answer for that one alone.
fn is_known(visit: &Visit<'_>) -> bool {
    visit.trail.user().is_some() || !visit.client.peer().certificates().is_empty()
}

/// What a request says of caches.
fn request_directives(head: &request::Parts) -> Directives {
    let mut said = Directives::of(&head.headers);
    let pragma = head
        .headers
        .get(header::PRAGMA)
        .and_then(|pragma| pragma.to_str().ok());
    let is_old = pragma.is_some_and(|pragma| pragma.to_ascii_lowercase().contains("no-cache"));
    said.no_cache |= is_old && !said.is_given;
    said
}

/// True if the request is to fail where something changed: the service has to see it.
fn has_precondition(head: &request::Parts) -> bool {
    [
        header::IF_MATCH,
        header::IF_UNMODIFIED_SINCE,
        header::IF_RANGE,
        header::UPGRADE,
    ]
    .iter()
    .any(|name| head.headers.contains_key(name))
}

/// How long the body is, if it says so.
fn length(head: &response::Parts) -> Option<usize> {
    head.headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}
