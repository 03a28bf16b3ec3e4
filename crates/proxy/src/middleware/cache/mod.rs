//! `cache`: keeps answers, and gives them to who asks again (RFC 9111).

mod freshness;
mod store;
mod stored;

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use bytes::{Bytes, BytesMut};
use futures::future::LocalBoxFuture;
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header, request, response};
use http_body::Frame;
use mesh_config::{QualifiedName, model};
use mesh_telemetry::metrics::Outcome;
use tokio::time::timeout;

use self::{
    freshness::{Defaults, Use, age_on_arrival, is_cacheable, lifetime, usable},
    store::{Boarding, Flight, Store},
    stored::{Conditions, Stored, selection},
};
use super::{
    Around, Caches, Change, Detached, Instances, Next, Parts, Unreadable, Visit, directives::Directives,
    plain,
};
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
        match self.store.board(&asking.key) {
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
        };
        self.take(answer, &asking, trip, &visit.client)
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
        let refreshing = async move {
            let refresh = cache.ask_anew(asking, asked, found, flight, detached, client);
            let _in_time = timeout(MAX_REFRESH, refresh).await;
        };
        // Where too much is done beside requests already, the next one tries it again.
        let _is_done = visit.client.upstreams().beside(refreshing);
    }

    async fn ask_anew(
        self,
        asking: Asking,
        mut asked: Box<request::Parts>,
        found: Arc<Stored>,
        flight: Flight,
        mut detached: Detached,
        client: Rc<Client>,
    ) {
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
        let now = SystemTime::now();
        let age = age_on_arrival(&said.headers, now, trip.delay);
        let mut renewed = found.renewed(said, (age, Instant::now()));
        let (mut whole, ()) = http::Response::new(()).into_parts();
        (whole.status, whole.headers) = (renewed.status, renewed.headers.clone());
        match lifetime(&trip.asked.headers, &whole, now, self.settings.defaults) {
            Some(lifetime) => {
                renewed.lifetime = lifetime;
                self.store.keep(&asking.key, renewed.clone(), trip.purges);
            }
            None => drop(self.store.forget(&asking.key)),
        }
        given(&renewed, asking, age, "hit; fwd=stale; fwd-status=304").counted(Outcome::Revalidated)
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
        let lifetime = lifetime(&trip.asked.headers, &answer.head, now, self.settings.defaults);
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
        let keeping = Keeping {
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
        answer.watch(keeping);
    }
}

/// What is known of a request that was sent to the service.
struct Trip<'t> {
    asked: &'t request::Parts,
    delay: Duration,
    /// What was thrown away before it began.
    purges: u64,
    found: Option<Arc<Stored>>,
    flight: Option<Flight>,
}

/// Keeps a body as it passes.
#[derive(Debug)]
struct Keeping {
    stored: Option<Box<Stored>>,
    length: Option<usize>,
    body: BytesMut,
    most: usize,
    key: String,
    store: Arc<Store>,
    purges: u64,
    /// Others wait for it.
    flight: Option<Flight>,
}

impl Change for Keeping {
    fn part(&mut self, part: Frame<Bytes>, out: &mut Parts) -> Result<(), Unreadable> {
        match part.data_ref() {
            Some(data) if self.body.len() + data.len() <= self.most => {
                if self.stored.is_some() {
                    self.body.extend_from_slice(data);
                }
            }
            // It is too long, or ends in trailers, which are not kept.
            _ => {
                (self.stored, self.body) = (None, BytesMut::new());
                self.flight = None;
                self.store.pass(&self.key);
            }
        }
        out.push_back(part);
        Ok(())
    }

    fn end(&mut self, _: &mut Parts) -> Result<(), Unreadable> {
        let is_whole = self.length.is_none_or(|length| length == self.body.len());
        if let Some(mut stored) = self.stored.take().filter(|_| is_whole) {
            stored.body = self.body.split().freeze();
            self.store.keep(&self.key, *stored, self.purges);
        }
        self.flight = None;
        Ok(())
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

/// What an answer is kept by.
fn key(head: &request::Parts, scheme: &str) -> String {
    let host = head
        .headers
        .get(header::HOST)
        .map(HeaderValue::as_bytes)
        .unwrap_or_default();
    let host = String::from_utf8_lossy(host).to_ascii_lowercase();
    let rest = head.uri.path_and_query().map_or("/", |rest| rest.as_str());
    format!("{scheme}://{host}{rest}")
}

/// The key of what a header of an answer names, if it is of the same host.
fn key_of(named: &str, asked: &request::Parts, scheme: &str) -> Option<String> {
    let uri: Uri = named.parse().ok()?;
    let own = key(asked, scheme);
    let host = own.split("://").nth(1)?.split('/').next()?;
    match uri.authority() {
        Some(authority) if !authority.as_str().eq_ignore_ascii_case(host) => None,
        _ if !uri.path().starts_with('/') => None,
        _ => Some(format!("{scheme}://{host}{}", uri.path_and_query()?)),
    }
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
