//! What users see of layers: values from any source in the type that is wanted, and problems at their place.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use serde::Deserialize;

use super::{Format, Layer, Layers};
use crate::{
    model::{Middleware, ServerUrl, Service},
    origin::{Origin, Problem},
    secret::Secret,
};

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Settings {
    entry_points: BTreeMap<String, EntryPoint>,
    api: Option<Api>,
    level: Level,
    token: Option<Secret>,
    names: Vec<String>,
    ports: Vec<u16>,
    servers: Vec<Server>,
    free: Option<serde_json::Value>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct EntryPoint {
    address: String,
    as_default: bool,
    #[serde(with = "crate::duration")]
    time_limit: Duration,
    trusted: Option<IpAddr>,
    max: u16,
    share: f64,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Api {
    insecure: bool,
    dashboard: bool,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            insecure: false,
            dashboard: true,
        }
    }
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    #[default]
    Info,
    Debug,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Server {
    url: ServerUrl,
    #[serde(default)]
    weight: u32,
}

fn yaml(text: &str) -> Layers {
    layers([Layer::parse("mesh.yml", text, Format::Yaml).unwrap()])
}

fn toml(text: &str) -> Layers {
    layers([Layer::parse("mesh.toml", text, Format::Toml).unwrap()])
}

fn flags(pairs: &[(&str, &str)]) -> Layer {
    Layer::pairs(
        "flags",
        pairs.iter().map(|(path, text)| {
            let origin = Origin::new(format!("--{path}"));
            ((*path).to_owned(), (*text).to_owned(), origin)
        }),
    )
}

fn layers(all: impl IntoIterator<Item = Layer>) -> Layers {
    let mut layers = Layers::new();
    all.into_iter().for_each(|layer| layers.push(layer));
    layers
}

fn shown(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

fn problems(layers: &Layers) -> Vec<String> {
    shown(&layers.decode::<Settings>().unwrap_err())
}

#[test]
fn yaml_toml_and_flags_say_the_same() {
    let from_yaml: Settings = yaml(
        "entrypoints:\n  web: {address: ':80', AsDefault: true, timeLimit: 1m30s, max: 7, share: 0.5}\n\
         api: {}\nlevel: DEBUG\ntoken: s3cret\nnames: [a, b]\nports: [80, '443']\n\
         servers:\n- url: http://a:1\n  weight: 2\n- {url: 'http://b:2'}\n",
    )
    .decode()
    .unwrap();
    let from_toml: Settings = toml(
        "level = 'debug'\ntoken = 's3cret'\nnames = ['a', 'b']\nports = [80, 443]\n[api]\n\
         [entryPoints.web]\naddress = ':80'\nasdefault = true\ntimelimit = 90\nmax = 7\nshare = 0.5\n\
         [[servers]]\nurl = 'http://a:1'\nweight = 2\n[[servers]]\nurl = 'http://b:2'\n",
    )
    .decode()
    .unwrap();
    let from_flags: Settings = layers([flags(&[
        ("entryPoints.web.address", ":80"),
        ("entrypoints.web.asDefault", "1"),
        ("entryPoints.WEB.timelimit", "90"),
        ("entryPoints.web.max", "7"),
        ("entryPoints.web.share", "0.5"),
        ("api", "true"),
        ("level", "Debug"),
        ("token", "s3cret"),
        ("names", "a, b"),
        ("ports", "80,443"),
        ("servers[0].url", "http://a:1"),
        ("servers[0].weight", "2"),
        ("servers.1.url", "http://b:2"),
    ])])
    .decode()
    .unwrap();
    assert_eq!(from_yaml, from_toml);
    assert_eq!(from_yaml, from_flags);
    assert_eq!(from_yaml.entry_points["web"].time_limit, Duration::from_secs(90));
}

#[test]
fn a_later_layer_wins_key_by_key_and_replaces_lists() {
    let mut layers =
        yaml("entryPoints: {Web: {address: ':80', max: 1}}\nnames: [a, b]\napi: {insecure: true}\n");
    layers.push(flags(&[
        ("entrypoints.web.MAX", "2"),
        ("names", "c"),
        ("api", "true"),
    ]));
    let settings: Settings = layers.decode().unwrap();
    assert_eq!(settings.entry_points["Web"].address, ":80");
    assert_eq!(settings.entry_points["Web"].max, 2);
    assert_eq!(settings.names, ["c"]);
    assert!(
        settings.api.unwrap().insecure,
        "a bare true keeps the block below"
    );
    assert_eq!(
        layers.origin_of("entryPoints.web.max").as_str(),
        "--entrypoints.web.MAX"
    );
    assert_eq!(layers.origin_of("entryPoints.web.address").as_str(), "mesh.yml:1");
}

#[test]
fn a_block_can_be_switched_off() {
    for off in ["false", "0", "F"] {
        let mut layers = yaml("api: {insecure: true}\nlevel: debug\n");
        layers.push(flags(&[("api", off)]));
        let settings: Settings = layers.decode().unwrap();
        assert_eq!((settings.api, settings.level), (None, Level::Debug));
    }
}

#[test]
fn a_block_cannot_be_off_and_have_settings() {
    let layers = layers([flags(&[("api", "0"), ("api.insecure", "1")])]);
    let shown = problems(&layers);
    assert!(
        matches!(&shown[..], [one] if one.starts_with("--api: api: switched off")),
        "{shown:?}"
    );
}

#[test]
fn one_is_an_item_to_a_list_that_was_written_item_by_item() {
    let layers = layers([flags(&[("names[0]", "a")]), flags(&[("names", "1")])]);
    let settings: Settings = layers.decode().unwrap();
    assert_eq!(settings.names, ["1"]);
}

#[test]
fn all_problems_come_at_once_each_at_its_place() {
    let mut layers = yaml(
        "entryPoints:\n  web:\n    adress: ':80'\n    max: 70000\n    timeLimit: soon\n    trusted: nobody\n\
         levle: debug\nservers:\n- url: ftp://a\n- weight: 1\n- url: http://b\n  weight: many\n",
    );
    layers.push(flags(&[
        ("api.insecure", "maybe"),
        ("level", "loud"),
        ("api.nope", "1"),
    ]));
    insta::assert_snapshot!(problems(&layers).join("\n"));
}

#[test]
fn a_secret_is_never_quoted() {
    for text in [
        "token: {hunter2: hunter2}",
        "token: [hunter2]",
        "tokn: hunter2",
        "api: hunter2",
    ] {
        let shown = problems(&yaml(text)).join("\n");
        assert!(!shown.replace("token.hunter2", "").contains("hunter2"), "{shown}");
    }
}

#[test]
fn unknown_keys_of_a_tolerant_layer_are_noted_and_configure_nothing() {
    let mut layers = yaml("level: debug\n");
    let variables = flags(&[
        ("api.port", "tcp://10.0.0.1:80"),
        ("api.port.80.tcp", "x"),
        ("level", "info"),
    ]);
    layers.push(variables.tolerant());
    let (settings, left_out) = layers.decode_noting::<Settings>();
    let settings = settings.unwrap();
    assert_eq!((settings.api, settings.level), (None, Level::Info));
    assert_eq!(left_out.len(), 1, "{left_out:?}");
}

#[test]
fn keys_that_were_written_twice_name_both_lines() {
    let twice = Layer::parse("mesh.yml", "a: 1\nb: 2\na: 3\n", Format::Yaml).unwrap_err();
    assert_eq!(
        twice.to_string(),
        "mesh.yml:3: key \"a\" is here twice: first on line 1"
    );
    assert_eq!(
        problems(&yaml("level: info\nLevel: debug\n")),
        ["mesh.yml:2: level: here twice, as Level and level"]
    );
}

#[test]
fn aliases_and_merge_keys_are_followed() {
    let settings: Settings =
        yaml("entryPoints:\n  a: &base {address: ':1', max: 1}\n  b: {<<: *base, max: 2}\n  c: *base\n")
            .decode()
            .unwrap();
    let ports: Vec<_> = settings
        .entry_points
        .values()
        .map(|point| (&*point.address, point.max))
        .collect();
    assert_eq!(ports, [(":1", 1), (":1", 2), (":1", 1)]);
}

#[test]
fn a_text_that_grows_beyond_measure_is_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    assert!(Layer::parse("bomb.yml", &text, Format::Yaml).is_err());
    let deep = "[".repeat(10_000);
    assert!(Layer::parse("deep.yml", &deep, Format::Yaml).is_err());
    let deep = "a: ".to_owned() + &"{a: ".repeat(10_000);
    assert!(Layer::parse("deep.yml", &deep, Format::Yaml).is_err());
    let path = "a.".repeat(100_000);
    layers([flags(&[(&path, "1")])]).decode::<Settings>().unwrap_err();
}

#[test]
fn a_broken_text_names_the_line() {
    let text = "a: 1\nb: [1, 2\nc: 3\n";
    let problem = Layer::parse("mesh.yml", text, Format::Yaml).unwrap_err();
    assert!(problem.origin.as_str().starts_with("mesh.yml:"), "{problem}");
    let problem = Layer::parse("mesh.toml", "a = 1\nb = \n", Format::Toml).unwrap_err();
    assert_eq!(problem.origin.as_str(), "mesh.toml:2");
}

#[test]
fn services_and_middlewares_decode_in_any_case() {
    #[derive(Deserialize)]
    struct Root {
        service: Service,
        middleware: Middleware,
    }
    let layers = layers([flags(&[
        ("service.loadbalancer.passhostheader", "false"),
        ("middleware.STRIPPREFIX.prefixes", "/a,/b"),
    ])]);
    let root: Root = layers.decode().unwrap();
    assert_eq!(root.middleware.kind(), "stripPrefix");
    drop(root.service);
}

#[test]
fn an_object_with_two_kinds_or_none_says_so() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its problems are looked at")]
    struct Root {
        a: Middleware,
        b: Service,
        c: Middleware,
    }
    let found = yaml("a: {addPrefix: {prefix: /x}, chain: {middlewares: [y]}}\nb: {}\nc: {stripPrefx: {}}\n")
        .decode::<Root>()
        .unwrap_err();
    insta::assert_snapshot!(shown(&found).join("\n"));
}

#[test]
fn a_section_can_be_taken_out() {
    let mut layers = yaml("http: {routers: {}}\nlevel: debug\n");
    let http = layers.take("http");
    assert!(!http.is_empty());
    assert_eq!(http.origin_of("http.routers").as_str(), "mesh.yml:1");
    assert_eq!(layers.decode::<Settings>().unwrap().level, Level::Debug);
    assert!(layers.take("tcp").is_empty());
}

proptest::proptest! {
    #[test]
    fn no_text_makes_a_parser_panic(text in ".{0,200}", words in "([a-z0-9:&*<\\[\\]{}\\-'\"#.=, \n]{0,80})") {
        for text in [text, words] {
            for format in [Format::Yaml, Format::Toml] {
                if let Ok(layer) = Layer::parse("x", &text, format) {
                    let _ = layers([layer]).decode::<Settings>();
                }
            }
            let _ = layers([flags(&[(&text, "1"), ("a.b", &text)])]).decode::<Settings>();
        }
    }
}

#[test]
fn json_is_yaml() {
    let text = "{\n\t\"level\":\"debug\",\n\t\"names\": [\n\t\t\"a\\/b\",\t\"\\u00e9\"\n\t]\n}\n";
    let settings: Settings = yaml(text).decode().unwrap();
    assert_eq!(
        (settings.level, settings.names),
        (Level::Debug, vec!["a/b".to_owned(), "é".to_owned()])
    );
}
