//! The policies on the pages are those that the reference names, that Terraform grants, and that Mesh needs.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use crate::page::Page;

/// Actions of the statements of a policy.
fn actions(policy: &str) -> BTreeSet<String> {
    let policy: Value = serde_json::from_str(policy).unwrap();
    let statements = policy["Statement"].as_array().unwrap();
    let actions = statements
        .iter()
        .flat_map(|statement| statement["Action"].as_array().unwrap());
    actions
        .map(|action| action.as_str().unwrap().to_owned())
        .collect()
}

/// Words in quotes that begin with the name of a service that Mesh reads, in the part of `text` between two headings.
fn quoted(text: &str) -> BTreeSet<String> {
    let words = text.split('"').skip(1).step_by(2);
    let read = words.filter(|word| {
        ["ecs:Desc", "ecs:List", "ec2:Desc", "ssm:Desc"]
            .iter()
            .any(|start| word.starts_with(start))
    });
    read.map(str::to_owned).collect()
}

#[test]
fn the_policies_are_those_of_the_reference() {
    for (start, reference, kind, word) in [
        ("docs/start-ecs.md", "docs/ecs.md", "json", "ecs:ListTasks"),
        ("docs/start-consul.md", "docs/consul.md", "hcl", "service_prefix"),
    ] {
        assert_eq!(
            Page::read(start).block(kind, word),
            Page::read(reference).block(kind, word),
            "{start}"
        );
    }
    let start = Page::read("docs/start-nomad.md");
    let reference = Page::read("docs/nomad.md");
    let policy = reference.block("hcl", "capabilities = [\"read-job\"]");
    assert!(policy.contains(start.block("hcl", "capabilities")), "{policy}");
}

#[test]
fn terraform_grants_what_the_page_names_and_no_more() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../terraform/iam.tf");
    let granted = quoted(&fs::read_to_string(path).unwrap());
    let mut named = actions(Page::read("docs/start-ecs.md").block("json", "\"Statement\""));
    // For `autoDiscoverClusters`, which the module does not set: it names its clusters.
    assert!(named.remove("ecs:ListClusters"), "{named:?}");
    assert_eq!(granted, named);
}
