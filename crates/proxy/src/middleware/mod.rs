//! Middlewares in the form that requests meet them: settings are checked and compiled, nothing is left to
//! fail on account of its configuration.
//!
//! Most are pure functions on the head of a request or of an answer ([`Head`]). The others have the rest of the way in
//! their hands ([`Around`]). Chains are flat: the compiler has put their members in their place.

mod add_prefix;
mod api_key;
mod background;
mod basic_auth;
mod buffering;
mod cache;
mod caches;
mod change;
mod circuit_breaker;
mod compress;
mod content_type;
mod cookie_pairs;
mod credentials;
mod digest_auth;
mod directives;
mod encoded_characters;
mod errors;
mod expression;
mod flights;
mod forward_auth;
mod grpc_web;
mod headers;
mod identity;
mod in_flight_req;
mod instances;
mod ip_list;
mod jwt;
mod oidc;
mod pass_tls_client_cert;
mod path;
mod quota;
mod rate_limit;
mod redirect;
mod redirect_regex;
mod redirect_scheme;
mod redis;
mod replace_path;
mod replace_path_regex;
mod replacement;
mod request_limits;
mod retry;
mod source;
mod sources;
mod strip_prefix;
mod strip_prefix_regex;
mod users;
mod visit;
mod walk;
mod watched_file;

use std::{fmt::Debug, ops::ControlFlow, sync::Arc};

use bytes::Bytes;
use futures::future::LocalBoxFuture;
use http::{Response, StatusCode, header, request, response};
use mesh_config::{QualifiedName, Reference, model};
use mesh_telemetry::metrics::{Outcome, Outcomes};

pub(crate) use self::background::Background;
pub use self::caches::{CacheInfo, Caches, Place, Purge, Selection, UnknownPlace};
pub(crate) use self::change::{Change, Changing, Parts, PutBack, Unreadable};
pub use self::jwt::{FetchInfo, Fetches};
pub(crate) use self::visit::{Detached, End, Next, Visit, lead};
pub(crate) use self::walk::{meet, unwind};
pub(crate) use self::watched_file::Watched;
use self::{
    add_prefix::AddPrefix,
    api_key::ApiKey,
    basic_auth::BasicAuth,
    buffering::Buffering,
    cache::Cache,
    circuit_breaker::CircuitBreaker,
    compress::Compress,
    content_type::ContentType,
    digest_auth::DigestAuth,
    encoded_characters::EncodedCharacters,
    errors::Errors,
    forward_auth::ForwardAuth,
    grpc_web::GrpcWeb,
    headers::Headers,
    in_flight_req::InFlightReq,
    instances::Instances,
    ip_list::{IpList, Listed},
    jwt::Jwt,
    oidc::Oidc,
    pass_tls_client_cert::PassTlsClientCert,
    quota::Quota,
    rate_limit::RateLimit,
    redirect_regex::RedirectRegex,
    redirect_scheme::RedirectScheme,
    replace_path::ReplacePath,
    replace_path_regex::ReplacePathRegex,
    request_limits::RequestLimits,
    retry::Retry,
    strip_prefix::StripPrefix,
    strip_prefix_regex::StripPrefixRegex,
};
use crate::{entrypoint::Client, forward::Answer, sanitize::Peer, service::Service};

/// Middlewares in the order a request meets them; an answer meets them the other way round.
pub type Chain = Arc<[Arc<Middleware>]>;

/// One step with its name.
#[derive(Debug)]
pub struct Middleware {
    /// Its qualified name.
    pub name: QualifiedName,
    /// The same as text, for those who count.
    pub(crate) label: Arc<str>,
    /// Its kind as written in configuration: `stripPrefix`.
    pub kind: &'static str,
    /// What it does.
    pub(crate) step: Step,
}

/// What a middleware does.
#[derive(Debug)]
pub(crate) enum Step {
    /// Something to the heads of a request and of its answer.
    Head(Box<dyn Head>),
    /// Something that takes time, or more than heads.
    Around(Arc<dyn Around>),
}

/// A middleware that looks at heads only and never waits.
pub(crate) trait Head: Debug + Send + Sync {
    /// Changes the head of a request, or answers it.
    fn request(&self, head: &mut request::Parts, peer: &Peer) -> ControlFlow<Response<Bytes>> {
        let _unchanged = (head, peer);
        ControlFlow::Continue(())
    }

    /// Changes the head of an answer to a request that it let pass.
    fn response(&self, head: &mut response::Parts) {
        let _unchanged = head;
    }
}

/// A middleware with the rest of the way in its hands: it may wait, change bodies, remember something of the request
/// for its answer, and ask more than once.
pub(crate) trait Around: Debug + Send + Sync {
    /// Answers the request, mostly by what comes from `next`.
    fn call<'a>(&'a self, visit: &'a mut Visit<'_>, next: Next<'a>) -> LocalBoxFuture<'a, Answer>;

    /// The same with the state that belongs to the router, or service, called `owner`; `None` if all share one, or
    /// there is none.
    fn for_owner(&self, owner: &str) -> Option<Arc<dyn Around>> {
        let _stateless = owner;
        None
    }

    /// Looks again at what it depends on, such as files, and goes on with that. True if there is anything to tell. Workers
    /// never ask it: it may have to wait for a disk.
    fn refresh(&self) -> bool {
        false
    }

    /// What is wrong with what it depends on, though it serves on.
    fn trouble(&self) -> Option<String> {
        None
    }

    /// The service that it asks beside the one that its requests go to.
    fn asks(&self) -> Option<&Reference> {
        None
    }

    /// The same asking `service`.
    fn asking(&self, service: Arc<Service>) -> Option<Arc<dyn Around>> {
        let _asks_none = service;
        None
    }

    /// What [`Self::asks`] stands for.
    fn asked(&self) -> Option<&Arc<Service>> {
        None
    }

    /// A parameter of the query whose value no log may have, also of requests that do not come this far.
    fn secret_parameter(&self) -> Option<&Arc<str>> {
        None
    }
}

/// Why the settings of a middleware cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} {found:?} {reason}")]
pub(crate) struct InvalidMiddleware {
    key: &'static str,
    found: String,
    reason: &'static str,
}

impl From<InvalidMiddleware> for String {
    fn from(error: InvalidMiddleware) -> Self {
        error.to_string()
    }
}

impl Middleware {
    /// Compiles one middleware; `None` for a chain, which is no step of its own.
    ///
    /// # Errors
    /// When a setting cannot be used, with the setting and what to write.
    pub(crate) fn new(
        name: &QualifiedName,
        definition: &model::Middleware,
        background: &Background,
    ) -> Result<Option<Self>, String> {
        let step = Step::new(name, definition, background)?;
        Ok(step.map(|step| Self {
            name: name.clone(),
            label: name.to_string().into(),
            kind: definition.kind(),
            step,
        }))
    }

    /// The same for the router, or service, called `owner`: with its state, and asking what is to be `found` under the
    /// name of a service.
    pub(crate) fn for_owner(
        self: &Arc<Self>,
        owner: &str,
        found: impl Fn(&QualifiedName) -> Option<Arc<Service>>,
    ) -> Arc<Self> {
        let Step::Around(step) = &self.step else {
            return self.clone();
        };
        let with_state = step.for_owner(owner);
        let step = with_state.as_ref().unwrap_or(step);
        let asking = self.asks().and_then(|name| step.asking(found(&name)?));
        match asking.or(with_state) {
            None => self.clone(),
            Some(step) => Arc::new(Self {
                name: self.name.clone(),
                label: self.label.clone(),
                kind: self.kind,
                step: Step::Around(step),
            }),
        }
    }

    /// Counts what it made of a request of `client`.
    pub(crate) fn count(&self, client: &Client, outcomes: Outcomes) {
        if !outcomes.is_empty()
            && let Some(shard) = client.shard()
        {
            shard.middleware(&self.label, self.kind, outcomes);
        }
    }

    /// Counts that it answered a request, if that says that it may not pass.
    pub(crate) fn count_answer(&self, client: &Client, answer: &Response<Bytes>) {
        let status = answer.status();
        if status.is_client_error() || status.is_server_error() {
            self.count(client, Outcome::Rejected.into());
        }
    }

    /// Looks again at what it depends on. True if there is anything to tell.
    pub(crate) fn refresh(&self) -> bool {
        matches!(&self.step, Step::Around(step) if step.refresh())
    }

    /// What is wrong with what it depends on, though it serves on.
    pub(crate) fn trouble(&self) -> Option<String> {
        match &self.step {
            Step::Head(_) => None,
            Step::Around(step) => step.trouble(),
        }
    }

    /// The service that it asks beside the one that its requests go to.
    pub(crate) fn asks(&self) -> Option<QualifiedName> {
        match &self.step {
            Step::Head(_) => None,
            Step::Around(step) => Some(step.asks()?.resolve(&self.name.provider)),
        }
    }

    /// What [`Self::asks`] stands for.
    pub(crate) fn asked(&self) -> Option<&Arc<Service>> {
        match &self.step {
            Step::Head(_) => None,
            Step::Around(step) => step.asked(),
        }
    }

    /// A parameter of the query whose value no log may have.
    pub(crate) fn secret_parameter(&self) -> Option<&Arc<str>> {
        match &self.step {
            Step::Head(_) => None,
            Step::Around(step) => step.secret_parameter(),
        }
    }

    /// True if it may take time, or more than heads.
    pub(crate) fn is_around(&self) -> bool {
        matches!(self.step, Step::Around(_))
    }
}

impl Step {
    /// Compiles one middleware; `None` for a chain.
    fn new(
        name: &QualifiedName,
        definition: &model::Middleware,
        background: &Background,
    ) -> Result<Option<Self>, String> {
        Ok(Some(match definition {
            model::Middleware::AddPrefix(settings) => Self::head(AddPrefix::new(settings)?),
            model::Middleware::ApiKey(settings) => Self::around(ApiKey::new(settings)?),
            model::Middleware::BasicAuth(settings) => Self::around(BasicAuth::new(settings)?),
            model::Middleware::Buffering(settings) => Self::around(Buffering::new(settings)?),
            model::Middleware::Cache(settings) => {
                Self::around(Cache::new(name, settings, &background.caches)?)
            }
            model::Middleware::Chain(_) => return Ok(None),
            model::Middleware::CircuitBreaker(settings) => Self::around(CircuitBreaker::new(settings)?),
            model::Middleware::Compress(settings) => Self::around(Compress::new(settings)?),
            model::Middleware::ContentType(settings) => return Ok(ContentType::step(settings)),
            model::Middleware::DigestAuth(settings) => Self::around(DigestAuth::new(settings)?),
            model::Middleware::EncodedCharacters(settings) => Self::head(EncodedCharacters::new(settings)),
            model::Middleware::Errors(settings) => Self::around(Errors::new(settings)?),
            model::Middleware::ForwardAuth(settings) => {
                Self::around(ForwardAuth::new(name, settings, &background.caches)?)
            }
            model::Middleware::GrpcWeb(settings) => Self::around(GrpcWeb::new(settings)?),
            model::Middleware::Headers(settings) => Headers::step(settings)?,
            model::Middleware::InFlightReq(settings) => Self::around(InFlightReq::new(settings)?),
            model::Middleware::IpAllowList(settings) | model::Middleware::IpWhiteList(settings) => {
                Self::head(IpList::new(settings, Listed::Allowed)?)
            }
            model::Middleware::IpDenyList(settings) => Self::head(IpList::new(settings, Listed::Denied)?),
            model::Middleware::Jwt(settings) => {
                Self::around(Jwt::new(settings, &name.provider, &background.key_sets)?)
            }
            model::Middleware::Oidc(settings) => {
                Self::around(Oidc::new(settings, &name.provider, background)?)
            }
            model::Middleware::PassTlsClientCert(settings) => Self::head(PassTlsClientCert::new(settings)?),
            model::Middleware::Quota(settings) => {
                Self::around(Quota::new(name, settings, &background.quotas)?)
            }
            model::Middleware::RateLimit(settings) => Self::around(RateLimit::new(name, settings)?),
            model::Middleware::RedirectRegex(settings) => Self::head(RedirectRegex::new(settings)?),
            model::Middleware::RedirectScheme(settings) => Self::head(RedirectScheme::new(settings)?),
            model::Middleware::ReplacePath(settings) => Self::head(ReplacePath::new(settings)?),
            model::Middleware::ReplacePathRegex(settings) => Self::head(ReplacePathRegex::new(settings)?),
            model::Middleware::RequestLimits(settings) => Self::around(RequestLimits::new(settings)?),
            model::Middleware::Retry(settings) => Self::around(Retry::new(settings)?),
            model::Middleware::StripPrefix(settings) => Self::head(StripPrefix::new(settings)?),
            model::Middleware::StripPrefixRegex(settings) => Self::head(StripPrefixRegex::new(settings)?),
        }))
    }

    fn head(step: impl Head + 'static) -> Self {
        Self::Head(Box::new(step))
    }

    fn around(step: impl Around + 'static) -> Self {
        Self::Around(Arc::new(step))
    }
}

/// A short answer in text: the reason phrase of its status.
fn answer(status: StatusCode) -> ControlFlow<Response<Bytes>> {
    ControlFlow::Break(plain(status))
}

/// The same as it is.
fn plain(status: StatusCode) -> Response<Bytes> {
    answer_text(status, status.canonical_reason().unwrap_or_default())
}

/// An answer of `text`.
fn answer_text(status: StatusCode, text: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let text_plain = header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text_plain);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client in the clear.
    pub(super) fn peer() -> Peer {
        Peer::new(
            "10.0.0.9".parse().unwrap(),
            header::HeaderValue::from_static("mesh"),
            &crate::settings::ForwardedHeaders::default(),
        )
    }

    /// Runs a step on a request and gives the path that comes out.
    pub(super) fn path_after(step: &dyn Head, uri: &str) -> Result<String, StatusCode> {
        let (mut head, ()) = http::Request::builder().uri(uri).body(()).unwrap().into_parts();
        match step.request(&mut head, &peer()) {
            ControlFlow::Continue(()) => Ok(head.uri.to_string()),
            ControlFlow::Break(response) => Err(response.status()),
        }
    }

    /// Compiles `definition` as a file says it, with nothing in the background.
    pub(super) fn compile(definition: &model::Middleware) -> Result<Option<Step>, String> {
        let name = crate::fixture::name_of("it@file");
        Step::new(&name, definition, &Background::default())
    }

    /// Compiles `definition`, which is of a kind for heads.
    pub(super) fn step(definition: &model::Middleware) -> Box<dyn Head> {
        match compile(definition).unwrap().unwrap() {
            Step::Head(step) => step,
            Step::Around(step) => panic!("{step:?} is more"),
        }
    }
}
