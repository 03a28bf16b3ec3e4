//! Requests that nobody sent: what would become of them, by the code that serves those that somebody did.

use std::net::IpAddr;

use http::{HeaderValue, Request, StatusCode, request};

use crate::{
    middleware::meet,
    request::{found, with_view},
    sanitize::{Peer, Rejection, sanitize},
    settings::EntryPoint,
    table::{Explanation, Refused, RoutingTable},
};

impl RoutingTable {
    /// What becomes of `request` at an entrypoint with `settings`: checked and rewritten, routed, and led
    /// through middlewares as if it had come from `client`, over TLS where `secure`. `had_fragment` says that its target
    /// was cut at a `#`.
    pub fn try_request(
        &self,
        entry_point: usize,
        settings: &EntryPoint,
        request: Request<()>,
        (client, secure): (IpAddr, bool),
        had_fragment: bool,
    ) -> Explanation {
        let peer = Peer::new(
            client,
            HeaderValue::from_static("mesh"),
            &settings.forwarded_headers,
        );
        if secure {
            peer.secure();
        }
        let (mut head, ()) = request.into_parts();
        let sanitized = if had_fragment {
            Err(Rejection::Target)
        } else {
            sanitize(&mut head, &peer, settings)
        };
        let explain = |head: &request::Parts| with_view(head, &peer, |view| self.explain(entry_point, view));
        if let Err(rejection) = sanitized {
            return refused(explain(&head), rejection);
        }
        let mut explanation = explain(&head);
        let route = match found(self, entry_point, &head, &peer) {
            Ok(route) => route,
            Err(rejection) => return refused(explanation, rejection),
        };
        if let Some(route) = route
            && let (passed, Some(answer)) = meet(&*route.middlewares, &mut head, &peer)
            && answer.status() == StatusCode::BAD_REQUEST
        {
            let by = route.middlewares.get(passed).map(|it| it.name.to_string());
            explanation.refused = Some(Refused {
                status: StatusCode::BAD_REQUEST.as_u16(),
                reason: format!("middleware {} takes no such path", by.unwrap_or_default()),
            });
        }
        explanation
    }
}

/// The explanation of a request that is not routed: no router has a say in it.
fn refused(mut explanation: Explanation, rejection: Rejection) -> Explanation {
    explanation.chosen = None;
    explanation.near_misses.clear();
    explanation.refused = Some(Refused {
        status: rejection.status().as_u16(),
        reason: rejection.to_string(),
    });
    explanation
}
