//! Static options on the command line: `--entryPoints.web.address=:80`, in any case, with one dash or two.

use std::collections::BTreeMap;

use mesh_config::Origin;

use super::{
    Pair, nearest,
    schema::{self, Node},
};

/// What the command line says, taken apart.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Flags {
    /// Options with their values, in the spelling of the schema.
    pub(crate) pairs: Vec<Pair>,
    /// The file named by `--config` or `--configFile`.
    pub(crate) config: Option<String>,
    /// What belongs to the command itself.
    pub(crate) rest: Vec<String>,
}

/// The command line cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UsageError {
    /// No option and no flag of the command has this name.
    #[error("unknown flag {flag}{}", suggestion(.nearest.as_deref()))]
    Unknown {
        /// As written.
        flag: String,
        /// What may have been meant.
        nearest: Option<String>,
    },
    /// The flag came last and needs a value.
    #[error("{0} needs a value: write {0}=VALUE")]
    Missing(String),
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map_or_else(
        || "; `mesh --help` lists them all".to_owned(),
        |nearest| format!("; did you mean {nearest}?"),
    )
}

/// Flags of the command itself: the name without dashes, and whether it takes a value.
pub(crate) type OwnFlags = BTreeMap<String, bool>;

/// Takes the static options out of `arguments`; everything else stays in `rest` for the command.
pub(crate) fn split(
    arguments: impl IntoIterator<Item = String>,
    schema: &Node,
    own: &OwnFlags,
) -> Result<Flags, UsageError> {
    let mut arguments = arguments.into_iter();
    let mut flags = Flags::default();
    while let Some(argument) = arguments.next() {
        let Some(name) = flag_name(&argument) else {
            let last = argument == "--";
            flags.rest.push(argument);
            if last {
                flags.rest.extend(arguments.by_ref());
            }
            continue;
        };
        let (name, mut value) = match name.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (name, None),
        };
        if let Some(takes_value) = own.get(name) {
            let follows = *takes_value && value.is_none();
            flags.rest.push(argument.clone());
            flags.rest.extend(follows.then(|| arguments.next()).flatten());
            continue;
        }
        let is_config = ["config", "configfile"].contains(&name.to_ascii_lowercase().as_str());
        let found = if is_config {
            None
        } else {
            Some(find(schema, name).ok_or_else(|| unknown(schema, name, own))?)
        };
        if value.is_none() {
            value = match &found {
                Some((_, Node::Switch | Node::Block(_) | Node::Again(_))) => Some("true".to_owned()),
                _ => arguments.next(),
            };
        }
        let value = value.ok_or_else(|| UsageError::Missing(format!("--{name}")))?;
        match found {
            None => flags.config = Some(value),
            Some((path, node)) => flags.add(path, value, node),
        }
    }
    Ok(flags)
}

impl Flags {
    /// A repeated list grows; of anything else the last one counts.
    fn add(&mut self, path: String, value: String, node: &Node) {
        let origin = Origin::new(format!("--{path}"));
        match self
            .pairs
            .iter_mut()
            .find(|(known, ..)| known.eq_ignore_ascii_case(&path))
        {
            Some((_, known, _)) if matches!(node, Node::List(_)) => *known = format!("{known},{value}"),
            Some((_, known, _)) => *known = value,
            None => self.pairs.push((path, value, origin)),
        }
    }
}

/// The text after the dashes; `None` for what is no flag.
fn flag_name(argument: &str) -> Option<&str> {
    let name = argument
        .strip_prefix("--")
        .or_else(|| argument.strip_prefix('-'))?;
    (!name.is_empty()).then_some(name)
}

/// The option called `name`, with its proper spelling.
fn find<'a>(schema: &'a Node, name: &str) -> Option<(String, &'a Node)> {
    let mut path = schema::Path::default();
    let mut node = schema;
    for segment in name.split('.') {
        let (segment, index) = match segment.strip_suffix(']').and_then(|rest| rest.split_once('[')) {
            Some((segment, index)) => (segment, Some(index)),
            None => (segment, None),
        };
        for part in [Some(segment), index].into_iter().flatten() {
            let (spelled, below) = node.below(part)?;
            path.push(&spelled);
            node = below;
        }
    }
    Some((path.into(), node))
}

fn unknown(schema: &Node, name: &str, own: &OwnFlags) -> UsageError {
    UsageError::Unknown {
        flag: format!("--{name}"),
        nearest: nearest_flag(schema, name, own).map(|nearest| format!("--{nearest}")),
    }
}

/// Mends the first segment that does not fit, as long as the rest then fits.
fn nearest_flag(schema: &Node, name: &str, own: &OwnFlags) -> Option<String> {
    let segments: Vec<_> = name.split('.').collect();
    let mut node = schema;
    for (position, segment) in segments.iter().enumerate() {
        if let Some((_, below)) = node.below(segment) {
            node = below;
            continue;
        }
        let options = match node {
            Node::Block(options) => options,
            Node::Again(again) => match &**again {
                Node::Block(options) => options,
                _ => return None,
            },
            _ => return None,
        };
        let commands = if name.contains('.') {
            None
        } else {
            Some(own.keys().map(String::as_str).chain(["config"]))
        };
        let mended = nearest(
            segment,
            options.keys().copied().chain(commands.into_iter().flatten()),
        )?;
        let mut mended_path: Vec<_> = segments.iter().map(|segment| (*segment).to_owned()).collect();
        mended_path.splice(position..=position, [mended.to_owned()]);
        let whole = mended_path.join(".");
        let partial = mended_path.get(..=position).map(|start| start.join("."));
        return find(schema, &whole)
            .map(|(path, _)| path)
            .or_else(|| {
                name.contains('.')
                    .then(|| nearest_flag(schema, &whole, own))
                    .flatten()
            })
            .or_else(|| find(schema, &partial?).map(|(path, _)| path))
            .or_else(|| own.contains_key(mended).then(|| mended.to_owned()));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::schema::tests::tree;

    fn split_words(words: &str) -> Result<Flags, UsageError> {
        let own = OwnFlags::from([("json".to_owned(), false), ("header".to_owned(), true)]);
        split(words.split_whitespace().map(str::to_owned), &tree(), &own)
    }

    fn pairs(words: &str) -> Vec<(String, String)> {
        split_words(words)
            .unwrap()
            .pairs
            .into_iter()
            .map(|(path, value, _)| (path, value))
            .collect()
    }

    fn pair(path: &str, value: &str) -> (String, String) {
        (path.to_owned(), value.to_owned())
    }

    #[test]
    fn an_option_is_found_in_any_case_with_one_dash_or_two_and_with_or_without_equals() {
        for words in ["--NAMED.Web.WAIT=3s", "-named.Web.wait=3s", "--named.Web.wait 3s"] {
            assert_eq!(pairs(words), [pair("named.Web.wait", "3s")], "{words}");
        }
    }

    #[test]
    fn switches_and_blocks_need_no_value_and_take_no_following_word() {
        let flags = split_words("--maybe --named.a.isOn run").unwrap();
        assert_eq!(flags.rest, ["run"]);
        assert_eq!(
            pairs("--maybe --named.a.isOn=false"),
            [pair("maybe", "true"), pair("named.a.isOn", "false")]
        );
    }

    #[test]
    fn a_repeated_list_grows_and_of_a_repeated_value_the_last_counts() {
        assert_eq!(pairs("--words=a --words=b,c"), [pair("words", "a,b,c")]);
        assert_eq!(
            pairs("--maybe.wait=1s --maybe.wait=2s"),
            [pair("maybe.wait", "2s")]
        );
    }

    #[test]
    fn list_items_are_named_by_their_index() {
        assert_eq!(pairs("--listed[0].wait=1s"), [pair("listed[0].wait", "1s")]);
    }

    #[test]
    fn flags_of_the_command_and_words_stay_for_it() {
        let flags = split_words("--json --header a:b --config f.yml GET -- --words").unwrap();
        assert_eq!(flags.rest, ["--json", "--header", "a:b", "GET", "--", "--words"]);
        assert_eq!(flags.config.as_deref(), Some("f.yml"));
    }

    #[test]
    fn an_unknown_flag_is_refused_with_the_nearest_one() {
        for (words, nearest) in [
            ("--mabye.wait=1s", Some("--maybe.wait")),
            ("--named.web.weit=1s", Some("--named.web.wait")),
            ("--jsn", Some("--json")),
            ("--zzzzzzzz", None),
        ] {
            let Err(UsageError::Unknown { nearest: found, .. }) = split_words(words) else {
                panic!("{words} was taken")
            };
            assert_eq!(found.as_deref(), nearest, "{words}");
        }
    }

    #[test]
    fn a_flag_without_its_value_is_refused() {
        assert_eq!(
            split_words("--maybe.wait"),
            Err(UsageError::Missing("--maybe.wait".to_owned()))
        );
    }
}
