//! Whom to ask, and as whom.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use http::HeaderName;
use mesh_config::Secret;
use reqwest::{
    Certificate, Identity,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect,
};

use crate::settings::{HttpAuth, Scheme, TlsSettings};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A control plane, with nothing left to guess.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// `http` or `https`.
    pub scheme: Scheme,
    /// `127.0.0.1:8500`
    pub authority: String,
    /// Connect here instead.
    pub socket: Option<PathBuf>,
    /// The header that carries the token.
    pub token_header: HeaderName,
    /// The token.
    pub token: Token,
    /// Basic authentication of a proxy in front.
    pub auth: Option<HttpAuth>,
    /// Whom to trust.
    pub tls: TlsSettings,
}

/// Where the token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// None: anonymous.
    None,
    /// This one.
    Value(Secret),
    /// The content of a file, read for each query: agents renew it in place.
    File(PathBuf),
}

/// Why a target cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// One of a pair is absent.
    #[error("tls: cert and key belong together: add {0}")]
    HalfPair(&'static str),
    /// A file that cannot be used.
    #[error("cannot use {}: {reason}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A name that no certificate carries.
    #[error("tls: {0:?} is no server name: write a host name, without a port")]
    ServerName(String),
    /// A token or a password with bytes that no header carries.
    #[error("{0} holds characters that no HTTP header carries")]
    Unsendable(&'static str),
    /// The HTTP client could not be made.
    #[error("cannot make a client")]
    Client(#[source] reqwest::Error),
}

impl Target {
    /// `http://127.0.0.1:8500`; names the target in messages.
    pub fn base(&self) -> String {
        match &self.socket {
            Some(path) => format!("unix://{}", path.display()),
            None => format!("{}://{}", self.scheme.as_str(), self.authority),
        }
    }

    /// What the URL of a query begins with. With a name of its own in the certificate, that name; the connection
    /// goes to the address all the same.
    pub(crate) fn url_base(&self) -> Result<String, TargetError> {
        let scheme = self.scheme.as_str();
        match &self.tls.server_name {
            Some(name) if self.scheme == Scheme::Https => {
                let authority = self.parsed_authority()?;
                let port = authority.port_u16().unwrap_or(443);
                let valid = name.parse::<http::uri::Authority>();
                if !valid.is_ok_and(|valid| valid.host() == name && valid.port().is_none()) {
                    return Err(TargetError::ServerName(name.clone()));
                }
                Ok(format!("{scheme}://{name}:{port}"))
            }
            _ => Ok(format!("{scheme}://{}", self.authority)),
        }
    }

    fn parsed_authority(&self) -> Result<http::uri::Authority, TargetError> {
        self.authority
            .parse()
            .map_err(|_| TargetError::ServerName(self.authority.clone()))
    }

    pub(crate) fn client(&self) -> Result<reqwest::Client, TargetError> {
        self.check_credentials()?;
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            // A token goes nowhere but to the configured host, by no detour.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .tls_danger_accept_invalid_certs(self.tls.insecure_skip_verify);
        if let Some(socket) = &self.socket {
            builder = on_socket(builder, socket);
        } else if self.scheme == Scheme::Https && self.tls.server_name.is_some() {
            let host = self.parsed_authority()?.host().to_owned();
            builder = builder.dns_resolver(Arc::new(Alias(host)));
        }
        if self.scheme == Scheme::Https {
            builder = with_tls(builder, &self.tls)?;
        }
        builder.build().map_err(TargetError::Client)
    }

    fn check_credentials(&self) -> Result<(), TargetError> {
        if let Token::Value(token) = &self.token
            && http::HeaderValue::from_str(token.expose().trim()).is_err()
        {
            return Err(TargetError::Unsendable("the token"));
        }
        match (&self.tls.cert, &self.tls.key) {
            (Some(_), None) => Err(TargetError::HalfPair("key")),
            (None, Some(_)) => Err(TargetError::HalfPair("cert")),
            _ => Ok(()),
        }
    }
}

/// Resolves every name to the addresses of one host: the name in the URL is the one in the certificate.
struct Alias(String);

impl Resolve for Alias {
    fn resolve(&self, _: Name) -> Resolving {
        let host = self.0.trim_start_matches('[').trim_end_matches(']').to_owned();
        Box::pin(async move {
            // The port comes from the URL.
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(unix)]
fn on_socket(builder: reqwest::ClientBuilder, socket: &Path) -> reqwest::ClientBuilder {
    builder.unix_socket(socket)
}

#[cfg(not(unix))]
fn on_socket(builder: reqwest::ClientBuilder, _: &Path) -> reqwest::ClientBuilder {
    builder
}

fn with_tls(
    mut builder: reqwest::ClientBuilder,
    tls: &TlsSettings,
) -> Result<reqwest::ClientBuilder, TargetError> {
    if let Some(path) = &tls.ca {
        let authorities =
            Certificate::from_pem_bundle(&read(path)?).map_err(|error| unusable(path, &error))?;
        if authorities.is_empty() {
            return Err(unusable(path, &"it holds no certificate"));
        }
        builder = builder.tls_certs_only(authorities);
    }
    if let (Some(cert), Some(key)) = (&tls.cert, &tls.key) {
        let pair = [read(cert)?, b"\n".to_vec(), read(key)?].concat();
        builder = builder.identity(Identity::from_pem(&pair).map_err(|error| unusable(cert, &error))?);
    }
    Ok(builder)
}

fn read(path: &Path) -> Result<Vec<u8>, TargetError> {
    std::fs::read(path).map_err(|error| unusable(path, &error))
}

fn unusable(path: &Path, reason: &dyn std::fmt::Display) -> TargetError {
    TargetError::File {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(tls: TlsSettings) -> Target {
        Target {
            scheme: Scheme::Https,
            authority: "10.0.0.4:4646".to_owned(),
            socket: None,
            token_header: HeaderName::from_static("x-token"),
            token: Token::None,
            auth: None,
            tls,
        }
    }

    #[test]
    fn half_a_key_pair_is_refused_and_says_which_half_is_missing() {
        let tls = TlsSettings {
            cert: Some("client.pem".into()),
            ..TlsSettings::default()
        };
        let error = target(tls).client().unwrap_err();
        assert!(error.to_string().ends_with("add key"), "{error}");
    }

    #[test]
    fn a_server_name_stands_in_the_url_and_must_be_a_name() {
        let named = |name: &str| {
            target(TlsSettings {
                server_name: Some(name.to_owned()),
                ..TlsSettings::default()
            })
        };
        let url = named("server.global.nomad").url_base();
        assert_eq!(url.unwrap(), "https://server.global.nomad:4646");
        assert!(named("server.global.nomad:1").url_base().is_err());
    }

    #[test]
    fn a_token_that_no_header_carries_is_refused_and_not_quoted() {
        let target = Target {
            token: Token::Value(Secret::new("se\ncret")),
            ..target(TlsSettings::default())
        };
        let error = target.client().unwrap_err().to_string();
        assert!(error.contains("token") && !error.contains("cret"), "{error}");
    }
}
