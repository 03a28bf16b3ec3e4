//! Middlewares in the form that requests meet them: settings are checked and compiled, nothing is left to
//! fail on account of its configuration.
//!
//! A step is a pure function on the head of a request or of an answer. Chains are flat: the compiler has put
//! their members in their place.

mod add_prefix;
mod headers;
mod path;
mod redirect_scheme;
mod strip_prefix;
mod walk;

use std::{ops::ControlFlow, sync::Arc};

use bytes::Bytes;
use http::{Response, StatusCode, header, request, response};
use mesh_config::{QualifiedName, model};

pub(crate) use self::walk::{meet, unwind};
pub use self::{
    add_prefix::AddPrefix, headers::Headers, redirect_scheme::RedirectScheme, strip_prefix::StripPrefix,
};

/// Middlewares in the order a request meets them; an answer meets them the other way round.
pub type Chain = Arc<[Arc<Middleware>]>;

/// One step with its name.
#[derive(Debug)]
pub struct Middleware {
    /// Its qualified name.
    pub name: QualifiedName,
    /// What it does.
    pub step: Step,
}

/// What a middleware does.
#[derive(Debug)]
pub enum Step {
    /// Puts a prefix in front of the path.
    AddPrefix(AddPrefix),
    /// Sets or removes headers.
    Headers(Headers),
    /// Sends the client to another scheme.
    RedirectScheme(RedirectScheme),
    /// Takes a prefix off the path.
    StripPrefix(StripPrefix),
}

/// Why the settings of a middleware cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} {found:?} {reason}")]
pub struct InvalidMiddleware {
    key: &'static str,
    found: String,
    reason: &'static str,
}

impl Step {
    /// Compiles one middleware; `None` for a chain, which is no step of its own.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn new(definition: &model::Middleware) -> Result<Option<Self>, InvalidMiddleware> {
        Ok(Some(match definition {
            model::Middleware::AddPrefix(settings) => Self::AddPrefix(AddPrefix::new(settings)?),
            model::Middleware::Headers(settings) => Self::Headers(Headers::new(settings)?),
            model::Middleware::RedirectScheme(settings) => {
                Self::RedirectScheme(RedirectScheme::new(settings)?)
            }
            model::Middleware::StripPrefix(settings) => Self::StripPrefix(StripPrefix::new(settings)?),
            model::Middleware::Chain(_) => return Ok(None),
        }))
    }

    /// The kind as written in configuration.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::AddPrefix(_) => "addPrefix",
            Self::Headers(_) => "headers",
            Self::RedirectScheme(_) => "redirectScheme",
            Self::StripPrefix(_) => "stripPrefix",
        }
    }

    /// Changes the head of a request, or answers it.
    pub fn request(&self, head: &mut request::Parts) -> ControlFlow<Response<Bytes>> {
        match self {
            Self::AddPrefix(step) => step.request(head),
            Self::Headers(step) => step.request(head),
            Self::RedirectScheme(step) => step.request(head),
            Self::StripPrefix(step) => step.request(head),
        }
    }

    /// Changes the head of an answer.
    pub fn response(&self, head: &mut response::Parts) {
        match self {
            Self::Headers(step) => step.response(head),
            Self::AddPrefix(_) | Self::RedirectScheme(_) | Self::StripPrefix(_) => {}
        }
    }
}

/// A short answer in text: the reason phrase of its status.
fn answer(status: StatusCode) -> ControlFlow<Response<Bytes>> {
    let text = status.canonical_reason().unwrap_or_default();
    let mut response = Response::new(Bytes::from_static(text.as_bytes()));
    *response.status_mut() = status;
    let text_plain = header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text_plain);
    ControlFlow::Break(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the only step of `definition` on a request and gives the path that comes out.
    pub(super) fn path_after(step: &Step, uri: &str) -> Result<String, StatusCode> {
        let (mut head, ()) = http::Request::builder().uri(uri).body(()).unwrap().into_parts();
        match step.request(&mut head) {
            ControlFlow::Continue(()) => Ok(head.uri.to_string()),
            ControlFlow::Break(response) => Err(response.status()),
        }
    }

    /// Compiles `definition`.
    pub(super) fn step(definition: &model::Middleware) -> Step {
        Step::new(definition).unwrap().unwrap()
    }
}
