//! The list of all options, for `--help`.

use std::fmt::Write as _;

use super::{Node, Settings, descriptions::DESCRIPTIONS};

/// Every option as a flag, with its default and what it does.
pub(crate) fn reference() -> String {
    let mut text = String::from(
        "Static options, each also a variable (--log.level is MESH_LOG_LEVEL) and a key of the file:\n\
         \x20     --config=FILE\n          The static file; default: ./mesh.yml, .yaml, .toml, then $XDG_CONFIG_HOME,\n\
         \x20         ~/.config, /etc/mesh\n",
    );
    for (path, node) in Node::of::<Settings>().options() {
        let known = DESCRIPTIONS.iter().find(|(known, ..)| *known == path);
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
        let _ = writeln!(text, "      --{path}=<{value}>\n          {about}{default}");
    }
    text
}
