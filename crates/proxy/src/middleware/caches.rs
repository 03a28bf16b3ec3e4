//! What middlewares keep, for those who look at it and who throw it away.

use std::{
    fmt::Debug,
    sync::{Arc, Weak},
};

use http::{HeaderMap, Uri};
use mesh_config::QualifiedName;
use parking_lot::Mutex;

/// Everything that middlewares keep in this process. Looked at when routes are compiled and when somebody asks, never
/// for a request.
#[derive(Debug, Default)]
pub struct Caches(Mutex<Vec<Known>>);

/// What one middleware keeps for one router or service.
#[derive(Debug, Clone)]
struct Known {
    middleware: String,
    owner: String,
    keeper: Weak<dyn Keeper>,
}

/// Something that keeps answers.
pub(super) trait Keeper: Debug + Send + Sync {
    /// How many things an answer is kept of.
    fn entries(&self) -> u64;

    /// Bytes that these take, where they are counted.
    fn bytes(&self) -> Option<u64>;

    /// Throws away what `purge` names, also what is on its way. Gives how much there was.
    fn purge(&self, purge: &Purge) -> u64;
}

/// How much is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheInfo {
    /// The middleware that keeps it.
    pub middleware: String,
    /// The router, or service, that it is kept for; empty where all share it.
    pub owner: String,
    /// How many things an answer is kept of.
    pub entries: u64,
    /// Bytes that these take, roughly; `None` where they are not counted.
    pub bytes: Option<u64>,
}

/// What is to be thrown away: that of which everything that is said here is true.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purge {
    /// The middleware that keeps it.
    pub middleware: Option<String>,
    /// The router, or service, that it is kept for.
    pub owner: Option<String>,
    /// What of it; empty means all.
    pub answers: Selection,
}

/// Some of the answers of a cache.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// The answers to this URL.
    pub url: Option<Place>,
    /// Those to URLs that begin with this one.
    pub prefix: Option<Place>,
    /// Those of this host.
    pub host: Option<String>,
    /// Those that have this tag.
    pub tag: Option<String>,
}

/// A URL as caches know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    scheme: String,
    /// In lower case, without the port that is usual.
    host: String,
    /// Path and query.
    rest: String,
}

/// What is no URL that something could be kept of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no URL; write http://host/path?query, without a fragment")]
pub struct UnknownPlace;

impl Caches {
    /// `keeper` keeps answers for `owner`.
    pub(super) fn add<K: Keeper + 'static>(&self, middleware: &QualifiedName, owner: &str, keeper: &Arc<K>) {
        let keeper: Arc<dyn Keeper> = keeper.clone();
        let keeper = Arc::downgrade(&keeper);
        let mut known = self.0.lock();
        known.retain(|known| known.keeper.strong_count() > 0);
        if !known.iter().any(|known| Weak::ptr_eq(&known.keeper, &keeper)) {
            known.push(Known {
                middleware: middleware.to_string(),
                owner: owner.to_owned(),
                keeper,
            });
        }
    }

    /// How much is kept where.
    pub fn list(&self) -> Vec<CacheInfo> {
        let known = self.0.lock().clone();
        let known = known.into_iter().filter_map(|known| {
            let keeper = known.keeper.upgrade()?;
            Some(CacheInfo {
                middleware: known.middleware,
                owner: known.owner,
                entries: keeper.entries(),
                bytes: keeper.bytes(),
            })
        });
        known.collect()
    }

    /// Throws away what `purge` names. Gives how much there was.
    pub fn purge(&self, purge: &Purge) -> u64 {
        let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
        let known = self.0.lock().clone();
        let meant = known
            .iter()
            .filter(|known| is(&purge.middleware, &known.middleware) && is(&purge.owner, &known.owner));
        let purged = meant.filter_map(|known| Some(known.keeper.upgrade()?.purge(purge)));
        purged.sum()
    }
}

impl Selection {
    /// True if it is everything.
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// True if answers to the URL `key` with one of these heads are meant.
    pub(super) fn means<'h>(&self, key: &str, mut heads: impl Iterator<Item = &'h HeaderMap>) -> bool {
        if self.is_all() {
            return true;
        }
        let Ok(place) = key.parse::<Place>() else {
            return false;
        };
        self.url.as_ref().is_none_or(|url| *url == place)
            && self.prefix.as_ref().is_none_or(|prefix| prefix.begins(&place))
            && self.host.as_ref().is_none_or(|host| *host == place.host)
            && self
                .tag
                .as_ref()
                .is_none_or(|tag| heads.any(|head| has_tag(head, tag)))
    }
}

impl Place {
    fn begins(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.host == other.host && other.rest.starts_with(&self.rest)
    }
}

impl std::str::FromStr for Place {
    type Err = UnknownPlace;

    fn from_str(text: &str) -> Result<Self, UnknownPlace> {
        let uri: Uri = text.parse().map_err(|_| UnknownPlace)?;
        let (scheme, authority) = uri.scheme_str().zip(uri.authority()).ok_or(UnknownPlace)?;
        let usual = match scheme {
            "http" => ":80",
            "https" => ":443",
            _ => return Err(UnknownPlace),
        };
        if text.contains('#') || authority.as_str().contains('@') {
            return Err(UnknownPlace);
        }
        let host = authority.as_str().to_ascii_lowercase();
        Ok(Self {
            scheme: scheme.to_owned(),
            host: host.strip_suffix(usual).unwrap_or(&host).to_owned(),
            rest: uri.path_and_query().map_or("/", |rest| rest.as_str()).to_owned(),
        })
    }
}

/// True if an answer with this head has a tag: in `Cache-Tag`, with commas between them, or in `Surrogate-Key`, with
/// blanks.
fn has_tag(head: &HeaderMap, tag: &str) -> bool {
    let of = |name, is_end: fn(char) -> bool| {
        let lines = head.get_all(name).iter().filter_map(|line| line.to_str().ok());
        let mut tags = lines.flat_map(move |line| line.split(is_end));
        tags.any(|found| found.trim() == tag)
    };
    of("cache-tag", |c| c == ',') || of("surrogate-key", |c| c == ' ' || c == '\t')
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::fixture::name_of;

    fn head(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let lines = lines.iter().map(|(name, value)| {
            let name = http::HeaderName::from_static(name);
            (name, http::HeaderValue::from_static(value))
        });
        lines.collect()
    }

    #[test]
    fn answers_are_meant_by_all_that_is_said_of_them() {
        let tagged = head(&[("cache-tag", "shop, a b"), ("surrogate-key", "one two")]);
        let place = |url: &str| Some(url.parse::<Place>().unwrap());
        let url = |text: &str| Selection {
            url: place(text),
            ..Selection::default()
        };
        let prefix = |text: &str| Selection {
            prefix: place(text),
            ..Selection::default()
        };
        let host = |text: &str| Selection {
            host: Some(text.to_owned()),
            ..Selection::default()
        };
        let tag = |text: &str| Selection {
            tag: Some(text.to_owned()),
            ..Selection::default()
        };
        for (selection, meant) in [
            (Selection::default(), true),
            (url("http://a.test/x?y=1"), true),
            (url("HTTP://A.test:80/x?y=1"), true),
            (url("http://a.test/x"), false),
            (url("http://a.test/x?y=10"), false),
            (url("https://a.test/x?y=1"), false),
            (url("http://a.test:81/x?y=1"), false),
            (prefix("http://a.test"), true),
            (prefix("http://a.test/x?"), true),
            (prefix("http://a.tes"), false),
            (prefix("http://a.test/y"), false),
            (host("a.test"), true),
            (host("test"), false),
            (tag("shop"), true),
            (tag("a b"), true),
            (tag("two"), true),
            (tag("a"), false),
            (tag("Shop"), false),
            (tag(""), false),
        ] {
            let found = selection.means("http://a.test/x?y=1", [&tagged].into_iter());
            assert_eq!(found, meant, "{selection:?}");
        }
        let both = Selection {
            tag: Some("shop".to_owned()),
            ..url("http://a.test/other")
        };
        assert!(!both.means("http://a.test/x?y=1", [&tagged].into_iter()));
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for bad in [
            "",
            "a.test/x",
            "/x",
            "ftp://a.test/",
            "http://u@a.test/",
            "http://a.test/#x",
        ] {
            assert_eq!(bad.parse::<Place>(), Err(UnknownPlace), "{bad}");
        }
    }

    #[derive(Debug, Default)]
    struct Counting(AtomicU64);

    impl Keeper for Counting {
        fn entries(&self) -> u64 {
            self.0.load(Ordering::Relaxed)
        }

        fn bytes(&self) -> Option<u64> {
            None
        }

        fn purge(&self, _: &Purge) -> u64 {
            self.0.fetch_add(1, Ordering::Relaxed);
            1
        }
    }

    #[test]
    fn keepers_are_found_by_name_until_they_are_gone() {
        let caches = Caches::default();
        let (one, other): (Arc<Counting>, Arc<Counting>) = Default::default();
        caches.add(&name_of("keep@file"), "a@file", &one);
        caches.add(&name_of("keep@file"), "a@file", &one);
        caches.add(&name_of("keep@file"), "b@file", &other);
        let by = |middleware: Option<&str>, owner: Option<&str>| {
            caches.purge(&Purge {
                middleware: middleware.map(str::to_owned),
                owner: owner.map(str::to_owned),
                ..Purge::default()
            })
        };
        assert_eq!(by(None, None), 2);
        assert_eq!(by(Some("keep@file"), Some("a@file")), 1);
        assert_eq!(by(Some("keep"), None), 0);
        assert_eq!((one.entries(), other.entries()), (2, 1));
        drop(one);
        assert_eq!((caches.list().len(), by(None, None)), (1, 1));
    }
}
