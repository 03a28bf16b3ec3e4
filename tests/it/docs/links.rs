//! Links within the repository lead somewhere.

use std::path::Path;

use super::{page::Page, pages, root};

/// Whether a link to `#anchor` finds its heading.
fn has_heading(page: &Page, anchor: &str) -> bool {
    page.headings.iter().any(|heading| slug(heading) == anchor)
}

/// The anchor of a heading, as code hosts make it.
fn slug(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter(|char| char.is_alphanumeric() || " -_".contains(*char))
        .map(|char| if char == ' ' { '-' } else { char })
        .collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let pages = pages();
    let mut dead = Vec::new();
    for (path, page) in &pages {
        let within = page
            .links
            .iter()
            .filter(|link| !link.contains("://") && !link.starts_with("mailto:"));
        for link in within {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => path.clone(),
                file => path.parent().unwrap().join(file),
            };
            let found = target.canonicalize().is_ok_and(|target| {
                heading.is_empty() || pages.get(&target).is_some_and(|page| has_heading(page, heading))
            });
            if !found {
                dead.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{}", dead.join("\n"));
}

#[test]
fn a_dead_link_would_be_noticed() {
    let page = Page::parse("# One `two`, three\n[a](b.md#c) and `[not](a-link)`\n");
    assert_eq!(page.links, ["b.md#c"]);
    assert!(has_heading(&page, "one-two-three"));
    assert!(!has_heading(&page, "one"));
    assert!(!root().join(Path::new("docs/b.md")).exists());
}
