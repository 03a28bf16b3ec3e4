//! The list of all options, for `--help`.

use std::fmt::Write as _;

use super::{Node, Settings, descriptions::descriptions, environment::variable};

/// Every option as a flag, with its default and what it does.
pub(crate) fn reference() -> String {
    let mut text = String::from(
        "Static options, each also a key of the file and the variable in brackets:\n\
         \x20     --config=FILE\n          The static file; default: ./mesh.yml, .yaml, .toml, then $XDG_CONFIG_HOME,\n\
         \x20         ~/.config, /etc/mesh\n",
    );
    for (path, node) in Node::of::<Settings>().options() {
        let known = descriptions().find(|(known, ..)| *known == path);
        let (default, about) = known.map_or(("", ""), |(_, default, about)| (*default, *about));
        let value = match node {
            Node::Switch => "true|false".to_owned(),
            Node::Choice(words) => words.join("|"),
            Node::List(_) => "a,b,…".to_owned(),
            Node::Block(_) | Node::Map(_) | Node::Value | Node::Refused | Node::Again(_) => {
                "value".to_owned()
            }
        };
        let default = if default.is_empty() {
            String::new()
        } else {
            format!(" (default: {default})")
        };
        // Writing to a String does not fail.
        let variable = variable(&path);
        let _ = writeln!(
            text,
            "      --{path}=<{value}>\n          {about}{default} [{variable}]"
        );
    }
    text
}

/// What the option at `path` does.
pub(crate) fn description(path: &str) -> &'static str {
    let known = descriptions().find(|(known, ..)| *known == path);
    known.map_or("", |(_, _, about)| about)
}

#[cfg(test)]
mod tests {
    use mesh_config::{
        Origin,
        layer::{Layer, Layers},
    };

    use super::*;

    /// Enough for every optional block to exist and to be valid.
    const BLOCKS: [(&str, &str); 16] = [
        ("entryPoints.web.address", ":80"),
        ("entryPoints.web.http.redirections.entryPoint.to", ":443"),
        ("entryPoints.web.proxyProtocol", "true"),
        ("accessLog", "true"),
        ("api", "true"),
        ("ping", "true"),
        ("metrics.prometheus", "true"),
        ("providers.file.filename", "routes.yml"),
        ("providers.consulCatalog", "true"),
        ("providers.consulCatalog.endpoint.httpAuth.username", "u"),
        ("providers.consulCatalog.endpoint.tls", "true"),
        ("providers.ecs", "true"),
        ("providers.nomad", "true"),
        ("providers.nomad.endpoint.tls", "true"),
        ("providers.providersThrottleDuration", "2s"),
        ("workers", "2"),
    ];

    fn decode(more: &[(&str, &str)]) -> Settings {
        let pairs = more.iter().chain(&BLOCKS).map(|(path, value)| {
            (
                path.replace("<name>", "web"),
                (*value).to_owned(),
                Origin::new("test"),
            )
        });
        let mut layers = Layers::new();
        layers.push(Layer::pairs("test", pairs));
        layers.decode().unwrap()
    }

    #[test]
    fn every_option_is_described_and_nothing_else() {
        let options: Vec<_> = Node::of::<Settings>()
            .options()
            .into_iter()
            .map(|(path, _)| path)
            .collect();
        let described: Vec<_> = descriptions().map(|(path, ..)| (*path).to_owned()).collect();
        assert_eq!(options, described);
        assert!(descriptions().all(|(_, _, about)| about.ends_with('.')));
    }

    #[test]
    fn what_help_calls_a_default_is_one() {
        let defaults = decode(&[]);
        for (path, default, _) in descriptions().filter(|(_, default, _)| !default.is_empty()) {
            assert_eq!(decode(&[(path, default)]), defaults, "{path}");
        }
    }
}
