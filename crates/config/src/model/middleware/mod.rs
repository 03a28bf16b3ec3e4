//! Middlewares: what happens to a request on its way. The options of each kind are in a file of their own.

mod add_prefix;
mod api_key;
mod basic_auth;
mod chain;
mod circuit_breaker;
mod client_tls;
mod digest_auth;
mod errors;
mod forward_auth;
mod headers;
mod hidden;
mod in_flight_req;
mod jwt;
mod oidc;
mod quota;
mod rate_limit;
mod redirect_scheme;
mod request_limits;
mod retry;
mod source_criterion;
mod strip_prefix;

use serde::{Deserialize, Serialize};

pub use self::add_prefix::AddPrefix;
pub use self::api_key::{ApiKey, KeysFile, KnownKey};
pub use self::basic_auth::BasicAuth;
pub use self::chain::Chain;
pub use self::circuit_breaker::CircuitBreaker;
pub use self::client_tls::ClientTls;
pub use self::digest_auth::DigestAuth;
pub use self::errors::Errors;
pub use self::forward_auth::ForwardAuth;
pub use self::headers::Headers;
pub use self::hidden::Hidden;
pub use self::in_flight_req::InFlightReq;
pub use self::jwt::{ClaimRule, Jwks, Jwt, JwtAlgorithm, JwtKey};
pub use self::oidc::{ClientAuthentication, Oidc, OidcSession};
pub use self::quota::Quota;
pub use self::rate_limit::{OnError, RateLimit, RateLimitRedis};
pub use self::redirect_scheme::RedirectScheme;
pub use self::request_limits::RequestLimits;
pub use self::retry::RetryMiddleware;
pub use self::source_criterion::{IpStrategy, SourceCriterion};
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
    /// Lets those pass who know a name and its password.
    BasicAuth(BasicAuth),
    /// Runs other middlewares in order.
    Chain(Chain),
    /// Keeps requests from a service that fails, until it has recovered.
    CircuitBreaker(CircuitBreaker),
    /// Lets those pass who know a name and its password, without sending that.
    DigestAuth(DigestAuth),
    /// Puts a page of another service in place of an answer that tells of an error.
    Errors(Errors),
    /// Asks another server whether a request may pass.
    ForwardAuth(Box<ForwardAuth>),
    /// Sets or removes headers.
    Headers(Headers),
    /// Limits how many requests of one source are answered at a time.
    InFlightReq(InFlightReq),
    /// Lets requests pass that carry a signed token.
    Jwt(Box<Jwt>),
    /// Lets requests pass of users who logged in, and sends others to do so.
    Oidc(Box<Oidc>),
    /// Limits how many requests one source may make in a period.
    Quota(Quota),
    /// Limits how often one source may ask.
    RateLimit(Box<RateLimit>),
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
            Self::BasicAuth(_) => "basicAuth",
            Self::Chain(_) => "chain",
            Self::CircuitBreaker(_) => "circuitBreaker",
            Self::DigestAuth(_) => "digestAuth",
            Self::Errors(_) => "errors",
            Self::ForwardAuth(_) => "forwardAuth",
            Self::Headers(_) => "headers",
            Self::InFlightReq(_) => "inFlightReq",
            Self::Jwt(_) => "jwt",
            Self::Oidc(_) => "oidc",
            Self::Quota(_) => "quota",
            Self::RateLimit(_) => "rateLimit",
            Self::RedirectScheme(_) => "redirectScheme",
            Self::RequestLimits(_) => "requestLimits",
            Self::Retry(_) => "retry",
            Self::StripPrefix(_) => "stripPrefix",
        }
    }
}
