//! One request on its way to one server: what choosing it may look at, and what became of it.

use std::{net::IpAddr, time::Instant};

use http::{StatusCode, request};

use super::server::{Server, ServerId};

/// What a service may look at to choose a server for one attempt.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// The request, as it came out of the router's middlewares.
    pub head: &'a request::Parts,
    /// Who sent it: the peer, or whom a trusted PROXY header names.
    pub client: IpAddr,
    /// Servers that failed it so far.
    pub tried: &'a [ServerId],
    /// Servers are passed over that did not answer whoever asked them last.
    pub is_wary: bool,
    /// It had all the tries that there are for it: only who answers in place of others may be chosen.
    pub is_spent: bool,
    /// When the attempt begins.
    pub now: Instant,
}

impl Asking<'_> {
    /// The same, only to servers that answer, or to any.
    #[must_use]
    pub(super) fn wary(self, is_wary: bool) -> Self {
        Self { is_wary, ..self }
    }

    /// True if it is not to be offered to `server`, though that could take it.
    pub(super) fn passes_over(&self, server: &Server) -> bool {
        self.tried.contains(&server.id()) || self.is_wary && server.state.is_in_doubt()
    }
}

/// One attempt under way. Its server hears of the end of it exactly once, also when the attempt is dropped because
/// the client went away.
#[derive(Debug)]
pub struct Attempt<'a> {
    server: &'a Server,
    began: Instant,
    outcome: Outcome,
}

/// What became of an attempt, up to the head of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The head of an answer came.
    Answered(StatusCode),
    /// There was no connection: refused, unreachable, no answer in time, no agreement on TLS.
    Unreachable,
    /// The connection ended before an answer began.
    Lost,
    /// No answer in time, or it stopped taking the request.
    TimedOut,
    /// Something that is no answer to the request.
    Invalid,
    /// The client went away or did not finish its request: no fault of the server, but it had not answered yet.
    Abandoned,
    /// Nothing was sent to the server; says nothing about it.
    Unsent,
}

impl Outcome {
    /// Whether the server failed; `None` where that cannot be told.
    pub(super) fn failed(self) -> Option<bool> {
        match self {
            Self::Answered(status) => Some(status.is_server_error()),
            Self::Unreachable | Self::Lost | Self::TimedOut | Self::Invalid => Some(true),
            Self::Abandoned | Self::Unsent => None,
        }
    }
}

impl<'a> Attempt<'a> {
    /// An attempt that begins now.
    pub fn begin(server: &'a Server, now: Instant) -> Self {
        Self {
            server,
            began: now,
            outcome: Outcome::Abandoned,
        }
    }

    /// This became of it.
    pub fn end(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.server.observe(self.outcome, self.began, Instant::now);
    }
}
