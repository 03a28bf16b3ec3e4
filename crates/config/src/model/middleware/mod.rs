//! Middlewares: what happens to a request on its way. The options of each kind are in a file of their own.

mod add_prefix;
mod chain;
mod circuit_breaker;
mod errors;
mod headers;
mod redirect_scheme;
mod retry;
mod strip_prefix;

use serde::{Deserialize, Serialize};

pub use self::add_prefix::AddPrefix;
pub use self::chain::Chain;
pub use self::circuit_breaker::CircuitBreaker;
pub use self::errors::Errors;
pub use self::headers::Headers;
pub use self::redirect_scheme::RedirectScheme;
pub use self::retry::RetryMiddleware;
pub use self::strip_prefix::StripPrefix;

/// One step between a router and its service. Written with exactly one kind:
/// `strip: {stripPrefix: {prefixes: [/api]}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Middleware {
    /// Puts a prefix in front of the path.
    AddPrefix(AddPrefix),
    /// Runs other middlewares in order.
    Chain(Chain),
    /// Keeps requests from a service that fails, until it has recovered.
    CircuitBreaker(CircuitBreaker),
    /// Puts a page of another service in place of an answer that tells of an error.
    Errors(Errors),
    /// Sets or removes headers.
    Headers(Headers),
    /// Sends the client to another scheme.
    RedirectScheme(RedirectScheme),
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
            Self::Chain(_) => "chain",
            Self::CircuitBreaker(_) => "circuitBreaker",
            Self::Errors(_) => "errors",
            Self::Headers(_) => "headers",
            Self::RedirectScheme(_) => "redirectScheme",
            Self::Retry(_) => "retry",
            Self::StripPrefix(_) => "stripPrefix",
        }
    }
}
