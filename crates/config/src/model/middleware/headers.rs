//! Options of `headers`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{model::is_default, rule::Pattern};

/// Sets or removes headers, answers the questions of browsers about other sites (CORS), and adds what keeps
/// browsers safe.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own, as users write them"
)]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Headers {
    /// For the request; an empty value removes.
    #[serde(skip_serializing_if = "is_default")]
    pub custom_request_headers: BTreeMap<String, String>,
    /// For the answer; an empty value removes.
    #[serde(skip_serializing_if = "is_default")]
    pub custom_response_headers: BTreeMap<String, String>,

    /// Other sites may send cookies and credentials.
    #[serde(skip_serializing_if = "is_default")]
    pub access_control_allow_credentials: bool,
    /// Headers that other sites may send.
    #[serde(skip_serializing_if = "is_default")]
    pub access_control_allow_headers: Vec<String>,
    /// Methods that other sites may use.
    #[serde(skip_serializing_if = "is_default")]
    pub access_control_allow_methods: Vec<String>,
    /// Sites that may read answers; `*` for all.
    #[serde(skip_serializing_if = "is_default")]
    pub access_control_allow_origin_list: Vec<String>,
    /// The same by expressions, each of which must match the whole origin.
    #[serde(skip_serializing_if = "is_default")]
    pub access_control_allow_origin_list_regex: Vec<Pattern>,
    /// Headers of answers that other sites may read.
    #[serde(skip_serializing_if = "is_default")]
    pub access_control_expose_headers: Vec<String>,
    /// Seconds for which a browser may remember the above.
    #[serde(skip_serializing_if = "is_default")]
    pub access_control_max_age: Option<i64>,
    /// Tells caches that answers depend on the site that asks.
    #[serde(skip_serializing_if = "is_default")]
    pub add_vary_header: bool,

    /// Hosts that may be asked for, each with its port; others are answered 500.
    #[serde(skip_serializing_if = "is_default")]
    pub allowed_hosts: Vec<String>,
    /// Headers that tell the host that was asked for.
    #[serde(skip_serializing_if = "is_default")]
    pub hosts_proxy_headers: Vec<String>,
    /// Headers whose values tell that the client uses HTTPS.
    #[serde(skip_serializing_if = "is_default")]
    pub ssl_proxy_headers: BTreeMap<String, String>,
    /// Seconds for which browsers use HTTPS only; 0 says nothing.
    #[serde(skip_serializing_if = "is_default")]
    pub sts_seconds: u64,
    /// The same for all subdomains.
    #[serde(skip_serializing_if = "is_default")]
    pub sts_include_subdomains: bool,
    /// The host may be built into browsers as one of HTTPS.
    #[serde(skip_serializing_if = "is_default")]
    pub sts_preload: bool,
    /// Says so over HTTP as well.
    #[serde(rename = "forceSTSHeader", skip_serializing_if = "is_default")]
    pub force_sts_header: bool,
    /// No page may show these in a frame.
    #[serde(skip_serializing_if = "is_default")]
    pub frame_deny: bool,
    /// Another value of `X-Frame-Options`.
    #[serde(skip_serializing_if = "is_default")]
    pub custom_frame_options_value: String,
    /// Browsers believe the `Content-Type`.
    #[serde(skip_serializing_if = "is_default")]
    pub content_type_nosniff: bool,
    /// Switches on the filter of old browsers.
    #[serde(skip_serializing_if = "is_default")]
    pub browser_xss_filter: bool,
    /// Another value of `X-XSS-Protection`.
    #[serde(rename = "customBrowserXSSValue", skip_serializing_if = "is_default")]
    pub custom_browser_xss_value: String,
    /// `Content-Security-Policy`.
    #[serde(skip_serializing_if = "is_default")]
    pub content_security_policy: String,
    /// `Content-Security-Policy-Report-Only`.
    #[serde(skip_serializing_if = "is_default")]
    pub content_security_policy_report_only: String,
    /// `Referrer-Policy`.
    #[serde(skip_serializing_if = "is_default")]
    pub referrer_policy: String,
    /// `Permissions-Policy`.
    #[serde(skip_serializing_if = "is_default")]
    pub permissions_policy: String,
    /// Switches `allowedHosts` and `stsSeconds` off.
    #[serde(skip_serializing_if = "is_default")]
    pub is_development: bool,

    /// Of old configurations, without effect.
    #[serde(skip_serializing_if = "is_default")]
    pub public_key: Option<String>,
    /// Of old configurations, without effect.
    #[serde(skip_serializing_if = "is_default")]
    pub feature_policy: Option<String>,
    /// Of old configurations, without effect.
    #[serde(skip_serializing_if = "is_default")]
    pub ssl_redirect: Option<bool>,
    /// Of old configurations, without effect.
    #[serde(skip_serializing_if = "is_default")]
    pub ssl_temporary_redirect: Option<bool>,
    /// Of old configurations, without effect.
    #[serde(skip_serializing_if = "is_default")]
    pub ssl_host: Option<String>,
    /// Of old configurations, without effect.
    #[serde(skip_serializing_if = "is_default")]
    pub ssl_force_host: Option<bool>,
}

impl Headers {
    /// Options that are written and do nothing, each with what does something.
    pub(super) fn without_effect(&self) -> Vec<(&'static str, &'static str)> {
        let written = [
            (
                "publicKey",
                "browsers have given it up",
                self.public_key.is_some(),
            ),
            (
                "featurePolicy",
                "use permissionsPolicy",
                self.feature_policy.is_some(),
            ),
            ("sslRedirect", "use redirectScheme", self.ssl_redirect.is_some()),
            (
                "sslTemporaryRedirect",
                "use redirectScheme",
                self.ssl_temporary_redirect.is_some(),
            ),
            ("sslHost", "use redirectRegex", self.ssl_host.is_some()),
            ("sslForceHost", "use redirectRegex", self.ssl_force_host.is_some()),
        ];
        let written = written.into_iter().filter(|(_, _, is_written)| *is_written);
        written.map(|(option, instead, _)| (option, instead)).collect()
    }
}
