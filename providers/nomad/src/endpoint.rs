//! Settings and environment together: where Nomad is and how to speak to it.

use std::path::{Path, PathBuf};

use http::HeaderName;
use mesh_config::Secret;
use mesh_remote::{Address, Environment, Scheme, Target, TlsSettings, Token};

use crate::settings::{EndpointSettings, SettingsError};

/// The socket of the Task API, in the directory that `NOMAD_SECRETS_DIR` names.
const TASK_SOCKET: &str = "api.sock";

/// The task's own token, in the same place. Nomad renews it there.
const TASK_TOKEN: &str = "nomad_token";

/// Where Nomad is, with nothing left to guess.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Endpoint {
    pub(crate) target: Target,
    pub(crate) region: Option<String>,
}

impl Endpoint {
    /// Fills what `settings` leave open from `environment` and what Nomad gives to its tasks, and the rest by
    /// Nomad's defaults.
    pub(crate) fn resolve(
        settings: &EndpointSettings,
        environment: Environment<'_>,
    ) -> Result<Self, SettingsError> {
        let variable = |name: &str| environment(name).filter(|value| !value.is_empty());
        let secrets = variable("NOMAD_SECRETS_DIR").map(PathBuf::from);
        let written = settings
            .address
            .clone()
            .or_else(|| variable("NOMAD_ADDR"))
            .or_else(|| variable("NOMAD_UNIX_ADDR"))
            .or_else(|| task_socket(secrets.as_deref()))
            .unwrap_or_else(|| "http://127.0.0.1:4646".to_owned());
        let address = Address::parse(&written).ok_or(SettingsError::Address(written))?;
        Ok(Self {
            target: Target {
                scheme: address.scheme.unwrap_or(Scheme::Http),
                authority: address.authority,
                socket: address.socket,
                token_header: HeaderName::from_static("x-nomad-token"),
                token: token(settings, secrets.as_deref(), &variable),
                auth: None,
                tls: tls(settings, &variable),
            },
            region: settings.region.clone().or_else(|| variable("NOMAD_REGION")),
        })
    }
}

fn task_socket(secrets: Option<&Path>) -> Option<String> {
    let socket = secrets?.join(TASK_SOCKET);
    socket.exists().then(|| format!("unix://{}", socket.display()))
}

/// A token of the environment that equals the task's own is one that gets old: its file is read instead.
fn token(
    settings: &EndpointSettings,
    secrets: Option<&Path>,
    variable: &impl Fn(&str) -> Option<String>,
) -> Token {
    if let Some(token) = &settings.token {
        return Token::Value(token.clone());
    }
    let file = secrets.map(|secrets| secrets.join(TASK_TOKEN));
    let own = file.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
    match (variable("NOMAD_TOKEN"), file, own) {
        (None, Some(file), Some(_)) => Token::File(file),
        (Some(token), Some(file), Some(own)) if token.trim() == own.trim() => Token::File(file),
        (Some(token), ..) => Token::Value(Secret::new(token)),
        (None, ..) => Token::None,
    }
}

fn tls(settings: &EndpointSettings, variable: &impl Fn(&str) -> Option<String>) -> TlsSettings {
    let is_true = |value: String| matches!(value.to_ascii_lowercase().as_str(), "1" | "t" | "true");
    settings.tls.clone().unwrap_or_else(|| TlsSettings {
        ca: variable("NOMAD_CACERT").map(PathBuf::from),
        cert: variable("NOMAD_CLIENT_CERT").map(PathBuf::from),
        key: variable("NOMAD_CLIENT_KEY").map(PathBuf::from),
        server_name: variable("NOMAD_TLS_SERVER_NAME"),
        insecure_skip_verify: variable("NOMAD_SKIP_VERIFY").is_some_and(is_true),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(settings: &EndpointSettings, variables: &[(&str, &str)]) -> Result<Endpoint, SettingsError> {
        Endpoint::resolve(settings, &|name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn without_a_word_it_is_the_local_agent() {
        let endpoint = resolve(&EndpointSettings::default(), &[]).unwrap();
        assert_eq!(endpoint.target.base(), "http://127.0.0.1:4646");
        assert_eq!(endpoint.target.token, Token::None);
    }

    #[test]
    fn the_environment_of_nomads_own_tools_counts_where_settings_are_silent() {
        let variables = [
            ("NOMAD_ADDR", "https://nomad.internal:4646"),
            ("NOMAD_REGION", "mars"),
            ("NOMAD_SKIP_VERIFY", "true"),
            ("NOMAD_TLS_SERVER_NAME", "server.mars.nomad"),
            ("NOMAD_TOKEN", "theirs"),
        ];
        let endpoint = resolve(&EndpointSettings::default(), &variables).unwrap();
        assert_eq!(endpoint.target.base(), "https://nomad.internal:4646");
        assert_eq!(endpoint.region.as_deref(), Some("mars"));
        assert!(endpoint.target.tls.insecure_skip_verify);
        assert_eq!(
            endpoint.target.tls.server_name.as_deref(),
            Some("server.mars.nomad")
        );
        let settings = EndpointSettings {
            address: Some("http://here:1".to_owned()),
            token: Some(Secret::new("ours")),
            ..EndpointSettings::default()
        };
        let endpoint = resolve(&settings, &variables).unwrap();
        assert_eq!(endpoint.target.base(), "http://here:1");
        assert_eq!(endpoint.target.token, Token::Value(Secret::new("ours")));
    }

    #[test]
    fn a_task_of_nomad_asks_by_its_own_socket_and_its_own_token() {
        let secrets = tempfile::tempdir().unwrap();
        let path = secrets.path().to_str().unwrap();
        let resolve = |more: &[(&str, &str)]| {
            let variables: Vec<_> = [("NOMAD_SECRETS_DIR", path)]
                .iter()
                .chain(more)
                .copied()
                .collect();
            resolve(&EndpointSettings::default(), &variables).unwrap().target
        };
        assert_eq!(resolve(&[]).base(), "http://127.0.0.1:4646");
        std::fs::write(secrets.path().join(TASK_SOCKET), "").unwrap();
        std::fs::write(secrets.path().join(TASK_TOKEN), "jwt").unwrap();
        let file = Token::File(secrets.path().join(TASK_TOKEN));
        assert_eq!(resolve(&[]).base(), format!("unix://{path}/{TASK_SOCKET}"));
        assert_eq!(resolve(&[]).token, file);
        assert_eq!(resolve(&[("NOMAD_TOKEN", "jwt")]).token, file);
        assert_eq!(
            resolve(&[("NOMAD_TOKEN", "other")]).token,
            Token::Value(Secret::new("other"))
        );
        assert_eq!(resolve(&[("NOMAD_ADDR", "http://n:1")]).base(), "http://n:1");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        assert!(matches!(
            resolve(&EndpointSettings::default(), &[("NOMAD_ADDR", "a b")]),
            Err(SettingsError::Address(_))
        ));
    }
}
