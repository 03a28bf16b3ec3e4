//! What keeps browsers safe, and hosts that may be asked for.

use http::{HeaderMap, HeaderName, HeaderValue, header, request};
use mesh_config::model;

use super::super::InvalidMiddleware;
use crate::sanitize::Peer;

/// What every answer says, and what is asked of requests.
#[derive(Debug)]
pub(super) struct Security {
    said: Vec<(HeaderName, HeaderValue)>,
    transport: Option<Transport>,
    hosts: Option<Hosts>,
}

/// `Strict-Transport-Security`.
#[derive(Debug)]
struct Transport {
    value: HeaderValue,
    always: bool,
    /// Headers that tell that the client uses HTTPS.
    proofs: Vec<(HeaderName, String)>,
}

/// Hosts that may be asked for.
#[derive(Debug)]
struct Hosts {
    allowed: Vec<String>,
    told_by: Vec<HeaderName>,
}

static PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

impl Security {
    pub(super) fn new(settings: &model::Headers) -> Result<Self, InvalidMiddleware> {
        let production = !settings.is_development;
        Ok(Self {
            said: said(settings)?,
            transport: (production && settings.sts_seconds > 0)
                .then(|| Transport::new(settings))
                .transpose()?,
            hosts: (production && !settings.allowed_hosts.is_empty())
                .then(|| Hosts::new(settings))
                .transpose()?,
        })
    }

    /// True if the host may be asked for.
    pub(super) fn allows(&self, head: &request::Parts) -> bool {
        self.hosts.as_ref().is_none_or(|hosts| hosts.allow(&head.headers))
    }

    /// True if what an answer says depends on its request.
    pub(super) fn depends(&self) -> bool {
        self.transport.as_ref().is_some_and(|it| !it.always)
    }

    /// True if the answer to this request tells browsers to use HTTPS.
    pub(super) fn tells_transport(&self, head: &request::Parts, peer: &Peer) -> bool {
        self.transport
            .as_ref()
            .is_some_and(|it| it.always || peer.is_secure() || it.is_proven(&head.headers))
    }

    /// Says all that is to be said in an answer.
    pub(super) fn say(&self, tells_transport: bool, headers: &mut HeaderMap) {
        for (name, value) in &self.said {
            headers.insert(name, value.clone());
        }
        if let Some(transport) = self.transport.as_ref().filter(|_| tells_transport) {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, transport.value.clone());
        }
    }
}

/// What every answer says.
fn said(settings: &model::Headers) -> Result<Vec<(HeaderName, HeaderValue)>, InvalidMiddleware> {
    // An own value, or the usual one where that is switched on.
    let or = |own: &str, is_on: bool, usual: &str| match own.is_empty() && is_on {
        true => usual.to_owned(),
        false => own.to_owned(),
    };
    let frames = or(&settings.custom_frame_options_value, settings.frame_deny, "DENY");
    let sniffing = or("", settings.content_type_nosniff, "nosniff");
    let xss = or(
        &settings.custom_browser_xss_value,
        settings.browser_xss_filter,
        "1; mode=block",
    );
    let csp = settings.content_security_policy.clone();
    let csp_report = settings.content_security_policy_report_only.clone();
    let referrer = settings.referrer_policy.clone();
    let permissions = settings.permissions_policy.clone();
    let lines = [
        ("customFrameOptionsValue", header::X_FRAME_OPTIONS, frames),
        ("contentTypeNosniff", header::X_CONTENT_TYPE_OPTIONS, sniffing),
        ("customBrowserXSSValue", header::X_XSS_PROTECTION, xss),
        ("contentSecurityPolicy", header::CONTENT_SECURITY_POLICY, csp),
        (
            "contentSecurityPolicyReportOnly",
            header::CONTENT_SECURITY_POLICY_REPORT_ONLY,
            csp_report,
        ),
        ("referrerPolicy", header::REFERRER_POLICY, referrer),
        ("permissionsPolicy", PERMISSIONS_POLICY.clone(), permissions),
    ];
    let lines = lines.into_iter().filter(|(_, _, text)| !text.is_empty());
    let lines = lines.map(|(key, name, text)| match HeaderValue::from_str(&text) {
        Ok(value) => Ok((name, value)),
        Err(_) => Err(InvalidMiddleware {
            key,
            found: text,
            reason: "holds characters that no header can carry",
        }),
    });
    lines.collect()
}

impl Transport {
    fn new(settings: &model::Headers) -> Result<Self, InvalidMiddleware> {
        let mut value = format!("max-age={}", settings.sts_seconds);
        if settings.sts_include_subdomains {
            value.push_str("; includeSubDomains");
        }
        if settings.sts_preload {
            value.push_str("; preload");
        }
        let proofs = settings.ssl_proxy_headers.iter().map(|(name, value)| {
            let name = name_of("sslProxyHeaders", name)?;
            Ok((name, value.clone()))
        });
        Ok(Self {
            value: HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("max-age=0")),
            always: settings.force_sts_header,
            proofs: proofs.collect::<Result<_, _>>()?,
        })
    }

    fn is_proven(&self, headers: &HeaderMap) -> bool {
        let says =
            |(name, value): &(HeaderName, String)| headers.get(name).is_some_and(|it| it == value.as_str());
        self.proofs.iter().any(says)
    }
}

impl Hosts {
    fn new(settings: &model::Headers) -> Result<Self, InvalidMiddleware> {
        let told_by = settings.hosts_proxy_headers.iter();
        Ok(Self {
            allowed: settings.allowed_hosts.clone(),
            told_by: told_by
                .map(|name| name_of("hostsProxyHeaders", name))
                .collect::<Result<_, _>>()?,
        })
    }

    fn allow(&self, headers: &HeaderMap) -> bool {
        let told = |name: &HeaderName| headers.get(name).filter(|value| !value.is_empty());
        let host = self
            .told_by
            .iter()
            .find_map(told)
            .or_else(|| headers.get(header::HOST));
        let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
        self.allowed
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(host))
    }
}

fn name_of(key: &'static str, text: &str) -> Result<HeaderName, InvalidMiddleware> {
    text.parse().map_err(|_| InvalidMiddleware {
        key,
        found: text.to_owned(),
        reason: "is no header name",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::ForwardedHeaders;

    fn peer(secure: bool) -> Peer {
        let server = HeaderValue::from_static("mesh");
        let peer = Peer::new([10, 0, 0, 9].into(), server, &ForwardedHeaders::default());
        if secure {
            peer.secure();
        }
        peer
    }

    fn head(headers: &[(&str, &str)]) -> request::Parts {
        let mut request = http::Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn said(settings: &model::Headers, tells_transport: bool) -> Vec<String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("unsafe-url"));
        Security::new(settings)
            .unwrap()
            .say(tells_transport, &mut headers);
        let lines = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        let mut lines: Vec<_> = lines.filter(|line| !line.contains("unsafe-url")).collect();
        lines.sort();
        lines
    }

    #[test]
    fn every_option_says_its_header() {
        let text = |text: &str| text.to_owned();
        let on = model::Headers {
            frame_deny: true,
            content_type_nosniff: true,
            browser_xss_filter: true,
            content_security_policy: text("default-src 'self'"),
            content_security_policy_report_only: text("img-src *"),
            referrer_policy: text("no-referrer"),
            permissions_policy: text("camera=()"),
            sts_seconds: 60,
            sts_include_subdomains: true,
            sts_preload: true,
            ..model::Headers::default()
        };
        assert_eq!(
            said(&on, true),
            [
                "content-security-policy-report-only: img-src *",
                "content-security-policy: default-src 'self'",
                "permissions-policy: camera=()",
                "referrer-policy: no-referrer",
                "strict-transport-security: max-age=60; includeSubDomains; preload",
                "x-content-type-options: nosniff",
                "x-frame-options: DENY",
                "x-xss-protection: 1; mode=block",
            ]
        );
        let own = model::Headers {
            custom_frame_options_value: text("SAMEORIGIN"),
            custom_browser_xss_value: text("0"),
            frame_deny: true,
            ..model::Headers::default()
        };
        assert_eq!(
            said(&own, true),
            ["x-frame-options: SAMEORIGIN", "x-xss-protection: 0"]
        );
        assert!(said(&model::Headers::default(), true).is_empty());
    }

    #[test]
    fn browsers_are_told_to_use_https_where_they_do_already() {
        let mut settings = model::Headers {
            sts_seconds: 60,
            ssl_proxy_headers: [("X-Secure".to_owned(), "yes".to_owned())].into(),
            ..model::Headers::default()
        };
        let tells = |settings: &model::Headers, secure, headers: &[(&str, &str)]| {
            let security = Security::new(settings).unwrap();
            security.tells_transport(&head(headers), &peer(secure))
        };
        assert!(tells(&settings, true, &[]) && !tells(&settings, false, &[]));
        assert!(
            tells(&settings, false, &[("x-secure", "yes")])
                && !tells(&settings, false, &[("x-secure", "no")])
        );
        settings.force_sts_header = true;
        assert!(tells(&settings, false, &[]));
        settings.is_development = true;
        assert!(!tells(&settings, true, &[]));
    }

    #[test]
    fn only_hosts_that_are_listed_may_be_asked_for() {
        let mut settings = model::Headers {
            allowed_hosts: vec!["A.test:81".to_owned()],
            hosts_proxy_headers: vec!["X-Host".to_owned(), "X-Other".to_owned()],
            ..model::Headers::default()
        };
        let security = Security::new(&settings).unwrap();
        for (headers, is_allowed) in [
            (&[("host", "a.TEST:81")][..], true),
            (&[("host", "a.test")], false),
            (&[], false),
            (
                &[("host", "b.test"), ("x-host", ""), ("x-other", "a.test:81")],
                true,
            ),
            (&[("host", "a.test:81"), ("x-other", "b.test")], false),
        ] {
            assert_eq!(security.allows(&head(headers)), is_allowed, "{headers:?}");
        }
        settings.is_development = true;
        assert!(Security::new(&settings).unwrap().allows(&head(&[])));
    }

    #[test]
    fn what_no_header_can_carry_is_refused() {
        let wrong = [
            model::Headers {
                referrer_policy: "a\nb".to_owned(),
                ..model::Headers::default()
            },
            model::Headers {
                allowed_hosts: vec![String::new()],
                hosts_proxy_headers: vec!["a b".to_owned()],
                ..model::Headers::default()
            },
            model::Headers {
                sts_seconds: 1,
                ssl_proxy_headers: [("a b".to_owned(), String::new())].into(),
                ..model::Headers::default()
            },
        ];
        for settings in wrong {
            assert!(Security::new(&settings).is_err(), "{settings:?} was taken");
        }
    }
}
