//! How a load balancer chooses among its servers.

use http::HeaderName;
use serde::{Deserialize, Serialize};

use super::is_default;

/// How the next server is chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// Smooth weighted round robin.
    #[default]
    Wrr,
    /// The less busy of two that are drawn.
    P2c,
    /// The one that answers soonest, by what it did lately and has to do now.
    LeastTime,
    /// The least busy one.
    LeastConn,
    /// By a key of the request: the same server for the same key. Named for highest random weight.
    Hrw,
    /// The same by another name.
    #[serde(rename = "consistentHash", alias = "consistenthash")]
    ConsistentHash,
}

/// What `hrw` and `consistentHash` go by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawHash", into = "RawHash")]
pub struct Hash {
    /// The part of a request that is its key.
    pub key: HashKey,
    /// Most requests that a server may have, in per cent of its share of all; 0 means any number.
    pub bounded_load: u16,
}

/// The part of a request that decides on its server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum HashKey {
    /// The address of the peer.
    #[default]
    ClientIp,
    /// The first line of a header.
    Header(HeaderName),
    /// A cookie.
    Cookie(String),
    /// The first value of a query parameter.
    Query(String),
    /// The path.
    Path,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Source {
    #[default]
    #[serde(rename = "clientIp", alias = "clientip")]
    ClientIp,
    #[serde(rename = "header")]
    Header,
    #[serde(rename = "cookie")]
    Cookie,
    #[serde(rename = "query")]
    Query,
    #[serde(rename = "path")]
    Path,
}

/// A hash as written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct RawHash {
    source: Source,
    #[serde(skip_serializing_if = "is_default")]
    name: String,
    #[serde(skip_serializing_if = "is_default")]
    bounded_load: u16,
}

impl TryFrom<RawHash> for Hash {
    type Error = String;

    fn try_from(raw: RawHash) -> Result<Self, String> {
        let named = |what: &str| match raw.name.is_empty() {
            true => Err(format!("source {what} needs a name: write `name` beside it")),
            false => Ok(raw.name.clone()),
        };
        let key = match raw.source {
            Source::ClientIp | Source::Path if !raw.name.is_empty() => {
                return Err("name belongs to the sources header, cookie and query: leave it out".to_owned());
            }
            Source::ClientIp => HashKey::ClientIp,
            Source::Path => HashKey::Path,
            Source::Header => {
                let name = named("header")?.parse();
                HashKey::Header(name.map_err(|_| format!("name {:?} is not the name of a header", raw.name))?)
            }
            Source::Cookie => HashKey::Cookie(named("cookie")?),
            Source::Query => HashKey::Query(named("query")?),
        };
        match raw.bounded_load {
            1..=100 => Err(format!(
                "boundedLoad {} is no bound: write a share of more than 100 per cent, 125 for one, or 0 for none",
                raw.bounded_load
            )),
            bounded_load => Ok(Self { key, bounded_load }),
        }
    }
}

impl From<Hash> for RawHash {
    fn from(hash: Hash) -> Self {
        let (source, name) = match hash.key {
            HashKey::ClientIp => (Source::ClientIp, String::new()),
            HashKey::Path => (Source::Path, String::new()),
            HashKey::Header(name) => (Source::Header, name.to_string()),
            HashKey::Cookie(name) => (Source::Cookie, name),
            HashKey::Query(name) => (Source::Query, name),
        };
        Self {
            source,
            name,
            bounded_load: hash.bounded_load,
        }
    }
}

/// Prefers servers in Mesh's own zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ZonePreference {
    /// Servers of the zone take all of its requests while they are at least this part, in per cent, of what an even
    /// spread over the zones would put there; with fewer, requests spill over to other zones.
    #[serde(deserialize_with = "crate::whole::within::<_, _, 1, 100>")]
    pub threshold: u8,
}

impl Default for ZonePreference {
    fn default() -> Self {
        Self { threshold: 70 }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn hash(document: Value) -> Result<Hash, String> {
        serde_json::from_value(document).map_err(|error| error.to_string())
    }

    #[test]
    fn a_hash_is_written_as_it_was_read() {
        for document in [
            json!({"source": "clientIp"}),
            json!({"source": "header", "name": "x-tenant"}),
            json!({"source": "cookie", "name": "sid", "boundedLoad": 125}),
            json!({"source": "query", "name": "id"}),
            json!({"source": "path"}),
        ] {
            let read = hash(document.clone()).unwrap();
            assert_eq!(serde_json::to_value(read).unwrap(), document);
        }
    }

    #[test]
    fn a_source_has_the_name_that_it_needs_and_no_other() {
        for (document, part) in [
            (json!({"source": "header"}), "needs a name"),
            (json!({"source": "cookie"}), "needs a name"),
            (
                json!({"source": "header", "name": "a b"}),
                "not the name of a header",
            ),
            (json!({"source": "path", "name": "x"}), "name belongs"),
            (json!({"boundedLoad": 80}), "more than 100"),
        ] {
            let error = hash(document).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
