//! The grammar seen from outside.

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Expr {
    text.parse::<Rule>()
        .unwrap_or_else(|error| panic!("{error}"))
        .expr()
        .clone()
}

fn refused(text: &str) -> RuleError {
    text.parse::<Rule>().expect_err(&format!("{text} was taken"))
}

fn path(text: &str) -> Expr {
    Expr::Match(Matcher::Path(text.to_owned()))
}

#[test]
fn not_binds_tighter_than_and_and_tighter_than_or() {
    assert_eq!(
        parse("Path(`/a`) || !Path(`/b`) && Path(`/c`)"),
        path("/a").or(path("/b").negated().and(path("/c")))
    );
    assert_eq!(
        parse("(Path(`/a`) || Path(`/b`)) && Path(`/c`)"),
        path("/a").or(path("/b")).and(path("/c"))
    );
    assert_eq!(
        parse("!(Path(`/a`) && Path(`/b`))"),
        path("/a").and(path("/b")).negated()
    );
}

#[test]
fn chains_and_groups_of_one_operator_are_one_group() {
    let three = Expr::And(vec![path("/a"), path("/b"), path("/c")]);
    assert_eq!(parse("Path(`/a`) && Path(`/b`) && Path(`/c`)"), three);
    assert_eq!(parse("Path(`/a`) && (Path(`/b`) && Path(`/c`))"), three);
}

#[test]
fn a_double_negation_is_none() {
    assert_eq!(parse("!!Path(`/a`)"), path("/a"));
    assert_eq!(parse("! ( ! Path(`/a`) )"), path("/a"));
    assert_eq!(parse("!!!Path(`/a`)"), path("/a").negated());
}

#[test]
fn white_space_may_stand_anywhere_between_tokens() {
    assert_eq!(
        parse("\n Path\t( `/a` )\n\n&&\r\n  Query ( `k`\n,`v` )\n"),
        parse("Path(`/a`)&&Query(`k`,`v`)")
    );
}

#[test]
fn a_matcher_has_four_spellings() {
    for name in ["PathPrefix", "pathprefix", "PATHPREFIX", "Pathprefix"] {
        assert_eq!(parse(&format!("{name}(`/a`)")), parse("PathPrefix(`/a`)"));
    }
    for name in ["pathPrefix", "PATHprefix", "PathPREFIX"] {
        let error = refused(&format!("{name}(`/a`)"));
        assert!(error.message.contains("did you mean PathPrefix?"), "{error}");
    }
    assert_eq!(parse("clientip(`::1`)"), parse("Clientip(`::1`)"));
}

#[test]
fn every_matcher_parses_to_its_canonical_form() {
    for (written, canonical) in [
        ("Host(\"Example.COM.\")", "Host(`example.com`)"),
        ("Host(`*`)", "Host(`*`)"),
        ("Host(`[0:0::2]`)", "Host(`::2`)"),
        ("Host(`*.Example.com`)", "Host(`*.example.com`)"),
        (r"HostRegexp(`^a\.b$`)", r"HostRegexp(`^a\.b$`)"),
        ("Path(`/a b`)", "Path(`/a b`)"),
        ("PathPrefix(\"/`\")", "PathPrefix(\"/`\")"),
        ("PathRegexp(`^/v[0-9]+`)", "PathRegexp(`^/v[0-9]+`)"),
        ("Method(`get`)", "Method(`GET`)"),
        ("Method(`m-search`)", "Method(`M-SEARCH`)"),
        ("Header(`X-Canary`, `Yes`)", "Header(`x-canary`, `Yes`)"),
        ("HeaderRegexp(`X`, `^a`)", "HeaderRegexp(`x`, `^a`)"),
        ("Query(`K`)", "Query(`K`)"),
        ("Query(`K`,`v`)", "Query(`K`, `v`)"),
        ("QueryRegexp(`k`,`v`)", "QueryRegexp(`k`, `v`)"),
        ("QueryRegexp(`k`)", "Query(`k`)"),
        ("ClientIP(`10.1.2.3/8`)", "ClientIP(`10.0.0.0/8`)"),
        ("ClientIP(`10.1.2.3`)", "ClientIP(`10.1.2.3/32`)"),
        ("ClientIP(`::ffff:10.1.2.3`)", "ClientIP(`10.1.2.3/32`)"),
        ("ClientIP(`::ffff:10.1.2.3/104`)", "ClientIP(`10.0.0.0/8`)"),
        ("ClientIP(`fe80::1%eth0`)", "ClientIP(`fe80::1/128`)"),
    ] {
        assert_eq!(parse(written).to_string(), canonical, "{written}");
    }
}

#[test]
fn an_error_says_what_is_wrong_and_where() {
    for (rule, column, message) in [
        ("", 1, "empty: write a call"),
        ("   ", 1, "empty: write a call"),
        ("Host('a')", 6, "write `text`"),
        ("Host(`a`) & Path(`/`)", 11, "write \"&&\""),
        ("Host(`a`) Path(`/`)", 11, "expected && or ||"),
        ("Host(`a`) && ", 14, "found the end"),
        ("Hots(`a`)", 1, "did you mean Host?"),
        ("Zzz(`a`)", 1, "known are Host, "),
        ("HostSNI(`a`)", 1, "tcp routers"),
        ("Host()", 1, "takes 1 argument, found 0"),
        ("Host(`a`, `b`)", 1, "takes 1 argument, found 2"),
        ("Header(`a`)", 1, "write Header(`Name`, `value`)"),
        ("Query(`a`,`b`,`c`)", 1, "takes 1 or 2 arguments, found 3"),
        ("Host(``)", 6, "empty argument"),
        ("Query(`k`, ``)", 12, "empty argument"),
        ("Path(`a`)", 6, "does not start with /"),
        ("PathPrefix(`a`)", 12, "does not start with /"),
        ("PathRegexp(`(`)", 12, "unclosed group"),
        ("PathRegexp(`(?=a)`)", 12, "look-ahead"),
        (r"PathRegexp(`(\w{100}){100}`)", 12, "size limit"),
        ("Method(`a b`)", 8, "\"a b\" is no method"),
        ("Method(`GET,POST`)", 8, "is no method"),
        ("Header(`X A`, `b`)", 8, "is no name of a header"),
        ("HeaderRegexp(`X:`, `b`)", 14, "is no name of a header"),
        ("ClientIP(`10.0.0.256`)", 10, "neither an address nor a network"),
        ("ClientIP(`10.0.0.0/33`)", 10, "neither an address nor a network"),
        ("Host(`é`) && Path(`/`)", 6, "punycode"),
        ("HostRegexp(`é`)", 12, "punycode"),
        ("Path(`/é`) && Hots(`a`)", 15, "did you mean Host?"),
        ("Host(`a`", 5, "never closed"),
        ("(Host(`a`)", 1, "never closed"),
        ("Host(`a`))", 10, "found \")\""),
        ("Host(`a`,)", 10, "expected a text"),
        ("Host(a)", 6, "expected a text"),
        ("Host(`a)", 6, "no closing backtick"),
        ("Host", 5, "expected \"(\" after \"Host\""),
        ("`a`", 1, "expected a call"),
        ("Host(`a`) and Path(`/`)", 11, "expected && or ||"),
        ("Host(`a`) ; Path(`/`)", 11, "unexpected character"),
    ] {
        let error = refused(rule);
        assert_eq!(error.column, column, "{error}");
        assert!(error.message.contains(message), "{error}");
    }
}

#[test]
fn depth_length_and_regular_expressions_are_bounded() {
    let nested = |depth: usize| format!("{}Path(`/`){}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(parse(&nested(MAX_DEPTH)), path("/"));
    assert!(refused(&nested(MAX_DEPTH + 1)).message.contains("parentheses"));
    refused(&nested(10_000));
    refused(&"!(".repeat(10_000));
    assert_eq!(parse(&format!("{}Path(`/`)", "!".repeat(10_000))), path("/"));

    let error = refused(&format!("Path(`/{}`)", "a".repeat(MAX_LENGTH)));
    assert!(error.message.contains("longer than"), "{}", error.message);
    assert!(error.text.len() < 200);

    let patterns = |count| vec!["PathRegexp(`a`)"; count].join("||");
    parse(&patterns(MAX_PATTERNS));
    assert!(
        refused(&patterns(MAX_PATTERNS + 1))
            .message
            .contains("regular expressions")
    );
}

#[test]
fn hosts_are_all_hosts_in_the_order_of_the_text() {
    let text = "!Host(`B.com`) && (Host(`*.a.com`) || Path(`/`) || HostRegexp(`c`)) && Host(`*`)";
    let rule: Rule = text.parse().unwrap();
    let hosts: Vec<_> = rule.hosts().iter().map(ToString::to_string).collect();
    assert_eq!(hosts, ["b.com", "*.a.com", "*"]);
}

#[test]
fn a_tree_holds_as_its_operators_say() {
    let rule = parse("!(Path(`/a`) || Path(`/b`)) && Path(`/c`)");
    let truth = |paths: &'static [&str]| {
        move |leaf: &Matcher| {
            paths
                .iter()
                .any(|path| *leaf == Matcher::Path((*path).to_owned()))
        }
    };
    assert!(rule.holds(&truth(&["/c"])));
    assert!(!rule.holds(&truth(&["/b", "/c"])));
    assert!(!rule.holds(&truth(&[])));
}

fn text() -> impl Strategy<Value = String> {
    // Everything that could confuse a printer, and plain letters.
    proptest::string::string_regex("[a-zé`\"'\\\\\n\t\u{7f} ,()&|!]{1,8}").unwrap()
}

fn pattern() -> impl Strategy<Value = Pattern> {
    text().prop_map(|text| regex::escape(&text).parse().unwrap())
}

fn matcher() -> impl Strategy<Value = Matcher> {
    let host = prop_oneof![
        Just(HostPattern::Any),
        "[a-z]{1,5}(\\.[a-z]{1,5}){0,2}".prop_map(HostPattern::Exact),
        "[a-z]{1,5}(\\.[a-z]{1,5}){0,2}".prop_map(HostPattern::Wildcard),
    ];
    let network = (any::<u32>(), 0u8..=32).prop_map(|(address, length)| {
        ipnet::Ipv4Net::new(address.into(), length)
            .unwrap()
            .trunc()
            .into()
    });
    prop_oneof![
        host.prop_map(Matcher::Host),
        "[a-z`\\\\.]{1,4}".prop_map(|text| Matcher::HostRegexp(regex::escape(&text).parse().unwrap())),
        text().prop_map(|text| Matcher::Path(format!("/{text}"))),
        text().prop_map(|text| Matcher::PathPrefix(format!("/{text}"))),
        pattern().prop_map(Matcher::PathRegexp),
        "[A-Z]{1,6}".prop_map(Matcher::Method),
        ("[a-z-]{1,6}", text()).prop_map(|(name, value)| Matcher::Header { name, value }),
        ("[a-z-]{1,6}", pattern()).prop_map(|(name, pattern)| Matcher::HeaderRegexp { name, pattern }),
        (text(), proptest::option::of(text())).prop_map(|(key, value)| Matcher::Query { key, value }),
        (text(), pattern()).prop_map(|(key, pattern)| Matcher::QueryRegexp { key, pattern }),
        network.prop_map(Matcher::ClientIp),
    ]
}

fn expr() -> impl Strategy<Value = Expr> {
    matcher().prop_map(Expr::Match).prop_recursive(5, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| a.and(b)),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| a.or(b)),
            inner.prop_map(Expr::negated),
        ]
    })
}

proptest! {
    #[test]
    fn the_text_of_a_tree_parses_to_an_equal_tree(expr in expr()) {
        let rule = Rule::from(expr.clone());
        prop_assert_eq!(parse(rule.text()), expr);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        let _ = text.parse::<Rule>();
    }

    #[test]
    fn no_text_of_familiar_tokens_makes_the_parser_panic(
        text in proptest::string::string_regex("(Host|Path|Query|HeaderRegexp|\\(|\\)|`|\"|'|\\\\|!|&&|\\|\\||,| |/|é|\\*){0,24}").unwrap()
    ) {
        if let Ok(rule) = text.parse::<Rule>() {
            prop_assert_eq!(parse(&rule.expr().to_string()), rule.expr().clone());
        }
    }
}
