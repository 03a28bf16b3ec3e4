//! The commands of `docs/migrating.md` say and write what stands there.

use std::fs;

use super::{mesh, page::Page, root};

#[test]
fn every_migration_on_its_page_says_and_writes_what_the_page_shows() {
    let text = fs::read_to_string(root().join("docs/migrating.md")).unwrap();
    let page = Page::parse(&text);
    let directory = tempfile::tempdir().unwrap();
    let mut ran = 0;
    for (at, block) in page.blocks.iter().enumerate() {
        let Some(arguments) = block.text.strip_prefix("mesh migrate ") else {
            continue;
        };
        let words: Vec<_> = arguments.split_whitespace().collect();
        let [file, "--write", target] = words.as_slice() else {
            panic!("line {}: another command than this test knows", block.line);
        };
        fs::write(directory.path().join(file), &page.blocks[at - 1].text).unwrap();
        let output = mesh(directory.path())
            .arg("migrate")
            .args(&words)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "line {}: {output:?}", block.line);
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(said, page.blocks[at + 1].text, "line {}", block.line);
        let written = fs::read_to_string(directory.path().join(target)).unwrap();
        let shown = page
            .blocks
            .get(at + 2)
            .and_then(|shown| shown.text.strip_prefix(&format!("# {target}\n")));
        if let Some(shown) = shown {
            // The first line is the name of the file, which a reader sees and a translation keeps.
            assert_eq!(written.split_once('\n').unwrap().1, shown, "line {}", block.line);
        }
        ran += 1;
    }
    assert_eq!(ran, 2, "commands on the page");
}

/// What tables say of keys and what the command does with them.
#[test]
fn every_option_of_fabio_in_the_table_is_treated_as_it_says() {
    let text = fs::read_to_string(root().join("docs/migrating.md")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tags.txt");
    for (option, code) in [
        ("strip=/x", 0),
        ("prepend=/x", 0),
        ("redirect=301,https://host$path", 0),
        ("allow=ip:10.0.0.1", 0),
        ("deny=ip:10.0.0.1", 0),
        ("host=dst", 0),
        ("host=name", 0),
        ("proto=https", 0),
        ("proto=grpc", 0),
        ("weight=0.5", 0),
        ("proto=tcp", 1),
        ("auth=x", 1),
        ("tlsskipverify=true", 1),
        ("pxyproto=true", 1),
    ] {
        let name = option.split_once('=').unwrap().0;
        assert!(text.contains(&format!("`{name}=")), "{name} is not on the page");
        fs::write(&file, format!("urlprefix-a.com/ {option}\n")).unwrap();
        let output = mesh(directory.path())
            .args(["migrate", "tags.txt"])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{option}: {output:?}");
    }
}
