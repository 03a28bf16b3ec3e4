//! Options in the documents and options in the binary are the same.

use std::collections::{BTreeMap, BTreeSet};

use super::{mesh, page::Page, pages, root};

/// Every option there is with its default, as `mesh --help` lists them.
fn known() -> BTreeMap<String, Option<String>> {
    let output = mesh(root()).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let entries = help.split("\n      --").skip(1);
    let options: BTreeMap<_, _> = entries
        .filter_map(|entry| {
            let (option, about) = entry.split_once("=<")?;
            let about = about.split_whitespace().collect::<Vec<_>>().join(" ");
            let default = about.split_once("(default: ").map(|(_, rest)| {
                // The variable stands behind it.
                rest.split_once(") [")
                    .map_or(rest, |(default, _)| default)
                    .to_owned()
            });
            Some((option.to_owned(), default))
        })
        .collect();
    assert!(options.len() > 50, "{help}");
    options
}

/// The options that the tables titled `option` of one page describe, with the default where one is named.
/// `.cert` goes on from the option before.
fn described(page: &Page, prefix: impl Fn(&str) -> String) -> Vec<(String, Option<String>)> {
    let mut options = Vec::new();
    for row in page.rows.iter().filter(|row| row.title == "option") {
        let mut parent = String::new();
        let default = row.second.first().filter(|_| row.first.len() == 1);
        for name in &row.first {
            let name = match name.strip_prefix('.') {
                Some(last) => format!("{parent}.{last}"),
                None => name.clone(),
            };
            parent = name.rsplit_once('.').map_or("", |(parent, _)| parent).to_owned();
            options.push((format!("{}{name}", prefix(&row.heading)), default.cloned()));
        }
    }
    options
}

/// The options described on the page of static options and on those of the providers.
fn all_described() -> Vec<(String, Option<String>)> {
    let pages = pages();
    let page = |name: &str| &pages[&root().join("docs").join(name)];
    // A heading in code is the block that its table describes.
    let block = |heading: &str| match heading.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) {
        Some(block) => format!("{block}."),
        None => String::new(),
    };
    let mut options = described(page("configuration.md"), block);
    options.extend(described(page("file.md"), |_| "providers.file.".to_owned()));
    options.extend(described(page("consul.md"), |_| {
        "providers.consulCatalog.".to_owned()
    }));
    options.extend(described(page("ecs.md"), |_| "providers.ecs.".to_owned()));
    options.extend(described(page("nomad.md"), |_| "providers.nomad.".to_owned()));
    options
}

#[test]
fn every_option_is_described() {
    let described: BTreeSet<_> = all_described().into_iter().map(|(option, _)| option).collect();
    let missing: Vec<_> = known()
        .into_keys()
        .filter(|option| !described.contains(option))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_option_that_is_described_exists() {
    let known = known();
    // A block is described on a page of its own.
    let is_block = |name: &str| known.keys().any(|option| option.starts_with(&format!("{name}.")));
    let wrong: Vec<_> = all_described()
        .into_iter()
        .filter(|(option, _)| !known.contains_key(option) && !is_block(option))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The defaults of `--help` are held to be true where they are written.
#[test]
fn every_default_is_the_one_that_help_names() {
    let known = known();
    let mut compared = 0;
    for (option, default) in all_described() {
        if let Some(Some(expected)) = known.get(&option) {
            let default = default.unwrap_or_default();
            assert!(
                default.is_empty() || default == *expected,
                "{option}: {default}, not {expected}"
            );
            compared += usize::from(!default.is_empty());
        }
    }
    assert!(compared > 50, "only {compared} defaults were compared");
}

#[test]
fn flags_and_variables_are_listed_as_they_are() {
    let pages = pages();
    let listed: BTreeSet<_> = pages[&root().join("docs/configuration.md")]
        .rows
        .iter()
        .filter(|row| row.title == "flag")
        .filter_map(|row| Some((row.first.first()?.clone(), row.second.first()?.clone())))
        .collect();
    let expected: BTreeSet<_> = known()
        .into_keys()
        .map(|option| {
            let variable = format!("MESH_{}", option.to_uppercase().replace('.', "_"));
            (format!("--{option}"), variable)
        })
        .collect();
    let difference: Vec<_> = listed.symmetric_difference(&expected).collect();
    assert!(difference.is_empty(), "{difference:#?}");
}
