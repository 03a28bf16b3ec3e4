//! What middlewares count in a Redis, together with all processes that count there.
//!
//! Each worker asks over a connection of its own, as far as their number is not limited; requests share it. What is
//! gone is connected to again by requests, and not more often than now and then: while it is gone none of them waits.

use std::{
    cell::Cell,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use mesh_config::{QualifiedName, model};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, FromRedisValue,
    IntoConnectionInfo, RedisConnectionInfo, RedisError, RedisResult, Script, TlsCertificates,
    aio::MultiplexedConnection,
    cluster::{ClusterClient, ClusterClientBuilder},
    cluster_async::ClusterConnection,
};
use sha2::{Digest, Sha256};
use tokio::{
    sync::Mutex,
    task::spawn_blocking,
    time::{Instant, timeout},
};

use super::{InvalidMiddleware, source::Key};
use crate::patience::limit;

/// How long what failed is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// Connections at most.
const MAX_CONNECTIONS: usize = 1024;

/// Longest source that is written out in its key.
const MAX_SOURCE: usize = 256;

/// The counts of one middleware.
#[derive(Debug)]
pub(super) struct Redis {
    settings: model::Redis,
    endpoints: Vec<(String, u16)>,
    /// What keys begin with.
    prefix: String,
    script: Script,
    slots: Vec<Slot>,
    is_gone: AtomicBool,
}

/// One connection.
#[derive(Debug, Default)]
struct Slot {
    state: Mutex<State>,
    /// What was there failed: whoever finds somebody connecting does not wait for that.
    is_lost: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    link: Option<Link>,
    /// Tells one link from the next.
    generation: u64,
    failed: Option<Instant>,
}

/// A connection, or those to a cluster; requests share it.
#[derive(Clone)]
enum Link {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Link")
    }
}

/// Why nothing can be counted.
#[derive(Debug, thiserror::Error)]
enum Gone {
    #[error("{0}")]
    Redis(#[from] RedisError),
    #[error("no answer in time")]
    Late,
    #[error("it failed a moment ago")]
    Paused,
    #[error("{0}")]
    File(String),
}

impl Redis {
    /// The counts of the middleware `name` in keys that begin with `what`, by a script that takes the key of a source.
    pub(super) fn new(
        (what, name): (&str, &QualifiedName),
        script: &str,
        settings: &model::Redis,
    ) -> Result<Self, InvalidMiddleware> {
        let invalid = |key, found: &str, reason| InvalidMiddleware {
            key,
            found: found.to_owned(),
            reason,
        };
        if settings.endpoints.is_empty() {
            return Err(invalid("redis.endpoints", "", "names no server; write host:6379"));
        }
        let endpoints = settings.endpoints.iter().map(|text| {
            let known = endpoint(text);
            known.ok_or_else(|| invalid("redis.endpoints", text, "is no address; write host:6379"))
        });
        let is_cluster = settings.endpoints.len() > 1;
        if settings.db < 0 || is_cluster && settings.db != 0 {
            let reason = "is no database of it; leave it out for a cluster";
            return Err(invalid("redis.db", &settings.db.to_string(), reason));
        }
        if let Some(tls) = &settings.tls
            && tls.cert.is_some() != tls.key.is_some()
        {
            return Err(invalid(
                "redis.tls",
                "",
                "has one of cert and key; write both or none",
            ));
        }
        Ok(Self {
            endpoints: endpoints.collect::<Result<_, _>>()?,
            prefix: format!("{what}:{name}:"),
            script: Script::new(script),
            slots: (0..connections(settings)).map(|_| Slot::default()).collect(),
            is_gone: AtomicBool::new(false),
            settings: settings.clone(),
        })
    }

    /// What the script says of a source; what is to become of the request if it cannot be run.
    pub(super) async fn count<T: FromRedisValue>(
        &self,
        key: &Key<'_>,
        arguments: &[String],
    ) -> Result<T, model::OnError> {
        match self.ask(key, arguments).await {
            Ok(said) => {
                if self.is_gone.swap(false, Ordering::Relaxed) {
                    tracing::info!(keys = %self.prefix, "requests are counted in Redis again");
                }
                Ok(said)
            }
            Err(error) => {
                let on_error = self.settings.on_error;
                let is_known = matches!(error, Gone::Paused) || self.is_gone.swap(true, Ordering::Relaxed);
                if !is_known {
                    tracing::warn!(keys = %self.prefix, %error, ?on_error, "requests cannot be counted in Redis");
                }
                Err(on_error)
            }
        }
    }

    async fn ask<T: FromRedisValue>(&self, key: &Key<'_>, arguments: &[String]) -> Result<T, Gone> {
        let slot = self.slot().ok_or(Gone::Paused)?;
        let (mut link, generation) = slot.link(self).await?;
        let mut invocation = self.script.key(self.key(key));
        for argument in arguments {
            invocation.arg(argument);
        }
        let asking = async {
            match &mut link {
                Link::One(link) => invocation.invoke_async(link).await,
                Link::Cluster(link) => invocation.invoke_async(link).await,
            }
        };
        let answer: RedisResult<T> = match patience(&self.settings) {
            None => asking.await,
            Some(limit) => match timeout(limit, asking).await {
                Ok(answer) => answer,
                Err(_) => {
                    slot.lose(generation).await;
                    return Err(Gone::Late);
                }
            },
        };
        match answer {
            Ok(said) => Ok(said),
            Err(error) => {
                slot.lose(generation).await;
                Err(error.into())
            }
        }
    }

    /// The key of a source.
    fn key(&self, source: &Key<'_>) -> String {
        let source = source.to_string();
        if source.len() <= MAX_SOURCE {
            return format!("{}{source}", self.prefix);
        }
        let print = Sha256::digest(source.as_bytes());
        let hex: String = print.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}{hex}", self.prefix)
    }

    /// The connection of this worker.
    fn slot(&self) -> Option<&Slot> {
        let place = worker().checked_rem(self.slots.len())?;
        self.slots.get(place)
    }

    async fn connect(&self) -> Result<Link, Gone> {
        let (settings, endpoints) = (self.settings.clone(), self.endpoints.clone());
        // Files are read, and whom the system believes.
        let made = spawn_blocking(move || Maker::new(&settings, &endpoints)).await;
        match made.map_err(|_| Gone::Late)?? {
            Maker::One(client) => {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(limit(self.settings.dial_timeout))
                    .set_response_timeout(None);
                let link = client.get_multiplexed_async_connection_with_config(&config);
                Ok(Link::One(link.await?))
            }
            Maker::Cluster(client) => Ok(Link::Cluster(client.get_async_connection().await?)),
        }
    }
}

/// Makes connections.
enum Maker {
    One(Box<Client>),
    Cluster(Box<ClusterClient>),
}

impl Maker {
    fn new(settings: &model::Redis, endpoints: &[(String, u16)]) -> Result<Self, Gone> {
        let certificates = settings.tls.as_ref().map(certificates).transpose();
        let certificates = certificates.map_err(Gone::File)?;
        let nodes = endpoints.iter().map(|(host, port)| node(settings, host, *port));
        let nodes = nodes.collect::<RedisResult<Vec<_>>>()?;
        match <[_; 1]>::try_from(nodes) {
            Ok([node]) => Ok(Self::One(Box::new(match certificates {
                Some(certificates) => Client::build_with_tls(node, certificates)?,
                None => Client::open(node)?,
            }))),
            Err(nodes) => {
                let mut builder = ClusterClientBuilder::new(nodes).retries(1);
                if let Some(limit) = limit(settings.dial_timeout) {
                    builder = builder.connection_timeout(limit);
                }
                if let Some(limit) = patience(settings) {
                    builder = builder.response_timeout(limit);
                }
                if let Some(certificates) = certificates {
                    builder = builder.certs(certificates);
                }
                Ok(Self::Cluster(Box::new(builder.build()?)))
            }
        }
    }
}

impl Slot {
    /// The connection, made if there is none. Those who ask meanwhile wait for the first one there ever was.
    async fn link(&self, redis: &Redis) -> Result<(Link, u64), Gone> {
        let mut state = match self.is_lost.load(Ordering::Relaxed) {
            false => self.state.lock().await,
            true => self.state.try_lock().map_err(|_| Gone::Paused)?,
        };
        if let Some(link) = &state.link {
            return Ok((link.clone(), state.generation));
        }
        if state.failed.is_some_and(|failed| failed.elapsed() < PAUSE) {
            return Err(Gone::Paused);
        }
        let connecting = redis.connect();
        let connected = match limit(redis.settings.dial_timeout) {
            None => connecting.await,
            Some(limit) => timeout(limit, connecting).await.unwrap_or(Err(Gone::Late)),
        };
        match connected {
            Ok(link) => {
                state.generation += 1;
                state.link = Some(link.clone());
                self.is_lost.store(false, Ordering::Relaxed);
                Ok((link, state.generation))
            }
            Err(error) => {
                state.failed = Some(Instant::now());
                self.is_lost.store(true, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    /// A link failed; those that came after it may be better.
    async fn lose(&self, generation: u64) {
        let mut state = self.state.lock().await;
        if state.generation == generation && state.link.take().is_some() {
            state.failed = Some(Instant::now());
            self.is_lost.store(true, Ordering::Relaxed);
        }
    }
}

/// How long a question may take.
fn patience(settings: &model::Redis) -> Option<Duration> {
    Some(limit(settings.write_timeout)?.saturating_add(limit(settings.read_timeout)?))
}

/// One server, and how to begin with it.
fn node(settings: &model::Redis, host: &str, port: u16) -> RedisResult<ConnectionInfo> {
    let address = match &settings.tls {
        None => ConnectionAddr::Tcp(host.to_owned(), port),
        Some(tls) => ConnectionAddr::TcpTls {
            host: host.to_owned(),
            port,
            insecure: tls.insecure_skip_verify,
            tls_params: None,
        },
    };
    let mut session = RedisConnectionInfo::default().set_db(settings.db);
    if !settings.username.is_empty() {
        session = session.set_username(&settings.username);
    }
    if !settings.password.expose().is_empty() {
        session = session.set_password(settings.password.expose());
    }
    Ok(address.into_connection_info()?.set_redis_settings(session))
}

/// How many connections there may be.
fn connections(settings: &model::Redis) -> usize {
    let workers = || thread::available_parallelism().map_or(1, usize::from);
    let given = |limit: u32| usize::try_from(limit).ok().filter(|limit| *limit > 0);
    let wanted = given(settings.pool_size).unwrap_or_else(workers);
    let most = given(settings.max_active_conns).unwrap_or(MAX_CONNECTIONS);
    wanted.min(most).min(MAX_CONNECTIONS)
}

/// A number for the thread that asks.
fn worker() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
    }
    NUMBER.with(|number| {
        let known = number
            .get()
            .unwrap_or_else(|| NEXT.fetch_add(1, Ordering::Relaxed));
        number.set(Some(known));
        known
    })
}

/// `host:port`, with brackets around an IPv6 address.
fn endpoint(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.trim().rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_name = !host.is_empty() && !host.contains([':', '/', '@', '[', ']', ' ']);
    let host = bare.or(is_name.then_some(host))?;
    Some((host.to_owned(), port.parse().ok().filter(|port| *port > 0)?))
}

/// The files of TLS, as they are now.
fn certificates(tls: &model::ClientTls) -> Result<TlsCertificates, String> {
    let read = |pem: &model::Pem| match pem {
        model::Pem::Inline(text) => Ok(text.clone().into_bytes()),
        model::Pem::File(path) => {
            std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
        }
    };
    let client_tls = match (&tls.cert, &tls.key) {
        (Some(cert), Some(key)) => Some(ClientTlsConfig {
            client_cert: read(cert)?,
            client_key: read(key)?,
        }),
        _ => None,
    };
    Ok(TlsCertificates {
        client_tls,
        root_cert: tls.ca.as_ref().map(read).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Refusing, name_of};

    fn redis(settings: model::Redis) -> Result<Redis, String> {
        Redis::new(("rate", &name_of("limit@file")), "return 1", &settings).map_err(|error| error.to_string())
    }

    fn at(endpoints: &[&str]) -> model::Redis {
        model::Redis {
            endpoints: endpoints.iter().map(ToString::to_string).collect(),
            ..model::Redis::default()
        }
    }

    #[tokio::test]
    async fn a_redis_that_is_gone_denies_or_allows_and_nobody_waits_for_it() {
        let gone = Refusing::new();
        let settings = at(&[&gone.address().to_string()]);
        let key = Key::Text(b"a");
        let deny = redis(settings.clone()).unwrap();
        assert_eq!(deny.count::<u8>(&key, &[]).await, Err(model::OnError::Deny));
        assert!(matches!(deny.ask::<u8>(&key, &[]).await, Err(Gone::Paused)));
        let allow = model::Redis {
            on_error: model::OnError::Allow,
            ..settings
        };
        let allow = redis(allow).unwrap();
        assert_eq!(allow.count::<u8>(&key, &[]).await, Err(model::OnError::Allow));
    }

    #[tokio::test]
    async fn who_finds_another_one_connecting_again_does_not_wait() {
        let redis = redis(at(&["127.0.0.1:1"])).unwrap();
        let key = Key::Text(b"a");
        assert!(matches!(redis.ask::<u8>(&key, &[]).await, Err(Gone::Redis(_))));
        let _connecting = redis.slot().unwrap().state.lock().await;
        assert!(matches!(redis.ask::<u8>(&key, &[]).await, Err(Gone::Paused)));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in [
            "",
            "a",
            "a:",
            "a:x",
            "a:0",
            ":1",
            "redis://a:1",
            "u:p@a:1",
            "::1:80",
        ] {
            let refused = redis(at(&[bad])).unwrap_err();
            assert!(refused.contains("host:6379"), "{bad}: {refused}");
        }
        assert!(redis(at(&[])).is_err());
        assert!(redis(at(&["a:1", "[::1]:6379"])).is_ok());
        let second = model::Redis {
            db: 1,
            ..at(&["a:1", "b:1"])
        };
        assert!(redis(second).unwrap_err().contains("cluster"));
    }

    #[test]
    fn connections_are_bounded_and_keys_are_short() {
        let few = model::Redis {
            pool_size: 7,
            max_active_conns: 3,
            ..at(&["a:1"])
        };
        assert_eq!(connections(&few), 3);
        let redis = redis(few).unwrap();
        assert_eq!(redis.key(&Key::Text(b"a b\n")), "rate:limit@file:a b\\n");
        let address = Key::Ip(Some("10.0.0.1".parse().unwrap()));
        assert_ne!(redis.key(&Key::User("10.0.0.1")), redis.key(&address));
        assert_eq!(
            redis.key(&Key::Text(&[b'a'; 5000])).len(),
            "rate:limit@file:".len() + 64
        );
        assert!(!format!("{:?}", redis.settings).contains("hunter2"));
    }
}
