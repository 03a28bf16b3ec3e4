//! Middlewares: what happens to a request on its way. The options of each kind are in a file of their own.

mod add_prefix;
mod api_key;
mod basic_auth;
mod buffering;
mod cache;
mod chain;
mod circuit_breaker;
mod client_tls;
mod compress;
mod content_type;
mod digest_auth;
mod encoded_characters;
mod errors;
mod forward_auth;
mod grpc_web;
mod headers;
mod hidden;
mod in_flight_req;
mod ip_list;
mod jwt;
mod oidc;
mod pass_tls_client_cert;
mod quota;
mod rate_limit;
mod redirect_regex;
mod redirect_scheme;
mod redis;
mod replace_path;
mod replace_path_regex;
mod request_limits;
mod retry;
mod source_criterion;
mod strip_prefix;
mod strip_prefix_regex;

use serde::{Deserialize, Serialize};

pub use self::add_prefix::AddPrefix;
pub use self::api_key::{ApiKey, KeysFile, KnownKey};
pub use self::basic_auth::BasicAuth;
pub use self::buffering::Buffering;
pub use self::cache::Cache;
pub use self::chain::Chain;
pub use self::circuit_breaker::CircuitBreaker;
pub use self::client_tls::ClientTls;
pub use self::compress::{Compress, Encoding};
pub use self::content_type::ContentType;
pub use self::digest_auth::DigestAuth;
pub use self::encoded_characters::EncodedCharacters;
pub use self::errors::Errors;
pub use self::forward_auth::{ForwardAuth, ForwardAuthCache};
pub use self::grpc_web::GrpcWeb;
pub use self::headers::Headers;
pub use self::hidden::Hidden;
pub use self::in_flight_req::InFlightReq;
pub use self::ip_list::IpList;
pub use self::jwt::{ClaimRule, Jwks, Jwt, JwtAlgorithm, JwtKey};
pub use self::oidc::{ClientAuthentication, Oidc, OidcSession};
pub use self::pass_tls_client_cert::{
    PassTlsClientCert, TlsClientCertInfo, TlsClientCertIssuer, TlsClientCertSubject,
};
pub use self::quota::Quota;
pub use self::rate_limit::RateLimit;
pub use self::redirect_regex::RedirectRegex;
pub use self::redirect_scheme::RedirectScheme;
pub use self::redis::{OnError, Redis};
pub use self::replace_path::ReplacePath;
pub use self::replace_path_regex::ReplacePathRegex;
pub use self::request_limits::RequestLimits;
pub use self::retry::RetryMiddleware;
pub use self::source_criterion::{IpStrategy, SourceCriterion};
pub use self::strip_prefix::StripPrefix;
pub use self::strip_prefix_regex::StripPrefixRegex;

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
    /// Reads requests, and answers, to their end before they are passed on.
    Buffering(Buffering),
    /// Keeps answers, and gives them to who asks again.
    Cache(Cache),
    /// Runs other middlewares in order.
    Chain(Chain),
    /// Keeps requests from a service that fails, until it has recovered.
    CircuitBreaker(CircuitBreaker),
    /// Compresses answers for clients that take them so.
    Compress(Compress),
    /// Tells clients what an answer is that does not say so itself.
    ContentType(ContentType),
    /// Lets those pass who know a name and its password, without sending that.
    DigestAuth(DigestAuth),
    /// Refuses paths with characters in encoded form.
    EncodedCharacters(EncodedCharacters),
    /// Puts a page of another service in place of an answer that tells of an error.
    Errors(Errors),
    /// Asks another server whether a request may pass.
    ForwardAuth(Box<ForwardAuth>),
    /// Lets browsers speak to gRPC servers.
    GrpcWeb(GrpcWeb),
    /// Sets or removes headers.
    Headers(Box<Headers>),
    /// Limits how many requests of one source are answered at a time.
    InFlightReq(InFlightReq),
    /// Lets clients pass whose address is listed.
    IpAllowList(IpList),
    /// Refuses clients whose address is listed.
    IpDenyList(IpList),
    /// The old name of `ipAllowList`.
    IpWhiteList(IpList),
    /// Lets requests pass that carry a signed token.
    Jwt(Box<Jwt>),
    /// Lets requests pass of users who logged in, and sends others to do so.
    Oidc(Box<Oidc>),
    /// Tells servers by which certificate a client proved who it is.
    #[serde(rename = "passTLSClientCert")]
    PassTlsClientCert(PassTlsClientCert),
    /// Limits how many requests one source may make in a period.
    Quota(Quota),
    /// Limits how often one source may ask.
    RateLimit(Box<RateLimit>),
    /// Sends the client to another URL.
    RedirectRegex(RedirectRegex),
    /// Sends the client to another scheme.
    RedirectScheme(RedirectScheme),
    /// Puts another path in the place of the path.
    ReplacePath(ReplacePath),
    /// Puts something else in the place of what is found in the path.
    ReplacePathRegex(ReplacePathRegex),
    /// Refuses requests that are larger than a service wants.
    RequestLimits(RequestLimits),
    /// Sends requests again.
    Retry(RetryMiddleware),
    /// Takes a prefix off the path.
    StripPrefix(StripPrefix),
    /// Takes off the path what matches at its beginning.
    StripPrefixRegex(StripPrefixRegex),
}

impl Middleware {
    /// The kind as written in configuration.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::AddPrefix(_) => "addPrefix",
            Self::Cache(_) => "cache",
            Self::ApiKey(_) => "apiKey",
            Self::BasicAuth(_) => "basicAuth",
            Self::Chain(_) => "chain",
            Self::CircuitBreaker(_) => "circuitBreaker",
            Self::ContentType(_) => "contentType",
            Self::DigestAuth(_) => "digestAuth",
            Self::EncodedCharacters(_) => "encodedCharacters",
            Self::Errors(_) => "errors",
            Self::ForwardAuth(_) => "forwardAuth",
            Self::Buffering(_) => "buffering",
            Self::Compress(_) => "compress",
            Self::GrpcWeb(_) => "grpcWeb",
            Self::Headers(_) => "headers",
            Self::InFlightReq(_) => "inFlightReq",
            Self::IpAllowList(_) => "ipAllowList",
            Self::IpDenyList(_) => "ipDenyList",
            Self::IpWhiteList(_) => "ipWhiteList",
            Self::PassTlsClientCert(_) => "passTLSClientCert",
            Self::Jwt(_) => "jwt",
            Self::Oidc(_) => "oidc",
            Self::Quota(_) => "quota",
            Self::RateLimit(_) => "rateLimit",
            Self::RedirectRegex(_) => "redirectRegex",
            Self::RedirectScheme(_) => "redirectScheme",
            Self::ReplacePath(_) => "replacePath",
            Self::ReplacePathRegex(_) => "replacePathRegex",
            Self::RequestLimits(_) => "requestLimits",
            Self::Retry(_) => "retry",
            Self::StripPrefix(_) => "stripPrefix",
            Self::StripPrefixRegex(_) => "stripPrefixRegex",
        }
    }

    /// Options of old configurations that are written and do nothing, each with what to do instead.
    pub fn without_effect(&self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::Headers(headers) => headers.without_effect(),
            Self::StripPrefix(strip) if strip.force_slash.is_some() => {
                vec![("forceSlash", "paths always begin with a slash")]
            }
            Self::ContentType(sniff) if sniff.auto_detect == Some(true) => {
                vec![("autoDetect", "it is on wherever the middleware is")]
            }
            _ => Vec::new(),
        }
    }
}
