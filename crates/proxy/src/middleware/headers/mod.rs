//! `headers`: sets or removes headers, answers browsers that ask about other sites, and keeps browsers safe.

mod cors;
mod custom;
mod security;

use std::ops::ControlFlow;

use bytes::Bytes;
use futures::future::LocalBoxFuture;
use http::{HeaderValue, Response, StatusCode, request, response};
use mesh_config::model;

use self::{cors::Cors, custom::Changes, security::Security};
use super::{Around, Head, InvalidMiddleware, Next, Step, Visit, answer_text};
use crate::{forward::Answer, sanitize::Peer};

/// All that is done to the heads of requests and answers.
#[derive(Debug)]
pub(super) struct Headers {
    request: Changes,
    response: Changes,
    security: Security,
}

/// The same where what an answer says depends on its request.
#[derive(Debug)]
struct Asked {
    headers: Headers,
    cors: Option<Cors>,
}

impl Headers {
    /// A step for heads alone, if answers do not depend on what was asked.
    pub(super) fn step(settings: &model::Headers) -> Result<Step, InvalidMiddleware> {
        if is_idle(settings) {
            return Err(InvalidMiddleware {
                key: "headers",
                found: String::new(),
                reason: "sets nothing; add customRequestHeaders, customResponseHeaders or another option",
            });
        }
        let headers = Self {
            request: Changes::of_requests(&settings.custom_request_headers)?,
            response: Changes::of_answers(&settings.custom_response_headers)?,
            security: Security::new(settings)?,
        };
        let cors = Cors::new(settings)?;
        Ok(match cors.is_some() || headers.security.depends() {
            true => Step::around(Asked { headers, cors }),
            false => Step::head(headers),
        })
    }

    /// Changes a request, or refuses it.
    fn meet(&self, head: &mut request::Parts) -> ControlFlow<Response<Bytes>> {
        self.request.apply_to_request(&mut head.headers);
        match self.security.allows(head) {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(answer_text(StatusCode::INTERNAL_SERVER_ERROR, "Bad Host")),
        }
    }

    /// Changes an answer.
    fn finish(&self, tells_transport: bool, head: &mut response::Parts) {
        self.security.say(tells_transport, &mut head.headers);
        self.response.apply(&mut head.headers);
    }
}

impl Head for Headers {
    fn request(&self, head: &mut request::Parts, _: &Peer) -> ControlFlow<Response<Bytes>> {
        self.meet(head)
    }

    fn response(&self, head: &mut response::Parts) {
        self.finish(true, head);
    }
}

/// What the answer to one request will say.
#[derive(Debug, Default)]
struct Say {
    /// To the site that asks.
    allowed: Option<HeaderValue>,
    /// To use HTTPS.
    transport: bool,
}

impl Asked {
    /// What the answer to a request will say; or the answer itself.
    fn request(&self, head: &mut request::Parts, peer: &Peer) -> ControlFlow<Response<Bytes>, Say> {
        if let Some(answer) = self.cors.as_ref().and_then(|cors| cors.preflight(head)) {
            return ControlFlow::Break(answer);
        }
        let say = Say {
            allowed: self.cors.as_ref().and_then(|cors| cors.allowed(head)),
            transport: self.headers.security.tells_transport(head, peer),
        };
        self.headers.meet(head)?;
        ControlFlow::Continue(say)
    }

    fn response(&self, say: Say, head: &mut response::Parts) {
        self.headers.finish(say.transport, head);
        if let Some(cors) = &self.cors {
            cors.tell(say.allowed, &mut head.headers);
        }
    }
}

impl Around for Asked {
    fn call<'a>(&'a self, visit: &'a mut Visit<'_>, mut next: Next<'a>) -> LocalBoxFuture<'a, Answer> {
        Box::pin(async move {
            let say = match self.request(&mut visit.head, visit.client.peer()) {
                ControlFlow::Break(answer) => return answer.into(),
                ControlFlow::Continue(say) => say,
            };
            let mut answer = next.run(visit).await;
            self.response(say, &mut answer.head);
            answer
        })
    }
}

/// True if nothing is to be done.
fn is_idle(settings: &model::Headers) -> bool {
    let without_effect = model::Headers {
        public_key: settings.public_key.clone(),
        feature_policy: settings.feature_policy.clone(),
        ssl_redirect: settings.ssl_redirect,
        ssl_temporary_redirect: settings.ssl_temporary_redirect,
        ssl_host: settings.ssl_host.clone(),
        ssl_force_host: settings.ssl_force_host,
        ..model::Headers::default()
    };
    *settings == without_effect
}

#[cfg(test)]
mod tests {
    use mesh_config::model::Middleware;

    use super::{
        super::{
            Step,
            tests::{compile, peer},
        },
        *,
    };

    fn all() -> model::Headers {
        model::Headers {
            custom_request_headers: [("X-A".to_owned(), "1".to_owned())].into(),
            custom_response_headers: [
                ("Referrer-Policy".to_owned(), "origin".to_owned()),
                (
                    "Access-Control-Allow-Origin".to_owned(),
                    "https://c.test".to_owned(),
                ),
            ]
            .into(),
            access_control_allow_origin_list: vec!["https://a.test".to_owned()],
            referrer_policy: "no-referrer".to_owned(),
            frame_deny: true,
            ..model::Headers::default()
        }
    }

    #[test]
    fn own_headers_win_over_those_of_security_and_cors_over_both() {
        let settings = all();
        let asked = Asked {
            headers: Headers {
                request: Changes::of_requests(&settings.custom_request_headers).unwrap(),
                response: Changes::of_answers(&settings.custom_response_headers).unwrap(),
                security: Security::new(&settings).unwrap(),
            },
            cors: Cors::new(&settings).unwrap(),
        };
        for (origin, told) in [
            ("https://a.test", "https://a.test"),
            ("https://b.test", "https://c.test"),
        ] {
            let request = http::Request::builder().header("origin", origin);
            let (mut head, ()) = request.body(()).unwrap().into_parts();
            let ControlFlow::Continue(say) = asked.request(&mut head, &peer()) else {
                panic!("it was answered");
            };
            assert_eq!(head.headers["x-a"], "1");
            let (mut head, ()) = Response::new(()).into_parts();
            asked.response(say, &mut head);
            assert_eq!(head.headers["referrer-policy"], "origin");
            assert_eq!(head.headers["x-frame-options"], "DENY");
            assert_eq!(head.headers["access-control-allow-origin"], told);
        }
    }

    #[test]
    fn a_host_that_is_not_listed_is_told_so_and_one_that_is_set_counts() {
        let mut settings = model::Headers {
            allowed_hosts: vec!["b.test".to_owned()],
            ..model::Headers::default()
        };
        for (set, status) in [(false, Some(500)), (true, None)] {
            if set {
                settings.custom_request_headers = [("Host".to_owned(), "b.test".to_owned())].into();
            }
            let Step::Head(step) = Headers::step(&settings).unwrap() else {
                panic!("it is more");
            };
            let request = http::Request::builder().header("host", "a.test");
            let (mut head, ()) = request.body(()).unwrap().into_parts();
            let answer = step.request(&mut head, &peer()).break_value();
            assert_eq!(answer.map(|answer| answer.status().as_u16()), status);
        }
    }

    #[test]
    fn only_what_depends_on_requests_costs_more() {
        let plain = model::Headers {
            frame_deny: true,
            ..model::Headers::default()
        };
        let transport = model::Headers {
            sts_seconds: 60,
            ..model::Headers::default()
        };
        assert!(matches!(Headers::step(&plain).unwrap(), Step::Head(_)));
        for settings in [transport, all()] {
            assert!(matches!(Headers::step(&settings).unwrap(), Step::Around(_)));
        }
    }

    #[test]
    fn nothing_at_all_is_refused_and_so_is_what_has_no_effect() {
        let old = model::Headers {
            ssl_redirect: Some(true),
            ..model::Headers::default()
        };
        for settings in [model::Headers::default(), old] {
            assert!(compile(&Middleware::Headers(Box::new(settings))).is_err());
        }
    }
}
