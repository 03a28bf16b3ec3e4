//! Middlewares for heads as labels and tags have them.

use super::{broken, labels};
use crate::{labels::Declaration, model::Middleware};

/// The middlewares that these keys below `http.middlewares` declare, which must be whole.
fn declared(keys: &[(&str, &str)]) -> Declaration {
    let keys: Vec<_> = keys
        .iter()
        .map(|(key, value)| (format!("mesh.http.middlewares.{key}"), *value))
        .collect();
    let keys: Vec<_> = keys.iter().map(|(key, value)| (key.as_str(), *value)).collect();
    let declaration = labels(&keys);
    assert_eq!(broken(&declaration), Vec::<String>::new());
    declaration
}

fn only(keys: &[(&str, &str)]) -> Middleware {
    let declaration = declared(keys);
    declaration.middlewares["m"].value.clone()
}

#[test]
fn each_kind_can_be_declared() {
    let declaration = declared(&[
        ("a.ipallowlist.sourcerange", "10.0.0.0/8"),
        ("b.ipwhitelist.sourcerange", "10.0.0.0/8"),
        ("c.ipdenylist.sourcerange[0]", "10.0.0.1"),
        ("d.contenttype", "true"),
        ("e.encodedcharacters", "true"),
        ("f.replacepath.path", "/x"),
        ("g.passtlsclientcert.pem", "true"),
    ]);
    let middlewares = declaration.middlewares.values();
    let kinds: Vec<_> = middlewares.map(|it| it.value.kind()).collect();
    let expected = [
        "ipAllowList",
        "ipWhiteList",
        "ipDenyList",
        "contentType",
        "encodedCharacters",
        "replacePath",
        "passTLSClientCert",
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn lists_are_separated_by_commas_or_blanks() {
    for ranges in ["10.0.0.0/8,::1", "10.0.0.0/8 ::1", "10.0.0.0/8, ::1"] {
        let list = only(&[
            ("m.ipallowlist.sourcerange", ranges),
            ("m.ipallowlist.ipstrategy.depth", "1"),
            ("m.ipallowlist.rejectstatuscode", "404"),
        ]);
        let Middleware::IpAllowList(list) = list else {
            panic!("{list:?}")
        };
        assert_eq!(list.source_range, ["10.0.0.0/8", "::1"], "{ranges}");
        assert_eq!(
            (list.ip_strategy.unwrap().depth, list.reject_status_code),
            (1, 404)
        );
    }
}

#[test]
fn an_expression_with_commas_and_blanks_has_a_place_of_its_own() {
    let both = only(&[("m.stripprefixregex.regex", "^/v[0-9]+,^/api")]);
    assert!(matches!(both, Middleware::StripPrefixRegex(it) if it.regex.len() == 2));
    let one = only(&[("m.stripprefixregex.regex[0]", "^/v[0-9]{1,3} x")]);
    assert!(matches!(one, Middleware::StripPrefixRegex(it) if it.regex[0].text() == "^/v[0-9]{1,3} x"));
    let redirect = only(&[
        ("m.redirectregex.permanent", "true"),
        ("m.redirectregex.regex", "^http://(a|b)/(.{1,3})"),
        ("m.redirectregex.replacement", "https://${1}/"),
    ]);
    let Middleware::RedirectRegex(redirect) = redirect else {
        panic!("{redirect:?}")
    };
    assert_eq!(redirect.regex.text(), "^http://(a|b)/(.{1,3})");
    assert_eq!(
        (redirect.replacement.as_str(), redirect.permanent),
        ("https://${1}/", true)
    );
    let replace = only(&[
        ("m.replacepathregex.regex", "^/api/(.*)"),
        ("m.replacepathregex.replacement", "/$1"),
    ]);
    assert!(matches!(replace, Middleware::ReplacePathRegex(it) if it.replacement == "/$1"));
}

#[test]
fn all_of_headers_can_be_said_in_labels() {
    let headers = only(&[
        ("m.headers.customrequestheaders.X-Team", "shop, blue"),
        (
            "m.headers.accesscontrolalloworiginlist",
            "https://a.test,https://b.test",
        ),
        (
            "m.headers.accesscontrolalloworiginlistregex",
            r"https://[a-z]+\.a\.test",
        ),
        ("m.headers.accesscontrolmaxage", "-1"),
        ("m.headers.contentsecuritypolicy", "default-src 'self', img-src *"),
        ("m.headers.customBrowserXSSValue", "0"),
        ("m.headers.forcestsheader", "true"),
        ("m.headers.sslproxyheaders.X-Forwarded-Proto", "https"),
    ]);
    let Middleware::Headers(headers) = headers else {
        panic!("{headers:?}")
    };
    assert_eq!(headers.custom_request_headers["X-Team"], "shop, blue");
    assert_eq!(headers.access_control_allow_origin_list.len(), 2);
    assert_eq!(
        headers.access_control_allow_origin_list_regex[0].text(),
        r"https://[a-z]+\.a\.test"
    );
    assert_eq!(headers.access_control_max_age, Some(-1));
    assert_eq!(headers.content_security_policy, "default-src 'self', img-src *");
    assert_eq!(headers.custom_browser_xss_value, "0");
    assert!(headers.force_sts_header);
    assert_eq!(headers.ssl_proxy_headers["X-Forwarded-Proto"], "https");
}

#[test]
fn parts_of_a_certificate_are_chosen_one_by_one() {
    let pass = only(&[
        ("m.passtlsclientcert.info.subject.commonname", "true"),
        ("m.passtlsclientcert.info.sans", "true"),
    ]);
    let Middleware::PassTlsClientCert(pass) = pass else {
        panic!("{pass:?}")
    };
    let info = pass.info.unwrap();
    assert!(info.sans && info.subject.unwrap().common_name && info.issuer.is_none() && !pass.pem);
}

#[test]
fn a_wrong_expression_spoils_its_middleware_alone() {
    let declaration = labels(&[
        ("mesh.http.middlewares.m.redirectregex.regex", "(a"),
        ("mesh.http.middlewares.m.redirectregex.replacement", "/"),
        ("mesh.http.middlewares.n.replacepath.path", "/x"),
    ]);
    let broken = broken(&declaration).join("\n");
    assert!(broken.contains("unclosed group"), "{broken}");
    assert_eq!(declaration.middlewares.keys().collect::<Vec<_>>(), ["n"]);
}
