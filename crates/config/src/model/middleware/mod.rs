//! Middlewares: what happens to a request on its way. The options of each kind are in a file of their own.

mod add_prefix;
mod buffering;
mod chain;
mod circuit_breaker;
mod compress;
mod errors;
mod grpc_web;
mod headers;
mod redirect_scheme;
mod retry;
mod strip_prefix;

use serde::{Deserialize, Serialize};

pub use self::add_prefix::AddPrefix;
pub use self::buffering::Buffering;
pub use self::chain::Chain;
pub use self::circuit_breaker::CircuitBreaker;
pub use self::compress::{Compress, Encoding};
pub use self::errors::Errors;
pub use self::grpc_web::GrpcWeb;
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
    /// Reads requests, and answers, to their end before they are passed on.
    Buffering(Buffering),
    /// Runs other middlewares in order.
    Chain(Chain),
    /// Keeps requests from a service that fails, until it has recovered.
    CircuitBreaker(CircuitBreaker),
    /// Compresses answers for clients that take them so.
    Compress(Compress),
    /// Puts a page of another service in place of an answer that tells of an error.
    Errors(Errors),
    /// Lets browsers speak to gRPC servers.
    GrpcWeb(GrpcWeb),
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
            Self::Buffering(_) => "buffering",
            Self::Chain(_) => "chain",
            Self::CircuitBreaker(_) => "circuitBreaker",
            Self::Compress(_) => "compress",
            Self::Errors(_) => "errors",
            Self::GrpcWeb(_) => "grpcWeb",
            Self::Headers(_) => "headers",
            Self::RedirectScheme(_) => "redirectScheme",
            Self::Retry(_) => "retry",
            Self::StripPrefix(_) => "stripPrefix",
        }
    }
}
