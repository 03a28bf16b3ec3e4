//! Dependencies between crates, against the table that ARCHITECTURE.md shows.

use serde_json::Value;

/// What a crate of ours may import of ours.
struct Room {
    /// The crate; a trailing `*` stands for any ending.
    name: &'static str,
    /// The crates of ours it may depend on, written alike.
    may_import: &'static [&'static str],
    /// Others' crates that have no business in it.
    never: &'static [&'static str],
    /// True when its tests are held to the same.
    tests_too: bool,
}

const fn room(name: &'static str, may_import: &'static [&'static str]) -> Room {
    Room {
        name,
        may_import,
        never: &[],
        tests_too: false,
    }
}

const ROOMS: &[Room] = &[
    Room {
        never: &["tokio", "hyper", "futures", "reqwest"],
        ..room("mesh-config", &[])
    },
    room("mesh-telemetry", &["mesh-config"]),
    Room {
        never: &["hyper", "reqwest"],
        ..room("mesh-discovery", &["mesh-config", "mesh-telemetry"])
    },
    room("mesh-tls", &["mesh-config", "mesh-telemetry"]),
    room("mesh-proxy", &["mesh-config", "mesh-telemetry", "mesh-tls"]),
    room(
        "mesh-api",
        &[
            "mesh-config",
            "mesh-telemetry",
            "mesh-discovery",
            "mesh-tls",
            "mesh-proxy",
        ],
    ),
    room("mesh-remote", &["mesh-config", "mesh-discovery"]),
    room(
        "mesh-provider-*",
        &["mesh-config", "mesh-discovery", "mesh-remote"],
    ),
    room("mesh-testkit", &["mesh-config", "mesh-discovery"]),
    Room {
        // It knows the binary and its sockets; of the testkit it takes the proxy that breaks answers on one.
        tests_too: true,
        ..room("mesh-integration", &["mesh-testkit"])
    },
    Room {
        // It measures the binary from outside, beside others.
        tests_too: true,
        ..room("mesh-bench-proxy", &[])
    },
    room(
        "mesh",
        &[
            "mesh-config",
            "mesh-telemetry",
            "mesh-discovery",
            "mesh-tls",
            "mesh-proxy",
            "mesh-api",
            "mesh-provider-*",
        ],
    ),
    room("xtask", &[]),
];

/// Others' crates that few may name, so that they can be replaced in one place.
const HOMES: &[(&str, &[&str])] = &[
    ("backoff", &["mesh-discovery"]),
    // One makes values of documents, the other edits their text (`mesh migrate`).
    ("saphyr-parser", &["mesh-config", "mesh"]),
    ("toml_edit", &["mesh-config"]),
];

/// Every dependency in the answer of `cargo metadata --no-deps` that the table does not allow.
pub(super) fn complaints(metadata: &Value) -> Result<Vec<String>, String> {
    let packages = list(metadata, "packages")?;
    let ours = packages
        .iter()
        .map(|package| text(package, "name"))
        .collect::<Result<Vec<_>, _>>()?;
    let mut complaints = Vec::new();
    for package in packages {
        let name = text(package, "name")?;
        let Some(room) = ROOMS.iter().find(|room| is(room.name, name)) else {
            complaints.push(format!(
                "{name} has no place in the table of xtask/src/tidy/arrows.rs"
            ));
            continue;
        };
        for dependency in list(package, "dependencies")? {
            if dependency["kind"] == "dev" && !room.tests_too {
                continue;
            }
            let to = text(dependency, "name")?;
            complaints.extend(refuse(name, room, to, ours.contains(&to)));
        }
    }
    Ok(complaints)
}

fn refuse(name: &str, room: &Room, to: &str, ours: bool) -> Option<String> {
    let wrong = if ours {
        !room.may_import.iter().any(|pattern| is(pattern, to))
    } else {
        room.never.contains(&to)
    };
    if wrong {
        return Some(format!("{name} must not depend on {to}"));
    }
    let (_, homes) = HOMES
        .iter()
        .find(|(dependency, homes)| *dependency == to && !homes.contains(&name))?;
    Some(format!(
        "{name} must not depend on {to}: only {} does",
        homes.join(", ")
    ))
}

fn is(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>, String> {
    let list = value.get(key).and_then(Value::as_array);
    list.ok_or_else(|| format!("cargo metadata has no list {key:?}"))
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str, String> {
    let text = value.get(key).and_then(Value::as_str);
    text.ok_or_else(|| format!("cargo metadata has no text {key:?}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What is said of a workspace where `from` depends on `to`.
    fn verdict(from: &str, to: &str, kind: Option<&str>) -> Vec<String> {
        let ours = [
            "mesh-config",
            "mesh-proxy",
            "mesh-api",
            "mesh-discovery",
            "mesh-provider-file",
        ];
        let mut packages: Vec<_> = ours
            .iter()
            .filter(|name| **name != from)
            .map(|name| json!({"name": name, "dependencies": []}))
            .collect();
        packages.push(json!({"name": from, "dependencies": [{"name": to, "kind": kind}]}));
        complaints(&json!({ "packages": packages })).unwrap()
    }

    #[test]
    fn arrows_of_the_table_pass() {
        assert!(verdict("mesh-proxy", "mesh-config", None).is_empty());
        assert!(verdict("mesh-provider-consul", "mesh-discovery", None).is_empty());
        assert!(verdict("mesh", "mesh-provider-file", None).is_empty());
        assert!(verdict("mesh-proxy", "hyper", None).is_empty());
    }

    #[test]
    fn other_arrows_are_named() {
        for (from, to) in [
            ("mesh-config", "mesh-proxy"),
            ("mesh-proxy", "mesh-discovery"),
            ("mesh-provider-consul", "mesh-provider-file"),
            ("mesh-provider-consul", "mesh-proxy"),
            ("mesh-config", "tokio"),
            ("mesh-provider-consul", "backoff"),
        ] {
            let complaints = verdict(from, to, None);
            assert_eq!(complaints.len(), 1, "{from} -> {to}");
            assert!(complaints[0].starts_with(&format!("{from} must not depend on {to}")));
        }
        assert_eq!(verdict("mesh-config", "mesh-proxy", Some("build")).len(), 1);
    }

    #[test]
    fn tests_may_import_more_except_those_outside_the_binary() {
        assert!(verdict("mesh-proxy", "mesh-discovery", Some("dev")).is_empty());
        assert_eq!(verdict("mesh-integration", "mesh-proxy", Some("dev")).len(), 1);
    }

    #[test]
    fn a_crate_without_a_place_is_named() {
        assert_eq!(verdict("mesh-extra", "serde", None).len(), 1);
    }
}
