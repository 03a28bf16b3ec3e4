use proptest::prelude::*;

use super::*;
use crate::{
    constraint::Constraint,
    document,
    instance::LabelSet,
    labels,
    layer::Format,
    origin::Origin,
    rule::{Rule, RuleError},
    tag_rule,
    template::DefaultRule,
};

const SECRET: &str = "s3cr3t";

#[test]
fn headers_and_parameters_that_carry_credentials_are_known_by_name() {
    for name in [
        "authorization",
        "Proxy-Authorization",
        "Set-Cookie",
        "X-Api-Key",
        "x_api_key",
        "X-Vault-Token",
        "access_token",
        "sig",
        "key",
        "X-Auth",
        "sessionid",
    ] {
        assert!(is_secret_name(name), "{name}");
    }
    for name in [
        "accept",
        "user-agent",
        "x-forwarded-for",
        "keep-alive",
        "monkey",
        "author",
    ] {
        assert!(!is_secret_name(name), "{name}");
    }
}

#[test]
fn options_are_secret_by_their_names() {
    for option in ["users", "key", "clientSecret", "PASSWORD", "privateKey"] {
        assert!(is_secret_option(option), "{option}");
    }
    for option in ["certFile", "cookie", "realm", "keepAlive"] {
        assert!(!is_secret_option(option), "{option}");
    }
}

#[test]
fn texts_lose_their_secrets_and_nothing_else() {
    for (written, shown) in [
        (
            "cannot reach https://me:s3@cr3t@consul:8500/v1: refused",
            "cannot reach https://REDACTED@consul:8500/v1: refused",
        ),
        ("http://a/@x, see shop@file", "http://a/@x, see shop@file"),
        (
            "GET /health?a=1&token=s3cr3t&b=2",
            "GET /health?a=1&token=REDACTED&b=2",
        ),
        (
            "Header(`Authorization`, `s3cr3t`) && HeaderRegexp( \"cookie\" , \"s3\\\"cr3t\") && Header(`X-A`, `b`)",
            "Header(`Authorization`, `REDACTED`) && HeaderRegexp( \"cookie\" , `REDACTED`) && Header(`X-A`, `b`)",
        ),
        (
            "Query(`token`, `s3cr3t`) && Query(`token`) && Query(`a`, `b`) && PathPrefix(`/token`)",
            "Query(`token`, `REDACTED`) && Query(`token`) && Query(`a`, `b`) && PathPrefix(`/token`)",
        ),
        (
            "Header(\"\\x41uthorization\", `s3cr3t`)",
            "Header(\"\\x41uthorization\", `REDACTED`)",
        ),
        (
            "\"token-service@file\" (refused)",
            "\"token-service@file\" (refused)",
        ),
    ] {
        assert_eq!(text(written), shown);
    }
}

#[test]
fn what_only_ought_to_be_a_url_loses_all_before_its_last_at() {
    for (written, shown) in [
        ("http://u:s3/cr3t@a/x", "http://REDACTED@a/x"),
        ("u:s3 cr3t@a:80", "REDACTED@a:80"),
        ("http://a:80", "http://a:80"),
    ] {
        assert_eq!(url(written), shown);
    }
}

#[test]
fn a_wrong_rule_is_quoted_without_what_it_compares_with_secrets() {
    for (written, shown) in [
        (
            "Header(`Authorization`, `s3cr3t`) && Hots(`a.com`)",
            "Header(`Authorization`, `REDACTED`) && Hots(`a.com`)",
        ),
        (
            "Host(`a.com`) && Header(`X-Token`, `s3cr3t",
            "Host(`a.com`) && Header(`X-TokenREDACTED",
        ),
        ("Header(`Authorization: s3cr3t`)", "Header(REDACTED"),
        (
            "Header(`Cookie`, `s3cr3t`) and Path(`/`)",
            "Header(`CookieREDACTED",
        ),
        ("Host(`a.com`", "Host(`a.com`"),
        (
            "Host:a.com Header:Authorization=Basic s3cr3t -Path:/token/x",
            "Host:a.com Header:AuthorizationREDACTED REDACTED -Path:/token/x",
        ),
        (
            "Query:token=a+token=s3cr3t or Hots:a",
            "Query:tokenREDACTED or Hots:a",
        ),
    ] {
        assert_eq!(Shown::of(written).text, shown);
    }
}

#[test]
fn a_message_quotes_the_place_it_failed_at_unless_that_is_secret() {
    let message = |text: &str| tag_rule::parse(text).unwrap_err().message;
    assert!(
        message("Header(`Authorization`, `x`) && Hots(`a`)")
            .contains("unknown matcher \"Hots\", did you mean Host?")
    );
    assert!(message("HeaderRegexp(`X-A`, `(`)").starts_with("\"(\" is not a regular expression"));
    assert!(
        message("HeaderRegexp(`Cookie`, `(s3cr3t`)")
            .starts_with("REDACTED is not a regular expression: unclosed")
    );
    assert!(message("HeaderRe:Cookie=@28s3cr3t").starts_with("REDACTED is not a regular expression"));
    assert!(message("Host:a Header:Cookie=a s3cr3t").starts_with("REDACTED is not of the form Name:value"));
}

/// All that this crate says of `rule`, wherever it may be written.
fn told(rule: &str) -> String {
    let mut told = String::new();
    let mut error = |error: &RuleError| told.push_str(&format!("{error} {error:?}\n"));
    let parsed = [rule.parse::<Rule>(), tag_rule::parse(rule)];
    for rule in &parsed {
        match rule {
            Ok(rule) => drop(rule.expr().leaves()),
            Err(found) => error(found),
        }
    }
    let labels = rule.replace("Header", "Label").replace("Query", "Label");
    Constraint::parse(&labels).err().iter().for_each(&mut error);
    for rule in parsed.iter().flatten() {
        told.push_str(&format!(
            "{} {}\n",
            text(rule.text()),
            text(&rule.expr().to_string())
        ));
    }
    if let Err(error) = DefaultRule::parse(&format!("{rule} {{{{ nope .Name }}}}")) {
        told.push_str(&format!("{error} {error:?}\n"));
    }
    let rule_in_json = serde_json::Value::from(rule);
    let text = format!(
        "{{http: {{routers: {{r: {{service: s, rule: {rule_in_json}, priority: {rule_in_json}}}}}}}}}"
    );
    let fragment = document::parse("f.yml", &text, Format::Yaml);
    let problem = fragment.as_ref().err();
    let fragment = fragment
        .as_ref()
        .map(|fragment| (&fragment.problems, &fragment.set_aside));
    told.push_str(&format!("{problem:?} {fragment:?}\n"));
    told + &of_labels(rule)
}

fn of_labels(rule: &str) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let (start, end) = rule.split_once(' ').unwrap_or((rule, ""));
    let pair = |key: &str, text: &str| (key.to_owned(), text.to_owned());
    let encoded = STANDARD.encode(rule);
    let sets = [
        vec![pair("mesh.rule", rule)],
        vec![pair("mesh.rule@b64", &encoded)],
        vec![pair("mesh.rule", start), pair("mesh.rule.1", end)],
        vec![pair("mesh.http.routers.r.rule", rule)],
        vec![pair("mesh.http.routers.r.rule@b64", &encoded)],
        vec![
            pair("mesh.routers.r.rule", rule),
            pair("mesh.routers.r.priority", rule),
        ],
        vec![pair("mesh.http.services.s.loadbalancer.strategy", rule)],
    ];
    let told = sets.into_iter().map(|labels| {
        let origin = Origin::new("tags");
        let found = labels::decode(&[LabelSet { origin, labels }], &["mesh".to_owned()]);
        format!("{:?} {:?}\n", found.problems, found.set_aside)
    });
    told.collect()
}

#[test]
fn no_broken_spelling_of_a_rule_shows_what_it_compares() {
    for rule in [
        "Header(`Authorization`, `s3cr3t`",
        "Header(`Authorization`, `s3cr3t)",
        "Header(`Authorization, `s3cr3t`)",
        "Header(Authorization`, `s3cr3t`)",
        "Header(`Authorization` `s3cr3t`)",
        "Header(Authorization, s3cr3t)",
        "Header('Authorization', 's3cr3t')",
        "Header(`Authorization`, s3cr3t)",
        "Header`Authorization`, `s3cr3t`)",
        "Header(`Authorization`, \"s3cr3t\\q\")",
        "Header(`Authorization`, `x`s3cr3t`)",
        "Header(`Authorization`, `x`) && s3cr3t`)",
        "Header(`Authorization`, `s3cr3t`, `s3cr3t`)",
        "Header(`Authorization: s3cr3t`)",
        "Header(`Authorization: s3cr3t`, `x`)",
        "HeaderRegexp(`Cookie=s3cr3t; x`, `x`)",
        "Heder(`Authorization`, `s3cr3t`)",
        "HeaderRegexp(`X-Api-Key`, `(s3cr3t`)",
        "Query(`token`, `s3cr3t`) &&",
        "Query(`token=s3cr3t`, ``)",
        "QueryRegexp(`access_token`, `[s3cr3t`)",
        "Header:Authorization=s3cr3t Hots:a",
        "Header:Authorization=Basic s3cr3t",
        "Header:Authorization:s3cr3t",
        "Header=Authorization:s3cr3t",
        "Header:Authorization s3cr3t",
        "HeaderRe:Cookie=@5Bs3cr3t",
        "-Header:Cookie=s3cr3t@zz",
        "Query:key=s3cr3t$",
        "https://u:s3cr3t@example.com",
        "Host(`https://u:s3cr3t@example.com`)",
    ] {
        let told = told(rule);
        assert!(!told.contains(SECRET), "{rule}: {told}");
    }
}

const NAMES: [&str; 4] = ["Authorization", "cookie", "X-Api-Key", "access_token"];

fn broken(pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
    let noise = prop_oneof![
        Just("`"),
        Just("\""),
        Just("'"),
        Just("("),
        Just(")"),
        Just(","),
        Just(" "),
        Just("&&"),
        Just("!"),
        Just("é"),
        Just("\\"),
        Just("Host"),
        Just("Path(`/`)"),
        Just(":"),
        Just("="),
        Just("@"),
    ];
    let without = proptest::collection::vec(any::<prop::sample::Index>(), 0..3);
    let with = proptest::collection::vec((any::<prop::sample::Index>(), noise), 0..3);
    (proptest::sample::select(&NAMES), without, with).prop_map(|(name, without, with)| {
        let mut pieces = pieces.to_vec();
        for index in without {
            let index = index.index(pieces.len());
            if !matches!(pieces[index], "NAME" | "=" | SECRET) {
                pieces.remove(index);
            }
        }
        for (index, noise) in with {
            pieces.insert(index.index(pieces.len()), noise);
        }
        pieces.concat().replace("NAME", name)
    })
}

proptest! {
    #[test]
    fn no_damage_to_a_rule_shows_what_it_compares(rule in broken(&[
        "Host", "(", "`", "a.com", "`", ")", " ", "&&", " ", "Header", "(", "`", "NAME", "`", ",", " ", "`",
        SECRET, "`", ")", " ", "||", " ", "QueryRegexp", "(", "\"", "NAME", "\"", ",", " ", "\"", SECRET, "\"", ")",
        " ", "&&", "PathRegexp", "(", "`", "^/a", "`", ")",
    ])) {
        let told = told(&rule);
        prop_assert!(!told.contains(SECRET), "{rule}: {told}");
    }

    #[test]
    fn no_damage_to_a_tag_rule_shows_what_it_compares(rule in broken(&[
        "Host", ":", "a.com", " ", "Header", ":", "NAME", "=", "Basic@20", SECRET, " ", "or", " ",
        "QueryRe", ":", "NAME", "=", "@5B", SECRET, "+", " ", "Path", ":", "/",
    ])) {
        let told = told(&rule);
        prop_assert!(!told.contains(SECRET), "{rule}: {told}");
    }

    #[test]
    fn any_text_is_shown_without_a_panic(written in "(Header|\\(|`|\"|token|=|\\?|://|@|é|:| |,|\\)|\\\\){0,16}") {
        let _ = (text(&written), url(&written), Shown::of(&written).hides(3, 2));
    }
}
