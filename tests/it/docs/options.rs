//! Options in the documents and options in the binary are the same.

use std::collections::BTreeSet;

use super::{mesh, page::Page, pages, root};

/// Every option there is, as `mesh --help` lists them.
fn known() -> BTreeSet<String> {
    let output = mesh(root()).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let options: BTreeSet<_> = help
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("--")?.split_once("=<"))
        .map(|(option, _)| option.to_owned())
        .collect();
    assert!(options.len() > 50, "{help}");
    options
}

/// The options that the tables titled `option` of one page describe. `.cert` goes on from the option before.
fn described(page: &Page, prefix: impl Fn(&str) -> String) -> BTreeSet<String> {
    let mut options = BTreeSet::new();
    for row in page.rows.iter().filter(|row| row.title == "option") {
        let mut parent = String::new();
        for name in &row.first {
            let name = match name.strip_prefix('.') {
                Some(last) => format!("{parent}.{last}"),
                None => name.clone(),
            };
            parent = name.rsplit_once('.').map_or("", |(parent, _)| parent).to_owned();
            options.insert(format!("{}{name}", prefix(&row.heading)));
        }
    }
    options
}

/// The options described on the page of static options and on those of the providers.
fn all_described() -> BTreeSet<String> {
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
    options
}

#[test]
fn every_option_is_described() {
    let described = all_described();
    let missing: Vec<_> = known()
        .into_iter()
        .filter(|option| !described.contains(option))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_option_that_is_described_exists() {
    let known = known();
    // A block is described on a page of its own.
    let is_block = |name: &str| known.iter().any(|option| option.starts_with(&format!("{name}.")));
    let wrong: Vec<_> = all_described()
        .into_iter()
        .filter(|option| !known.contains(option) && !is_block(option))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
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
        .into_iter()
        .map(|option| {
            let variable = format!("MESH_{}", option.to_uppercase().replace('.', "_"));
            (format!("--{option}"), variable)
        })
        .collect();
    let difference: Vec<_> = listed.symmetric_difference(&expected).collect();
    assert!(difference.is_empty(), "{difference:#?}");
}
