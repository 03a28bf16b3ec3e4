//! Middlewares: what happens to a request on its way. The options of each kind are in a file of their own.

mod add_prefix;
mod api_key;
mod chain;
mod circuit_breaker;
mod credential;
mod errors;
mod headers;
mod jwt;
mod redirect_scheme;
mod request_limits;
mod retry;
mod strip_prefix;

use serde::{Deserialize, Serialize};

pub use self::add_prefix::AddPrefix;
pub use self::api_key::{ApiKey, KeysFile, KnownKey};
pub use self::chain::Chain;
pub use self::circuit_breaker::CircuitBreaker;
pub use self::credential::Credential;
pub use self::errors::Errors;
pub use self::headers::Headers;
pub use self::jwt::{ClaimRule, Jwks, Jwt, JwtAlgorithm, JwtKey};
pub use self::redirect_scheme::RedirectScheme;
pub use self::request_limits::RequestLimits;
pub use self::retry::RetryMiddleware;
pub use self::strip_prefix::StripPrefix;

/// One step between a router and its service. Written with exactly one kind:
/// `strip: {stripPrefix: {prefixes: [/api]}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Middleware {
    /// Puts a prefix in front of the path.
    AddPrefix(AddPrefix),
    /// Lets requests pass that carry a known key.
    ApiKey(ApiKey),
    /// Runs other middlewares in order.
    Chain(Chain),
    /// Keeps requests from a service that fails, until it has recovered.
    CircuitBreaker(CircuitBreaker),
    /// Puts a page of another service in place of an answer that tells of an error.
    Errors(Errors),
    /// Sets or removes headers.
    Headers(Headers),
    /// Lets requests pass that carry a signed token.
    Jwt(Box<Jwt>),
    /// Sends the client to another scheme.
    RedirectScheme(RedirectScheme),
    /// Refuses requests that are larger than a service wants.
    RequestLimits(RequestLimits),
    /// Sends requests again.
    Retry(RetryMiddleware),
    /// Takes a prefix off the path.
    StripPrefix(StripPrefix),
}

impl Middleware {
    /// The kind as written in configuration.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::AddPrefix(_) => "addPrefix",
            Self::ApiKey(_) => "apiKey",
            Self::Chain(_) => "chain",
            Self::CircuitBreaker(_) => "circuitBreaker",
            Self::Errors(_) => "errors",
            Self::Headers(_) => "headers",
            Self::Jwt(_) => "jwt",
            Self::RedirectScheme(_) => "redirectScheme",
            Self::RequestLimits(_) => "requestLimits",
            Self::Retry(_) => "retry",
            Self::StripPrefix(_) => "stripPrefix",
        }
    }
    /// True if it names files that are read: it may be usable later as it is.
    pub fn reads_files(&self) -> bool {
        match self {
            Self::ApiKey(api_key) => api_key.keys_file.is_some(),
            Self::Jwt(jwt) => {
                let ca = jwt.jwks.as_ref().and_then(|jwks| jwks.ca.as_ref());
                jwt.keys.iter().any(|key| key.file().is_some()) || matches!(ca, Some(super::Pem::File(_)))
            }
            Self::AddPrefix(_)
            | Self::Chain(_)
            | Self::CircuitBreaker(_)
            | Self::Errors(_)
            | Self::Headers(_)
            | Self::RedirectScheme(_)
            | Self::RequestLimits(_)
            | Self::Retry(_)
            | Self::StripPrefix(_) => false,
        }
    }
}
