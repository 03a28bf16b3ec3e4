//! The jobs of Nomad: by Nomad where there is one, as text of HCL by Terraform, which shares its grammar.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Command,
};

use mesh_integration::skip;

use crate::{files, root, runs, said, text};

fn jobs() -> Vec<PathBuf> {
    let jobs: Vec<_> = files("deploy/nomad")
        .into_iter()
        .filter(|file| file.to_str().unwrap().ends_with(".nomad.hcl"))
        .collect();
    assert_eq!(jobs.len(), 3, "{jobs:?}");
    jobs
}

#[test]
fn nomad_takes_every_job() {
    let Some(nomad) = skip::nomad() else { return };
    for job in jobs() {
        let mut command = Command::new(&nomad);
        command.args(["job", "validate"]);
        if job.ends_with("mesh.nomad.hcl") {
            command.arg("-var=image=registry.example.com/mesh:0.1.0");
        }
        let output = command.arg(root().join(&job)).output().unwrap();
        assert!(output.status.success(), "{}: {}", job.display(), said(&output));
    }
}

/// Whether Terraform reads `path`, and would write it as it is.
fn is_formatted(path: &Path) -> bool {
    let output = Command::new("terraform")
        .args(["fmt", "-check", "-"])
        .env("CHECKPOINT_DISABLE", "1")
        .env_remove("TF_CLI_CONFIG_FILE")
        .stdin(File::open(path).unwrap())
        .output()
        .unwrap();
    output.status.success()
}

#[test]
fn every_job_and_policy_is_well_formed() {
    if !runs("terraform", &["version"]) {
        return skip::say("terraform", "get it from releases.hashicorp.com");
    }
    for file in files("deploy/nomad") {
        assert!(is_formatted(&root().join(&file)), "{}", file.display());
    }
    let broken = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(broken.path(), "job \"shop\" {\n  group \"shop\" {\n}\n").unwrap();
    assert!(!is_formatted(broken.path()), "an open block would be noticed");
}

#[test]
fn mesh_runs_on_every_node_with_an_identity_of_its_own() {
    let job = text("deploy/nomad/mesh.nomad.hcl");
    for words in [
        "type     = \"system\"",
        // All that Nomad before 1.11 waits for.
        "stagger          = \"60s\"",
        "identity {\n        env  = true\n        file = true\n      }",
        "readonly_rootfs = true",
        "path     = \"/ready\"",
    ] {
        assert!(job.contains(words), "{words}");
    }
    assert!(text("deploy/nomad/canary.nomad.hcl").contains("mesh.canary.weight=10"));
}
