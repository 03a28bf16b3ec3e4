//! `apiKey`: lets requests pass that carry a known key.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::Arc,
};

use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use futures::future::LocalBoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header, uri::PathAndQuery};
use mesh_config::{
    layer::{Format, Layer, Layers},
    model::{self, KeysFile, KnownKey},
};
use mesh_telemetry::metrics::Outcome;
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};

use super::{
    Around, InvalidMiddleware, Next, Visit,
    identity::{Told, realm},
    plain,
    watched_file::{Watched, read},
};
use crate::forward::Answer;

/// Keys by what SHA-256 makes of them.
type Keys = HashMap<Hash, Known>;

type Hash = [u8; 32];

/// Which keys are known, and where a request has its own.
#[derive(Debug)]
pub(super) struct ApiKey {
    keys: Watched<Keys>,
    told: Arc<Told>,
    header: HeaderName,
    query: Option<Arc<str>>,
    forwards: bool,
    challenge: HeaderValue,
}

/// What is known of a key.
#[derive(Debug)]
struct Known {
    id: Arc<str>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl ApiKey {
    pub(super) fn new(settings: &model::ApiKey) -> Result<Self, String> {
        let invalid = |key, found: &str, reason| InvalidMiddleware {
            key,
            found: found.to_owned(),
            reason,
        };
        if settings.keys.is_empty() && settings.keys_file.is_none() {
            return Err(
                "keys is empty, and there is no keysFile; list a key with its id and hash".to_owned(),
            );
        }
        let header = settings.header.parse();
        let header = header.map_err(|_| invalid("header", &settings.header, "is no header name"))?;
        let told = Arc::new(Told::new("headers", &settings.headers)?);
        let challenge = format!("ApiKey realm=\"{}\"", realm(&settings.realm)?);
        let files = settings.keys_file.clone();
        let (own, file, tells) = (settings.keys.clone(), files.clone(), told.clone());
        let keys = Watched::new(files.into_iter().collect(), move || {
            let more = file.as_deref().map(from_file).transpose()?;
            compiled(own.iter().chain(more.iter().flatten()), &tells)
        })?;
        Ok(Self {
            keys,
            told,
            header,
            query: Some(settings.query.as_str().into()).filter(|name: &Arc<str>| !name.is_empty()),
            forwards: settings.forward_key,
            challenge: HeaderValue::try_from(challenge)
                .map_err(|_| invalid("realm", &settings.realm, "is none"))?,
        })
    }

    /// The hash of the only key of a request; two could be two users.
    fn presented(&self, headers: &HeaderMap, uri: &Uri) -> Option<Hash> {
        let mut lines = headers.get_all(&self.header).iter();
        match (lines.next(), lines.next()) {
            (Some(line), None) => {
                let key = match self.header == header::AUTHORIZATION {
                    true => without_scheme(line.as_bytes())?,
                    false => line.as_bytes(),
                };
                Some(Sha256::digest(key).into())
            }
            (Some(_), Some(_)) => None,
            (None, _) => {
                let name = self.query.as_deref()?;
                let mut found = pairs(uri).filter(|(known, _)| *known == name);
                match (found.next(), found.next()) {
                    (Some((_, value)), None) => Some(Sha256::digest(&*decoded(value)).into()),
                    _ => None,
                }
            }
        }
    }

    /// Takes the key away.
    fn clear(&self, headers: &mut HeaderMap, uri: &mut Uri) {
        headers.remove(&self.header);
        let Some(name) = self.query.as_deref() else {
            return;
        };
        if !pairs(uri).any(|(known, _)| known == name) {
            return;
        }
        let kept = uri.query().unwrap_or_default().split('&');
        let kept: Vec<_> = kept.filter(|pair| name_of(pair) != name).collect();
        let path = uri.path();
        let rest = match kept.is_empty() {
            true => PathAndQuery::try_from(path),
            false => PathAndQuery::try_from(format!("{path}?{}", kept.join("&"))),
        };
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = rest.ok();
        if let Ok(without) = Uri::from_parts(parts) {
            *uri = without;
        }
    }

    fn refuse(&self) -> Answer {
        let mut response = plain(StatusCode::UNAUTHORIZED);
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, self.challenge.clone());
        response.into()
    }
}

impl Around for ApiKey {
    fn secret_parameter(&self) -> Option<&Arc<str>> {
        self.query.as_ref()
    }

    fn call<'a>(&'a self, visit: &'a mut Visit<'_>, mut next: Next<'a>) -> LocalBoxFuture<'a, Answer> {
        Box::pin(async move {
            if let Some(name) = &self.query {
                visit.trail.hide_parameter(name.clone());
            }
            let head = &mut visit.head;
            self.told.remove_forged(&mut head.headers);
            let presented = self.presented(&head.headers, &head.uri);
            let keys = self.keys.get();
            let Some(known) = presented.and_then(|hash| keys.get(&hash)) else {
                let outcome = match presented {
                    None => Outcome::Missing,
                    Some(_) => Outcome::Invalid,
                };
                return self.refuse().counted(outcome);
            };
            for (name, value) in &known.headers {
                head.headers.insert(name, value.clone());
            }
            visit.trail.note_user(known.id.clone());
            visit.trail.note_known();
            if !self.forwards {
                self.clear(&mut head.headers, &mut head.uri);
            }
            drop(keys);
            next.run(visit).await
        })
    }

    fn refresh(&self) -> bool {
        self.keys.refresh()
    }

    fn trouble(&self) -> Option<String> {
        let trouble = self.keys.trouble()?;
        Some(format!("{trouble}; what was read before serves on"))
    }
}

fn from_file(path: &Path) -> Result<Vec<KnownKey>, String> {
    let name = path.display().to_string();
    let format = Format::of(path).ok_or_else(|| {
        format!("keysFile {name:?} has no known extension; name it .yml, .yaml, .json or .toml")
    })?;
    let text = read(path)?;
    let mut layers = Layers::new();
    layers.push(Layer::parse(&name, &text, format).map_err(|problem| problem.to_string())?);
    let file: KeysFile = layers.decode().map_err(|problems| {
        let problems = problems.iter().take(3).map(ToString::to_string);
        problems.collect::<Vec<_>>().join("; ")
    })?;
    file.keys
        .ok_or_else(|| format!("{name} has no list of keys; write keys: [] if none is to pass"))
}

fn compiled<'k>(definitions: impl Iterator<Item = &'k KnownKey>, told: &Told) -> Result<Keys, String> {
    let mut keys = Keys::new();
    let mut names: BTreeMap<&str, ()> = BTreeMap::new();
    for definition in definitions {
        let id = definition.id.as_str();
        if id.is_empty() || id.chars().any(char::is_control) {
            return Err(format!("keys: id {id:?} is none; name whom the key is given to"));
        }
        // The value may be a key in clear: an error names its id only.
        let hash = hash(definition.hash.expose()).ok_or_else(|| {
            format!("keys: the hash of {id:?} is no SHA-256 in hexadecimal or base64; make it with: printf %s KEY | sha256sum")
        })?;
        let mut headers = Vec::new();
        for (header, name) in told.iter() {
            let value = match name {
                "id" => Some(id),
                name => definition.metadata.get(name).map(String::as_str),
            };
            let Some(value) = value else { continue };
            names.insert(name, ());
            let value = HeaderValue::from_bytes(value.as_bytes())
                .map_err(|_| format!("keys: {name} of {id:?} holds characters that no header can carry"))?;
            headers.push((header.clone(), value));
        }
        let known = Known {
            id: id.into(),
            headers,
        };
        if let Some(other) = keys.insert(hash, known) {
            return Err(format!(
                "keys: {:?} and {id:?} have the same hash; take one away",
                other.id
            ));
        }
    }
    let unknown = told.iter().find(|(_, name)| !names.contains_key(name));
    match unknown.filter(|_| !keys.is_empty()) {
        Some((header, name)) => Err(format!("headers: no key has the metadata {name:?} for {header}")),
        None => Ok(keys),
    }
}

fn hash(text: &str) -> Option<Hash> {
    let text = text.trim();
    let text = text.strip_prefix("sha256:").unwrap_or(text);
    if text.len() == 64 {
        let mut hash = Hash::default();
        for (byte, pair) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).ok()?;
            let is_hex = pair.bytes().all(|digit| digit.is_ascii_hexdigit());
            *byte = u8::from_str_radix(pair, 16).ok().filter(|_| is_hex)?;
        }
        return Some(hash);
    }
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let bytes = [&STANDARD, &URL_SAFE]
        .iter()
        .find_map(|alphabet| GeneralPurpose::new(alphabet, config).decode(text).ok())?;
    bytes.try_into().ok()
}

/// What stands behind the scheme `Bearer` or `ApiKey`.
fn without_scheme(line: &[u8]) -> Option<&[u8]> {
    let at = line.iter().position(|byte| *byte == b' ')?;
    let (scheme, key) = line.split_at(at);
    let is_known = scheme.eq_ignore_ascii_case(b"bearer") || scheme.eq_ignore_ascii_case(b"apikey");
    is_known.then(|| key.trim_ascii())
}

/// The parameters of a query; names as they are meant, values as they are written.
fn pairs(uri: &Uri) -> impl Iterator<Item = (Cow<'_, str>, &str)> {
    let pairs = uri.query().unwrap_or_default().split('&');
    pairs.map(|pair| (name_of(pair), pair.split_once('=').map_or("", |(_, value)| value)))
}

fn name_of(pair: &str) -> Cow<'_, str> {
    let name = pair.split('=').next().unwrap_or_default();
    percent_decode_str(name).decode_utf8_lossy()
}

fn decoded(value: &str) -> Cow<'_, [u8]> {
    percent_decode_str(value).into()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// SHA-256 of `key`, in the two ways to write it.
    const HEX: &str = "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683";
    const BASE64: &str = "LHDhK3oGRvkiefQnx7OOczTY5Tic/xZ6HcMOc/gmtoM=";

    fn api_key(settings: Value) -> Result<ApiKey, String> {
        ApiKey::new(&serde_json::from_value(settings).unwrap())
    }

    /// The id of who asks.
    fn who(api_key: &ApiKey, lines: &[(&str, &str)], uri: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        let hash = api_key.presented(&headers, &uri.parse().unwrap())?;
        Some(api_key.keys.get().get(&hash)?.id.to_string())
    }

    #[test]
    fn a_hash_may_be_written_in_hexadecimal_or_base64() {
        let hash: Hash = Sha256::digest("key").into();
        let url_safe = BASE64.replace('+', "-").replace('/', "_");
        for text in [
            HEX,
            &HEX.to_uppercase(),
            BASE64,
            BASE64.trim_end_matches('='),
            &url_safe,
        ] {
            assert_eq!(super::hash(text), Some(hash), "{text}");
            assert_eq!(super::hash(&format!("sha256:{text}")), Some(hash));
        }
        let signed = HEX.replacen('2', "+", 1);
        for text in ["", "key", HEX.trim_end_matches('3'), &signed, "AAAA"] {
            assert_eq!(super::hash(text), None, "{text}");
        }
    }

    #[test]
    fn a_key_is_where_the_settings_say_and_there_is_one() {
        let keys = json!([{"id": "me", "hash": HEX}]);
        let plain = api_key(json!({"keys": keys})).unwrap();
        assert_eq!(who(&plain, &[("x-api-key", "key")], "/").as_deref(), Some("me"));
        for lines in [
            &[("x-api-key", "kez")][..],
            &[("x-api-key", HEX)],
            &[("x-api-key", "")],
            &[("x-api-key", "key"), ("x-api-key", "key")],
            &[("authorization", "Bearer key")],
            &[],
        ] {
            assert_eq!(who(&plain, lines, "/?api_key=key"), None, "{lines:?}");
        }
        let query = api_key(json!({"keys": keys, "query": "api_key"})).unwrap();
        assert_eq!(who(&query, &[], "/?a=b&api%5Fkey=%6bey").as_deref(), Some("me"));
        for uri in ["/?api_key=key&api_key=key", "/?api_key", "/?API_KEY=key"] {
            assert_eq!(who(&query, &[], uri), None, "{uri}");
        }
        assert_eq!(who(&query, &[("x-api-key", "bad")], "/?api_key=key"), None);
        let scheme = api_key(json!({"keys": keys, "header": "Authorization"})).unwrap();
        for line in ["Bearer key", "apikey key"] {
            assert_eq!(
                who(&scheme, &[("authorization", line)], "/").as_deref(),
                Some("me")
            );
        }
        assert_eq!(who(&scheme, &[("authorization", "key")], "/"), None);
    }

    #[test]
    fn a_key_is_taken_out_of_the_query_and_the_rest_stays_as_it_is() {
        let api_key = api_key(json!({"keys": [{"id": "me", "hash": HEX}], "query": "k"})).unwrap();
        for (uri, left) in [
            ("/a%20b?k=key", "/a%20b"),
            ("/?a=%20&k=key&b", "/?a=%20&b"),
            ("/?k&k=1&kk=2", "/?kk=2"),
            ("/?a=k", "/?a=k"),
            ("http://h/x?k=1", "http://h/x"),
        ] {
            let mut uri: Uri = uri.parse().unwrap();
            api_key.clear(&mut HeaderMap::new(), &mut uri);
            assert_eq!(uri.to_string(), left);
        }
    }

    #[test]
    fn servers_are_told_what_is_known_of_a_key() {
        let api_key = api_key(json!({
            "keys": [
                {"id": "me", "hash": HEX, "metadata": {"team": "a", "other": "b"}},
                {"id": "you", "hash": "0".repeat(64)},
            ],
            "headers": {"X-Team": "team", "X-Key": "id"},
        }))
        .unwrap();
        let keys = api_key.keys.get();
        let told = |id: &str| {
            let known = keys.values().find(|known| &*known.id == id).unwrap();
            known
                .headers
                .iter()
                .map(|(name, value)| format!("{name}={}", value.to_str().unwrap()))
                .collect()
        };
        let (mine, yours): (Vec<_>, Vec<_>) = (told("me"), told("you"));
        assert_eq!(mine, ["x-key=me", "x-team=a"]);
        assert_eq!(yours, ["x-key=you"]);
    }

    #[test]
    fn what_cannot_be_used_is_told_without_the_key() {
        let key = |value: Value| json!({"keys": [value]});
        for (settings, why) in [
            (json!({}), "keys is empty"),
            (key(json!({"id": "a", "hash": "hunter2"})), "no SHA-256"),
            (key(json!({"id": "", "hash": HEX})), "id"),
            (
                json!({"keys": [{"id": "a", "hash": HEX}, {"id": "b", "hash": BASE64}]}),
                "the same hash",
            ),
            (
                json!({"keys": [{"id": "a", "hash": HEX}], "headers": {"X-T": "team"}}),
                "no key has the metadata",
            ),
            (
                json!({"keys": [{"id": "a", "hash": HEX}], "header": "a b"}),
                "header",
            ),
            (json!({"keysFile": "/nowhere.yml"}), "cannot read /nowhere.yml"),
            (json!({"keysFile": "/nowhere.txt"}), "extension"),
        ] {
            let error = api_key(settings.clone()).unwrap_err();
            assert!(
                error.contains(why) && !error.contains("hunter2"),
                "{settings}: {error}"
            );
        }
    }

    #[test]
    fn a_file_of_keys_is_read_again_and_a_broken_one_leaves_those_before() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.yml");
        let write = |text: &str| {
            let aside = path.with_extension("aside");
            std::fs::write(&aside, text).unwrap();
            std::fs::rename(&aside, &path).unwrap();
        };
        write(&format!("keys: [{{id: me, hash: {HEX}}}]"));
        let api_key = api_key(json!({"keysFile": path})).unwrap();
        let asks = || who(&api_key, &[("x-api-key", "key")], "/");
        assert_eq!(asks().as_deref(), Some("me"));
        for broken in [
            "",
            "keys: [{id: me, hsh: x}]",
            "keys: [{id: me, hash: hunter2}]",
            "[",
            "keys: 7",
        ] {
            write(broken);
            api_key.refresh();
            let trouble = api_key.trouble().unwrap();
            assert!(
                trouble.contains("serves on") && !trouble.contains("hunter2"),
                "{broken}: {trouble}"
            );
            assert_eq!(asks().as_deref(), Some("me"));
        }
        write(&format!("keys: [{{id: you, hash: {HEX}}}]"));
        assert!(api_key.refresh() && api_key.trouble().is_none());
        assert_eq!(asks().as_deref(), Some("you"));
        write("keys: []");
        api_key.refresh();
        assert_eq!(asks(), None, "an empty list takes all keys back");
    }
}
