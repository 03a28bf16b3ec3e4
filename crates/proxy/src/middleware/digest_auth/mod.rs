//! `digestAuth`: lets those pass who know a name and its password, without sending that.

mod claim;
mod nonce;

use bytes::Bytes;
use futures::future::LocalBoxFuture;
use http::{HeaderValue, Response, Uri, header, request};
use mesh_config::model;
use mesh_telemetry::metrics::Outcome;

use self::{
    claim::{Algorithm, Claim},
    nonce::Nonces,
};
use super::{
    Around, InvalidMiddleware, Next, Visit,
    credentials::{Introduced, credentials, realm, unauthorized},
    users::{User, Users},
};
use crate::{forward::Answer, table::routing_path};

/// Who may pass.
#[derive(Debug)]
pub(super) struct DigestAuth {
    users: Users<Secret>,
    nonces: Nonces,
    realm: String,
    /// The same between quotes.
    quoted: String,
    opaque: String,
    introduced: Introduced,
}

/// What stands for a password.
#[derive(Debug, Clone)]
pub(super) struct Secret {
    algorithm: Algorithm,
    sum: Box<str>,
}

/// What is wrong with a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It is right, and its nonce may not be used any more.
    Stale,
    Wrong,
}

impl DigestAuth {
    pub(super) fn new(settings: &model::DigestAuth) -> Result<Self, String> {
        let quoted = realm(&settings.realm)?;
        let users = Users::new(&settings.users, &settings.users_file)?;
        let is_elsewhere = |name: &str| {
            name.rsplit_once(':')
                .is_none_or(|(_, realm)| realm != settings.realm)
        };
        if users.listed().any(|(name, _)| is_elsewhere(name)) {
            return Err(InvalidMiddleware {
                key: "users",
                found: settings.realm.clone(),
                reason: "is not the realm of all users; the hash of a user is for the realm that stands before it",
            }
            .into());
        }
        let opaque = rand::random::<[u8; 8]>()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Ok(Self {
            users,
            nonces: Nonces::default(),
            realm: settings.realm.clone(),
            quoted,
            opaque,
            introduced: Introduced::new(&settings.header_field, settings.remove_header)?,
        })
    }

    /// Whether the one that claims to be somebody is.
    fn judge(&self, claim: &Claim, head: &request::Parts) -> Result<(), Fault> {
        let known = self.users.known();
        let secret = known
            .get(&*format!("{}:{}", claim.user, self.realm))
            .ok_or(Fault::Wrong)?;
        let is_right = claim.realm == self.realm
            && is_same_target(&claim.uri, &head.uri)
            && claim.is_right(head.method.as_str(), secret.algorithm, &secret.sum);
        let count = claim.count().filter(|_| is_right).ok_or(Fault::Wrong)?;
        match self.nonces.take(&claim.nonce, count) {
            true => Ok(()),
            false => Err(Fault::Stale),
        }
    }

    /// The answer to a client that did not prove who it is: how it may.
    fn challenge(&self, fault: Fault) -> Response<Bytes> {
        let known = self.users.known();
        let has = |algorithm| known.values().any(|secret| secret.algorithm == algorithm);
        // What is better comes first, and what all clients know is asked for where nobody could pass anyway.
        let offered = match (has(Algorithm::Sha256), has(Algorithm::Md5)) {
            (true, true) => &[Algorithm::Sha256, Algorithm::Md5][..],
            (true, false) => &[Algorithm::Sha256],
            (false, _) => &[Algorithm::Md5],
        };
        let (realm, nonce, opaque) = (&self.quoted, self.nonces.make(), &self.opaque);
        let stale = if fault == Fault::Stale { ", stale=true" } else { "" };
        let challenges = offered.iter().filter_map(|algorithm| {
            let name = algorithm.name();
            let text = format!(
                "Digest realm={realm}, nonce=\"{nonce}\", opaque=\"{opaque}\", algorithm={name}, qop=\"auth\"{stale}"
            );
            HeaderValue::try_from(text).ok()
        });
        let mut answer = unauthorized(&HeaderValue::from_static("Digest"));
        answer.headers_mut().remove(header::WWW_AUTHENTICATE);
        for challenge in challenges {
            answer.headers_mut().append(header::WWW_AUTHENTICATE, challenge);
        }
        answer
    }
}

impl Around for DigestAuth {
    fn call<'a>(&'a self, visit: &'a mut Visit<'_>, mut next: Next<'a>) -> LocalBoxFuture<'a, Answer> {
        Box::pin(async move {
            let claim = credentials(&visit.head.headers, "Digest").and_then(Claim::read);
            let Some(claim) = claim else {
                return Answer::from(self.challenge(Fault::Wrong)).counted(Outcome::Missing);
            };
            visit.trail.note_user(claim.user.as_str().into());
            if let Err(fault) = self.judge(&claim, &visit.head) {
                return Answer::from(self.challenge(fault)).counted(Outcome::Invalid);
            }
            self.introduced.admit(&mut visit.head.headers, &claim.user);
            drop(claim);
            next.run(visit).await
        })
    }

    fn refresh(&self) -> bool {
        self.users.refresh()
    }

    fn trouble(&self) -> Option<String> {
        self.users.trouble()
    }
}

impl User for Secret {
    const FORM: &'static str = "is no user; write name:realm:hash, as htdigest does";

    /// One of a name may have several, one in each realm.
    fn split(line: &str) -> Option<(&str, &str)> {
        let (name, sum) = line.rsplit_once(':')?;
        name.split_once(':')
            .is_some_and(|(name, _)| !name.is_empty())
            .then_some((name, sum))
    }

    fn read(rest: &str) -> Result<Self, &'static str> {
        let algorithm = match rest.len() {
            32 => Algorithm::Md5,
            64 => Algorithm::Sha256,
            _ => return Err("has no hash of MD5 or SHA-256; write that of name:realm:password in hex"),
        };
        match rest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            true => Ok(Self {
                algorithm,
                sum: rest.to_ascii_lowercase().into(),
            }),
            false => Err("has a hash that is not in hex"),
        }
    }
}

/// True if `claimed`, as the client wrote it, is what is asked for.
fn is_same_target(claimed: &str, asked: &Uri) -> bool {
    let Ok(claimed) = claimed.parse::<Uri>() else {
        return false;
    };
    claimed.query() == asked.query() && routing_path(claimed.path()) == routing_path(asked.path())
}

#[cfg(test)]
mod tests {
    use http::Request;
    use md5::{Digest, Md5};

    use super::*;

    fn md5(text: &str) -> String {
        Md5::digest(text)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    fn auth(users: &[String]) -> Result<DigestAuth, String> {
        let settings = model::DigestAuth {
            users: users.iter().map(model::Hidden::new).collect(),
            ..model::DigestAuth::default()
        };
        DigestAuth::new(&settings).map_err(|error| error.to_string())
    }

    fn ann() -> String {
        format!("ann:mesh:{}", md5("ann:mesh:secret"))
    }

    fn claim(nonce: &str, password: &str, count: u32, uri: &str) -> Claim {
        let (secret, request) = (md5(&format!("ann:mesh:{password}")), md5(&format!("GET:{uri}")));
        let response = md5(&format!("{secret}:{nonce}:{count:08x}:c:auth:{request}"));
        Claim::read(&format!(
            "username=\"ann\", realm=\"mesh\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\", \
             cnonce=c, nc={count:08x}, qop=auth"
        ))
        .unwrap()
    }

    fn head(uri: &str) -> request::Parts {
        Request::builder().uri(uri).body(()).unwrap().into_parts().0
    }

    #[test]
    fn who_knows_the_password_passes_once_with_each_count() {
        let auth = auth(&[ann()]).unwrap();
        let nonce = auth.nonces.make();
        let judge = |claim: &Claim| auth.judge(claim, &head("/a?b"));
        assert_eq!(judge(&claim(&nonce, "wrong", 1, "/a?b")), Err(Fault::Wrong));
        assert_eq!(judge(&claim(&nonce, "secret", 1, "/a?b")), Ok(()));
        assert_eq!(judge(&claim(&nonce, "secret", 1, "/a?b")), Err(Fault::Stale));
        assert_eq!(judge(&claim(&nonce, "secret", 2, "/a?b")), Ok(()));
        assert_eq!(judge(&claim(&nonce, "secret", 3, "/other")), Err(Fault::Wrong));
        assert_eq!(
            judge(&claim("somebody's", "secret", 4, "/a?b")),
            Err(Fault::Stale)
        );
    }

    #[test]
    fn a_challenge_offers_what_users_have_and_tells_of_a_stale_nonce() {
        let strong = format!("bob:mesh:{}", "0".repeat(64));
        let auth = auth(&[ann(), strong]).unwrap();
        let answer = auth.challenge(Fault::Stale);
        let challenges = answer.headers().get_all("www-authenticate").iter();
        let challenges: Vec<_> = challenges.map(|value| value.to_str().unwrap()).collect();
        assert_eq!((answer.status().as_u16(), challenges.len()), (401, 2));
        assert!(challenges[0].contains("algorithm=SHA-256") && challenges[1].contains("algorithm=MD5"));
        assert!(
            challenges
                .iter()
                .all(|it| it.starts_with("Digest realm=\"mesh\"") && it.ends_with("stale=true"))
        );
    }

    #[test]
    fn what_is_no_user_of_the_realm_is_refused() {
        for user in [
            "ann:mesh:hunter2".to_owned(),
            format!("ann:other:{}", md5("")),
            "hunter2".to_owned(),
        ] {
            let error = auth(&[user]).unwrap_err();
            assert!(
                error.starts_with("users") && !error.contains("hunter2"),
                "{error}"
            );
        }
        assert!(auth(&[]).is_ok(), "then nobody passes");
    }
}
