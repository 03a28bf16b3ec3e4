//! What a browser does on its way to the provider and back.

use std::collections::BTreeMap;

use super::{
    super::{Behind, Raw},
    provider::pairs,
};

/// A browser: it keeps cookies and does nothing by itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Browser(pub(super) BTreeMap<String, String>);

impl Browser {
    pub(super) fn get(&mut self, behind: &Behind, target: &str) -> Raw {
        self.ask(behind, &format!("GET {target} HTTP/1.1"))
    }

    pub(super) fn ask(&mut self, behind: &Behind, request: &str) -> Raw {
        self.ask_host(behind, "a.test", request)
    }

    pub(super) fn ask_host(&mut self, behind: &Behind, host: &str, request: &str) -> Raw {
        let pairs: Vec<_> = self
            .0
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let cookies = match pairs.is_empty() {
            true => String::new(),
            false => format!("Cookie: {}\r\n", pairs.join("; ")),
        };
        let answer = behind.send(format!(
            "{request}\r\nHost: {host}\r\n{cookies}Connection: close\r\n\r\n"
        ));
        for line in answer.all("set-cookie") {
            assert!(
                line.contains("; Path=/; ") && line.contains("; HttpOnly; SameSite=Lax"),
                "{line}"
            );
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            match line.contains("Max-Age=0;") {
                true => self.0.remove(name),
                false => self.0.insert(name.to_owned(), value.to_owned()),
            };
        }
        answer
    }

    /// Asks for `target`, and gives what the provider is asked.
    pub(super) fn sent_to_log_in(&mut self, behind: &Behind, target: &str) -> BTreeMap<String, String> {
        let answer = self.get(behind, target);
        assert_eq!(answer.status, 302, "{}", answer.head);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let location = answer.header("location").unwrap();
        let (place, query) = location.split_once('?').unwrap();
        assert!(place.ends_with("/login"), "{location}");
        pairs(query)
    }

    /// Logs in, and comes back with the answer of the callback.
    pub(super) fn log_in(&mut self, behind: &Behind, target: &str) -> Raw {
        let asked = self.sent_to_log_in(behind, target);
        self.get(behind, &callback(&asked))
    }

    /// Logs in although there is a session, as after an error.
    pub(super) fn log_in_again(&mut self, behind: &Behind) {
        let mut other = Self::default();
        let asked = other.sent_to_log_in(behind, "/");
        self.0.append(&mut other.0);
        self.get(behind, &callback(&asked));
    }

    pub(super) fn has_session(&self) -> bool {
        self.0
            .keys()
            .any(|name| name.starts_with("mesh_session") && !name.contains("login"))
    }
}

/// Where the provider sends a browser that was sent there with `asked`.
pub(super) fn callback(asked: &BTreeMap<String, String>) -> String {
    let (nonce, challenge, state) = (&asked["nonce"], &asked["code_challenge"], &asked["state"]);
    format!("/oauth2/callback?code={nonce}.{challenge}&state={state}")
}
