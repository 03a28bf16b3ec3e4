//! The pages of middlewares show each in four forms: YAML, TOML, labels and AWS tags. All of them mean what they say.

use std::{fs, path::Path};

use super::*;
use crate::{document, layer::Format, model::Middleware};

/// What AWS allows in tags, beside letters and digits.
const IN_TAGS: &str = " +-=._:/@";

/// The longest key and value of a tag in AWS.
const MAX_TAG: (usize, usize) = (128, 256);

/// Every page, by its name.
fn pages() -> Vec<(String, String)> {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/middlewares");
    let mut texts: Vec<_> = fs::read_dir(pages)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .filter(|(name, _)| name != "README")
        .collect();
    texts.sort();
    texts
}

/// The texts of the fenced blocks whose info is one of `infos`.
fn blocks<'p>(page: &'p str, infos: &[&str]) -> Vec<&'p str> {
    let fenced = page.split("\n```").skip(1).step_by(2);
    let blocks = fenced.filter_map(|block| block.split_once('\n'));
    blocks
        .filter(|(info, _)| infos.contains(info))
        .map(|(_, text)| text)
        .collect()
}

/// What the documents of a page define; each form has to be there.
fn documents(name: &str, page: &str) -> Vec<(String, Middleware)> {
    let mut defined = Vec::new();
    for (info, format) in [("yaml", Format::Yaml), ("toml", Format::Toml)] {
        let texts = blocks(page, &[info]);
        assert!(!texts.is_empty(), "{name}: no {info}");
        for text in texts {
            let fragment = document::parse(name, text, format).unwrap();
            let middlewares = fragment.middlewares.into_iter();
            defined.extend(middlewares.map(|(name, declared)| (name, declared.value)));
        }
    }
    defined
}

/// What labels declare; nothing of them is wrong.
fn declared(name: &str, text: &str) -> Vec<(String, Middleware)> {
    let lines: Vec<_> = text
        .lines()
        .map(|line| line.split_once('=').unwrap_or_else(|| panic!("{name}: {line}")))
        .collect();
    let declaration = labels(&lines);
    assert_eq!(broken(&declaration), Vec::<String>::new(), "{name}");
    let middlewares = declaration.middlewares.into_iter();
    middlewares
        .map(|(name, declared)| (name, declared.value))
        .collect()
}

#[test]
fn labels_and_tags_on_the_pages_say_what_the_documents_beside_them_say() {
    let pages = pages();
    assert!(pages.len() > 20, "{}", pages.len());
    for (name, page) in &pages {
        let documents = documents(name, page);
        for form in ["text labels", "text tags"] {
            let texts = blocks(page, &[form, "text labels tags"]);
            assert!(!texts.is_empty(), "{name}: no {form}");
            for text in texts {
                let declared = declared(name, text);
                assert!(!declared.is_empty(), "{name}: {text}");
                for object in declared {
                    assert!(
                        documents.contains(&object),
                        "{name}: no document says {object:#?}"
                    );
                }
            }
        }
    }
}

/// The options of a kind, as the message about one that there is not lists them; none where only one is there.
fn options(kind: &str) -> Vec<String> {
    let wrong = serde_json::json!({ kind: { "no such option": true } });
    let error = serde_json::from_value::<Middleware>(wrong)
        .unwrap_err()
        .to_string();
    let (_, known) = error
        .split_once("expected")
        .unwrap_or_else(|| panic!("{kind}: {error}"));
    known.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The options that the tables of a page describe: the code in the first cell of each row.
fn described(page: &str) -> Vec<&str> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.filter_map(|row| row.split_once(" | "));
    cells
        .flat_map(|(cell, _)| cell.trim_end_matches('`').split('`').step_by(2))
        .collect()
}

#[test]
fn every_option_of_a_middleware_is_described_on_its_page() {
    let mut count = 0;
    for (name, page) in pages() {
        let described = described(&page);
        for option in options(&name) {
            let is_described = described.iter().any(|there| {
                let block = there.split(['.', '[']).next();
                *there == option || block == Some(&option)
            });
            assert!(
                is_described || page.contains(&format!("`{option}`")),
                "{name}: {option} in {described:?}"
            );
            count += 1;
        }
        assert!(
            page.contains("\n## What is refused\n"),
            "{name}: what is refused?"
        );
    }
    assert!(count > 100, "{count}");
}

#[test]
fn tags_on_the_pages_are_such_as_aws_allows() {
    for (name, page) in pages() {
        for line in blocks(&page, &["text tags", "text labels tags"]).join("").lines() {
            let (key, value) = line.split_once('=').unwrap();
            let is_allowed = |c: char| c.is_ascii_alphanumeric() || IN_TAGS.contains(c);
            assert!(line.chars().all(is_allowed), "{name}: {line}");
            assert!(
                key.len() <= MAX_TAG.0 && value.len() <= MAX_TAG.1,
                "{name}: {line}"
            );
        }
    }
}
