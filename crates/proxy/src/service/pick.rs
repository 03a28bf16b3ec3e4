//! What the services between a route and a server agree on for one attempt.

use std::sync::Arc;

use http::HeaderValue;

use super::{Copies, Server, Service, Spare};
use crate::middleware::Chain;

/// The server chosen for one attempt.
#[derive(Debug, Clone)]
pub struct Pick {
    /// The server.
    pub server: Arc<Server>,
    /// Chains of the services between the route's service and the server, outermost first; mostly empty.
    /// They apply to this attempt only.
    pub middlewares: Vec<Chain>,
    /// `Set-Cookie` values for the client if this pick is the one that answers, innermost first; mostly empty.
    pub cookies: Vec<HeaderValue>,
    /// It is in place of a service that has no server left for the request.
    pub is_instead: bool,
    /// What else happens to the request; mostly nothing.
    pub beside: Option<Box<Beside>>,
}

/// What services beside those on the way to the server get to do.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    /// Who gets copies of the request.
    pub copies: Vec<Copies>,
    /// Who answers in place of a service whose answer does not count, innermost first.
    pub spares: Vec<Spare>,
}

impl Pick {
    /// Straight to `server`.
    pub(super) fn of(server: Arc<Server>) -> Self {
        Self {
            server,
            middlewares: Vec::new(),
            cookies: Vec::new(),
            is_instead: false,
            beside: None,
        }
    }

    /// The same, seen from a service above `child`, which chose.
    pub(super) fn through(mut self, child: &Service) -> Self {
        if child.middlewares.is_empty() {
            return self;
        }
        self.middlewares.insert(0, child.middlewares.clone());
        if let Some(beside) = &mut self.beside {
            beside.copies.iter_mut().for_each(|copies| copies.chains += 1);
            beside.spares.iter_mut().for_each(|spare| spare.chains += 1);
        }
        self
    }

    /// In place of a service that has no server left.
    pub(super) fn instead(self) -> Self {
        Self {
            is_instead: true,
            ..self
        }
    }

    /// With a cookie of the service that is looking at it.
    pub(super) fn with_cookie(mut self, cookie: Option<HeaderValue>) -> Self {
        let Some(cookie) = cookie else { return self };
        self.cookies.push(cookie);
        if let Some(beside) = &mut self.beside {
            beside.spares.iter_mut().for_each(|spare| spare.cookies += 1);
        }
        self
    }

    /// With copies for others.
    pub(super) fn with_copies(mut self, copies: Copies) -> Self {
        self.beside.get_or_insert_default().copies.push(copies);
        self
    }

    /// With somebody who answers in place of those below.
    pub(super) fn with_spare(mut self, spare: Spare) -> Self {
        self.beside.get_or_insert_default().spares.push(spare);
        self
    }
}
