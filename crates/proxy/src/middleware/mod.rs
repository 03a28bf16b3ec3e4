//! Middlewares in the form that requests meet them: settings are checked and compiled, nothing is left to
//! fail on account of its configuration.
//!
//! Most are pure functions on the head of a request or of an answer ([`Head`]). The others have the rest of the way in
//! their hands ([`Around`]). Chains are flat: the compiler has put their members in their place.

mod add_prefix;
mod change;
mod circuit_breaker;
mod errors;
mod expression;
mod headers;
mod instances;
mod path;
mod redirect_scheme;
mod retry;
mod strip_prefix;
mod visit;
mod walk;

use std::{fmt::Debug, ops::ControlFlow, sync::Arc};

use bytes::Bytes;
use futures::future::LocalBoxFuture;
use http::{Response, StatusCode, header, request, response};
use mesh_config::{QualifiedName, Reference, model};

pub(crate) use self::change::{Change, Changing, Parts, PutBack, Unreadable};
pub(crate) use self::visit::{End, Next, Visit, lead};
pub(crate) use self::walk::{meet, unwind};
use self::{
    add_prefix::AddPrefix, circuit_breaker::CircuitBreaker, errors::Errors, headers::Headers,
    instances::Instances, redirect_scheme::RedirectScheme, retry::Retry, strip_prefix::StripPrefix,
};
use crate::{forward::Answer, sanitize::Peer, service::Service};

/// Middlewares in the order a request meets them; an answer meets them the other way round.
pub type Chain = Arc<[Arc<Middleware>]>;

/// One step with its name.
#[derive(Debug)]
pub struct Middleware {
    /// Its qualified name.
    pub name: QualifiedName,
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
    pub fn new(name: &QualifiedName, definition: &model::Middleware) -> Result<Option<Self>, String> {
        let step = Step::new(definition)?;
        Ok(step.map(|step| Self {
            name: name.clone(),
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
                kind: self.kind,
                step: Step::Around(step),
            }),
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

    /// True if it may take time, or more than heads.
    pub(crate) fn is_around(&self) -> bool {
        matches!(self.step, Step::Around(_))
    }
}

impl Step {
    /// Compiles one middleware; `None` for a chain.
    fn new(definition: &model::Middleware) -> Result<Option<Self>, String> {
        Ok(Some(match definition {
            model::Middleware::AddPrefix(settings) => Self::head(AddPrefix::new(settings)?),
            model::Middleware::CircuitBreaker(settings) => Self::around(CircuitBreaker::new(settings)?),
            model::Middleware::Errors(settings) => Self::around(Errors::new(settings)?),
            model::Middleware::Headers(settings) => Self::head(Headers::new(settings)?),
            model::Middleware::RedirectScheme(settings) => Self::head(RedirectScheme::new(settings)?),
            model::Middleware::Retry(settings) => Self::around(Retry::new(settings)?),
            model::Middleware::StripPrefix(settings) => Self::head(StripPrefix::new(settings)?),
            model::Middleware::Chain(_) => return Ok(None),
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
    let text = status.canonical_reason().unwrap_or_default();
    let mut response = Response::new(Bytes::from_static(text.as_bytes()));
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

    /// Compiles `definition`, which is of a kind for heads.
    pub(super) fn step(definition: &model::Middleware) -> Box<dyn Head> {
        match Step::new(definition).unwrap().unwrap() {
            Step::Head(step) => step,
            Step::Around(step) => panic!("{step:?} is more"),
        }
    }
}
