//! Static options in the environment: `MESH_ENTRYPOINTS_WEB_ADDRESS=:80`.
//!
//! `_` separates, so names that users choose are in lower case here and take over the spelling of a file that
//! has the same name. A variable that names no option is reported, not refused: Kubernetes puts
//! `MESH_PORT_80_TCP` and its kin into every container beside a service called `mesh`.

use mesh_config::Origin;

use super::{
    Pair,
    schema::{Node, Path},
};

const PREFIX: &str = "MESH_";

/// Splits `variables` into options with their values, and names of ours that mean nothing.
pub(crate) fn read(
    variables: impl IntoIterator<Item = (String, String)>,
    schema: &Node,
) -> (Vec<Pair>, Vec<String>) {
    let mut pairs = Vec::new();
    let mut unknown = Vec::new();
    let mut variables: Vec<_> = variables.into_iter().collect();
    variables.sort();
    for (name, value) in variables {
        let upper = name.to_ascii_uppercase();
        let Some(rest) = upper.strip_prefix(PREFIX) else {
            continue;
        };
        let lower = rest.to_ascii_lowercase();
        let words: Vec<_> = lower.split('_').collect();
        match find(schema, &words, &Path::default()) {
            Some(path) => pairs.push((path.into(), value, Origin::new(name))),
            None => unknown.push(name),
        }
    }
    (pairs, unknown)
}

/// The variable that sets the option at `path`.
pub(crate) fn variable(path: &str) -> String {
    let path = path.replace("[0]", ".0").replace('.', "_");
    format!("{PREFIX}{}", path.to_ascii_uppercase())
}

/// The option that `words` name from `node` on. A name may span words (`MY_WEB` is the entrypoint `my_web`),
/// the shortest that leads to an option wins.
fn find(node: &Node, words: &[&str], path: &Path) -> Option<Path> {
    if words.is_empty() {
        return (!matches!(node, Node::Map(_))).then(|| path.clone());
    }
    (1..=words.len()).find_map(|length| {
        let (name, rest) = words.split_at_checked(length)?;
        let name = match node {
            Node::Map(_) => name.join("_"),
            _ => name.concat(),
        };
        if name.is_empty() {
            return None;
        }
        let (spelled, below) = node.below(&name)?;
        let mut path = path.clone();
        path.push(&spelled);
        find(below, rest, &path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::schema::tests::tree;

    fn path_of(name: &str) -> Option<String> {
        let (pairs, _) = read([(name.to_owned(), "x".to_owned())], &tree());
        pairs.into_iter().map(|(path, ..)| path).next()
    }

    #[test]
    fn variables_name_options_without_case_with_user_chosen_names_in_lower_case() {
        for (name, path) in [
            ("MESH_NAMED_WEB_WAIT", "named.web.wait"),
            ("MESH_NAMED_MY_WEB_ISON", "named.my_web.isOn"),
            ("MESH_NAMED_WEB_IS_ON", "named.web.isOn"),
            ("mesh_words", "words"),
            ("MESH_MAYBE", "maybe"),
            ("MESH_LISTED_0_WAIT", "listed[0].wait"),
        ] {
            assert_eq!(path_of(name).as_deref(), Some(path), "{name}");
        }
    }

    #[test]
    fn what_names_no_option_is_reported_and_not_taken() {
        let names = [
            "MESH_PORT_80_TCP",
            "MESH_SERVICE_HOST",
            "MESH_",
            "PATH",
            "MESH_MAYBE_PORT",
        ];
        let (pairs, unknown) = read(names.map(|name| (name.to_owned(), String::new())), &tree());
        assert_eq!(pairs, []);
        assert_eq!(
            unknown,
            [
                "MESH_",
                "MESH_MAYBE_PORT",
                "MESH_PORT_80_TCP",
                "MESH_SERVICE_HOST"
            ]
        );
    }
}
