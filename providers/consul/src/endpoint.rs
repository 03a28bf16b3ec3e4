//! Settings and environment together: where Consul is and how to speak to it. Pure, but for files of the
//! environment's choosing, which the caller reads.

use std::path::PathBuf;

use http::HeaderName;
use mesh_config::Secret;
use mesh_remote::{Address, Environment, HttpAuth, Scheme, Target, TlsSettings, Token};

use crate::settings::{EndpointSettings, SettingsError};

/// Where Consul is, with nothing left to guess.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Endpoint {
    pub(crate) target: Target,
    pub(crate) datacenter: Option<String>,
}

impl Endpoint {
    /// Fills what `settings` leave open from `environment`, and the rest by Consul's defaults.
    pub(crate) fn resolve(
        settings: &EndpointSettings,
        environment: Environment<'_>,
    ) -> Result<Self, SettingsError> {
        let variable = |name: &str| environment(name).filter(|value| !value.is_empty());
        let written = settings.address.clone().or_else(|| variable("CONSUL_HTTP_ADDR"));
        let written = written.unwrap_or_else(|| "127.0.0.1:8500".to_owned());
        let address = Address::parse(&written).ok_or(SettingsError::Address(written))?;
        let by_variable = variable("CONSUL_HTTP_SSL")
            .is_some_and(|value| is_true(&value))
            .then_some(Scheme::Https);
        let scheme = settings.scheme.or(address.scheme).or(by_variable);
        let auth = settings
            .http_auth
            .clone()
            .or_else(|| variable("CONSUL_HTTP_AUTH").map(|value| auth(&value)));
        Ok(Self {
            target: Target {
                scheme: scheme.unwrap_or(Scheme::Http),
                authority: address.authority,
                socket: address.socket,
                token_header: HeaderName::from_static("x-consul-token"),
                token: token(settings, &variable),
                auth,
                tls: tls(settings, &variable),
            },
            datacenter: settings.datacenter.clone(),
        })
    }
}

fn token(settings: &EndpointSettings, variable: &impl Fn(&str) -> Option<String>) -> Token {
    if let Some(token) = settings
        .token
        .clone()
        .or_else(|| variable("CONSUL_HTTP_TOKEN").map(Secret::new))
    {
        return Token::Value(token);
    }
    variable("CONSUL_HTTP_TOKEN_FILE").map_or(Token::None, |path| Token::File(path.into()))
}

fn auth(value: &str) -> HttpAuth {
    let (username, password) = value.split_once(':').unwrap_or((value, ""));
    HttpAuth {
        username: username.to_owned(),
        password: Secret::new(password),
    }
}

fn tls(settings: &EndpointSettings, variable: &impl Fn(&str) -> Option<String>) -> TlsSettings {
    settings.tls.clone().unwrap_or_else(|| TlsSettings {
        ca: variable("CONSUL_CACERT").map(PathBuf::from),
        cert: variable("CONSUL_CLIENT_CERT").map(PathBuf::from),
        key: variable("CONSUL_CLIENT_KEY").map(PathBuf::from),
        server_name: variable("CONSUL_TLS_SERVER_NAME"),
        insecure_skip_verify: variable("CONSUL_HTTP_SSL_VERIFY").is_some_and(|value| is_false(&value)),
    })
}

fn is_true(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "1" | "t" | "true")
}

fn is_false(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "0" | "f" | "false")
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

    fn at(address: &str) -> EndpointSettings {
        EndpointSettings {
            address: Some(address.to_owned()),
            ..EndpointSettings::default()
        }
    }

    #[test]
    fn without_a_word_it_is_the_local_agent() {
        let endpoint = resolve(&EndpointSettings::default(), &[]).unwrap();
        assert_eq!(endpoint.target.base(), "http://127.0.0.1:8500");
        assert_eq!(endpoint.target.token, Token::None);
    }

    #[test]
    fn the_environment_of_consuls_own_tools_counts_where_settings_are_silent() {
        let endpoint = resolve(
            &EndpointSettings::default(),
            &[
                ("CONSUL_HTTP_ADDR", "consul.internal:8501"),
                ("CONSUL_HTTP_SSL", "true"),
                ("CONSUL_HTTP_SSL_VERIFY", "false"),
                ("CONSUL_HTTP_TOKEN_FILE", "/run/token"),
                ("CONSUL_HTTP_AUTH", "me:pa:ss"),
            ],
        )
        .unwrap();
        assert_eq!(endpoint.target.base(), "https://consul.internal:8501");
        assert!(endpoint.target.tls.insecure_skip_verify);
        assert_eq!(endpoint.target.token, Token::File("/run/token".into()));
        assert_eq!(endpoint.target.auth.unwrap().password.expose(), "pa:ss");
    }

    #[test]
    fn settings_win_over_the_environment() {
        let variables = [
            ("CONSUL_HTTP_ADDR", "https://elsewhere:1"),
            ("CONSUL_HTTP_TOKEN", "theirs"),
        ];
        let settings = EndpointSettings {
            token: Some(Secret::new("ours")),
            ..at("here:2")
        };
        let endpoint = resolve(&settings, &variables).unwrap();
        assert_eq!(endpoint.target.base(), "http://here:2");
        assert_eq!(endpoint.target.token, Token::Value(Secret::new("ours")));
    }
}
