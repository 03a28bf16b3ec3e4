//! Every setting in `deploy/` and in the module of Terraform is one of Mesh, and its value is understood.

use std::{collections::BTreeMap, process::Command};

use mesh_integration::mesh;
use serde_json::Value;

use crate::{files, root, said, text};

/// The variables of Mesh that `text` names, whatever kind of file it is.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|char: char| !(char.is_ascii_uppercase() || char.is_ascii_digit() || char == '_'));
    words.filter(|word| word.starts_with("MESH_"))
}

/// `MESH_PING: "true"`, `MESH_PING = "true"` and `MESH_PING=true`; what is computed is left out.
fn values(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| {
        let line = line.trim().trim_start_matches("ENV ").trim_end_matches(" \\");
        let (name, value) = line.split_once(['=', ':'])?;
        let (name, value) = (name.trim(), value.trim().trim_matches('"'));
        (name.starts_with("MESH_") && !value.contains(['$', '(']) && !value.starts_with("var."))
            .then(|| (name.to_owned(), value.to_owned()))
    });
    lines.collect()
}

/// The environment of the container in the task definition.
pub(super) fn of_the_task() -> BTreeMap<String, String> {
    let definition: Value = serde_json::from_str(&text("deploy/ecs/task-definition.json")).unwrap();
    let variables = definition["containerDefinitions"][0]["environment"]
        .as_array()
        .unwrap();
    let pair = |variable: &Value| {
        let text = |key: &str| variable[key].as_str().unwrap().to_owned();
        (text("name"), text("value"))
    };
    variables.iter().map(pair).collect()
}

/// What `mesh check` says of variables; empty when it has nothing against them.
fn complaints(variables: &BTreeMap<String, String>) -> String {
    let nothing = tempfile::Builder::new().suffix(".yml").tempfile().unwrap();
    let output = Command::new(mesh::binary())
        .arg("check")
        .arg(nothing.path())
        .env_clear()
        .envs(variables)
        .output()
        .unwrap();
    let quiet = output.status.success() && output.stderr.is_empty();
    if quiet { String::new() } else { said(&output) }
}

#[test]
fn every_variable_is_an_option() {
    let help = Command::new(mesh::binary()).arg("--help").output().unwrap();
    let help = said(&help);
    // Where the name of an entrypoint is, any will do; a block may be switched on as a whole.
    let known = |name: &str| {
        ["WEB", "WEBSECURE", "MESH"].iter().any(|entry_point| {
            let general = name.replacen(&format!("_{entry_point}_"), "_<NAME>_", 1);
            help.contains(&format!("[{general}]")) || help.contains(&format!("[{general}_"))
        })
    };
    let mut unknown = Vec::new();
    let all = files("deploy").into_iter().chain(["terraform/service.tf".into()]);
    for file in all {
        let text = text(file.to_str().unwrap()).replace("${upper(name)}", "WEB");
        let names = names(&text).filter(|name| !known(name) && *name != "MESH_IMAGE");
        unknown.extend(names.map(|name| format!("{}: {name}", file.display())));
    }
    assert_eq!(unknown, Vec::<String>::new());
}

#[test]
fn every_value_is_understood() {
    let of_files = [
        ("deploy/Dockerfile", 2),
        ("deploy/compose/compose.yml", 6),
        ("deploy/nomad/mesh.nomad.hcl", 9),
    ];
    for (file, count) in of_files {
        let variables = values(&text(file));
        assert!(variables.len() >= count, "{file}: {variables:?}");
        assert_eq!(complaints(&variables), "", "{file}");
    }
    assert_eq!(complaints(&of_the_task()), "");
}

#[test]
fn a_value_that_is_wrong_would_be_noticed() {
    let variables = values("  MESH_PING: \"maybe\"\n  MESH_WORKERS = var.workers\n");
    assert_eq!(variables.len(), 1);
    assert!(complaints(&variables).contains("ping"));
}

#[test]
fn the_settings_of_the_units_are_valid() {
    let nothing = tempfile::Builder::new().suffix(".yml").tempfile().unwrap();
    let output = Command::new(mesh::binary())
        .arg("check")
        .arg("--config=deploy/systemd/mesh.yml")
        .arg(nothing.path())
        .current_dir(root())
        .env_clear()
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
}
