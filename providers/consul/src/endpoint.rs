//! Settings and environment together: where Consul is and how to speak to it. Pure, but for files of the
//! environment's choosing, which the caller reads.

use std::path::{Path, PathBuf};

use mesh_config::Secret;

use crate::settings::{EndpointSettings, HttpAuth, Scheme, SettingsError, TlsSettings};

/// Looks a variable of the environment up.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Where Consul is, with nothing left to guess.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Endpoint {
    /// `http://127.0.0.1:8500`; also names Consul in messages.
    pub(crate) base: String,
    /// Connect here instead.
    pub(crate) socket: Option<PathBuf>,
    pub(crate) datacenter: Option<String>,
    pub(crate) token: Token,
    pub(crate) auth: Option<HttpAuth>,
    pub(crate) tls: TlsSettings,
}

/// Where the token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// None: the anonymous token.
    None,
    /// This one.
    Value(Secret),
    /// The content of a file.
    File(PathBuf),
}

impl Endpoint {
    /// Fills what `settings` leave open from `environment`, and the rest by Consul's defaults.
    pub(crate) fn resolve(
        settings: &EndpointSettings,
        environment: Environment<'_>,
    ) -> Result<Self, SettingsError> {
        let variable = |name: &str| environment(name).filter(|value| !value.is_empty());
        let address = settings.address.clone().or_else(|| variable("CONSUL_HTTP_ADDR"));
        let address = address.unwrap_or_else(|| "127.0.0.1:8500".to_owned());
        let (written, rest) = split_scheme(&address);
        let by_variable = variable("CONSUL_HTTP_SSL")
            .is_some_and(|value| is_true(&value))
            .then_some(Scheme::Https);
        let scheme = settings
            .scheme
            .or(written)
            .or(by_variable)
            .unwrap_or(Scheme::Http);
        let socket = rest.strip_prefix("unix://").map(PathBuf::from);
        let host = if socket.is_some() {
            "localhost"
        } else {
            rest.trim_end_matches('/')
        };
        if socket.as_deref() == Some(Path::new("")) || !is_authority(host) {
            return Err(SettingsError::Address(address));
        }
        Ok(Self {
            base: format!("{}://{host}", scheme.as_str()),
            socket,
            datacenter: settings.datacenter.clone(),
            token: token(settings, &variable),
            auth: settings
                .http_auth
                .clone()
                .or_else(|| variable("CONSUL_HTTP_AUTH").map(|value| auth(&value))),
            tls: tls(settings, &variable)?,
        })
    }
}

fn split_scheme(address: &str) -> (Option<Scheme>, &str) {
    let http = address
        .strip_prefix("http://")
        .map(|rest| (Some(Scheme::Http), rest));
    let https = || {
        address
            .strip_prefix("https://")
            .map(|rest| (Some(Scheme::Https), rest))
    };
    http.or_else(https).unwrap_or((None, address))
}

/// `host`, `host:port`, `[::1]:port`: no path, no user.
fn is_authority(text: &str) -> bool {
    text.parse::<http::uri::Authority>()
        .is_ok_and(|authority| !authority.host().is_empty() && !authority.as_str().contains('@'))
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

fn tls(
    settings: &EndpointSettings,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<TlsSettings, SettingsError> {
    let tls = settings.tls.clone().unwrap_or_else(|| TlsSettings {
        ca: variable("CONSUL_CACERT").map(PathBuf::from),
        cert: variable("CONSUL_CLIENT_CERT").map(PathBuf::from),
        key: variable("CONSUL_CLIENT_KEY").map(PathBuf::from),
        insecure_skip_verify: variable("CONSUL_HTTP_SSL_VERIFY").is_some_and(|value| is_false(&value)),
    });
    match (&tls.cert, &tls.key) {
        (Some(_), None) => Err(SettingsError::HalfPair("key")),
        (None, Some(_)) => Err(SettingsError::HalfPair("cert")),
        _ => Ok(tls),
    }
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
        assert_eq!(endpoint.base, "http://127.0.0.1:8500");
        assert_eq!(endpoint.token, Token::None);
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
        assert_eq!(endpoint.base, "https://consul.internal:8501");
        assert!(endpoint.tls.insecure_skip_verify);
        assert_eq!(endpoint.token, Token::File("/run/token".into()));
        assert_eq!(endpoint.auth.unwrap().password.expose(), "pa:ss");
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
        assert_eq!(endpoint.base, "http://here:2");
        assert_eq!(endpoint.token, Token::Value(Secret::new("ours")));
    }

    #[test]
    fn an_address_may_be_a_socket() {
        let endpoint = resolve(&at("unix:///run/consul.sock"), &[]).unwrap();
        assert_eq!(endpoint.socket, Some("/run/consul.sock".into()));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for address in ["", "unix://", "user@host:1", "host:1/path", "a b", "http://"] {
            assert!(resolve(&at(address), &[]).is_err(), "{address:?} was taken");
        }
    }

    #[test]
    fn half_a_key_pair_is_refused() {
        let settings = EndpointSettings {
            tls: Some(TlsSettings {
                cert: Some("client.pem".into()),
                ..TlsSettings::default()
            }),
            ..EndpointSettings::default()
        };
        assert!(
            resolve(&settings, &[])
                .unwrap_err()
                .to_string()
                .ends_with("add key")
        );
    }
}
