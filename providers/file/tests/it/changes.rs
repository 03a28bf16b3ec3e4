//! What changes is noticed.

use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};

use futures::StreamExt as _;
use mesh_provider_file::{FileProvider, Settings};

use crate::support::{PROMPT, Reports, of_directory, of_file, provider, routed_to};

#[tokio::test]
async fn a_change_in_place_arrives_in_a_tenth_of_a_second() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("routes.yml");
    fs::write(&path, routed_to("a")).unwrap();
    let provider = of_directory(directory.path());
    let mut reports = Reports::of(&provider);
    assert_eq!(reports.targets("routes.yml").await, ["a"]);
    // The second reading makes sure that the watch is set up.
    fs::write(&path, routed_to("a") + "#\n").unwrap();
    reports.file("routes.yml").await;
    let start = Instant::now();
    fs::write(&path, routed_to("b")).unwrap();
    reports.file("routes.yml").await;
    assert!(start.elapsed() < PROMPT, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_file_put_in_place_by_rename_is_taken_and_drafts_beside_it_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("routes.yml");
    fs::write(&path, routed_to("a")).unwrap();
    let provider = of_file(&path);
    let mut reports = Reports::of(&provider);
    assert_eq!(reports.targets("routes.yml").await, ["a"]);
    let draft = directory.path().join(".routes.yml.swp");
    fs::write(&draft, routed_to("b")).unwrap();
    fs::rename(&draft, &path).unwrap();
    assert_eq!(reports.targets("routes.yml").await, ["b"]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_swapped_symlink_as_kubernetes_does_it_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for (version, name) in [("..1", "a"), ("..2", "b")] {
        fs::create_dir(at(version)).unwrap();
        fs::write(at(version).join("routes.yml"), routed_to(name)).unwrap();
    }
    std::os::unix::fs::symlink("..1", at("..data")).unwrap();
    std::os::unix::fs::symlink("..data/routes.yml", at("routes.yml")).unwrap();
    let provider = of_directory(directory.path());
    let mut reports = Reports::of(&provider);
    assert_eq!(reports.listing().await, ["routes.yml"]);
    assert_eq!(reports.targets("routes.yml").await, ["a"]);
    std::os::unix::fs::symlink("..2", at("..new")).unwrap();
    fs::rename(at("..new"), at("..data")).unwrap();
    assert_eq!(reports.targets("routes.yml").await, ["b"]);
    // What lies behind the link is watched as well.
    fs::write(at("..2").join("routes.yml"), routed_to("c")).unwrap();
    assert_eq!(reports.targets("routes.yml").await, ["c"]);
}

#[tokio::test]
async fn sub_directories_count_also_those_that_come_later() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("z.toml"), "").unwrap();
    fs::write(directory.path().join("notes.txt"), "no").unwrap();
    let provider = of_directory(directory.path());
    let mut reports = Reports::of(&provider);
    assert_eq!(reports.listing().await, ["z.toml"]);
    let below = directory.path().join("one/two");
    fs::create_dir_all(&below).unwrap();
    fs::write(below.join("a.yaml"), routed_to("a")).unwrap();
    while reports.listing().await != ["a.yaml", "z.toml"] {}
    let targets = reports.targets("a.yaml").await;
    assert!(targets.is_empty() || targets == ["a"]);
    fs::write(below.join("a.yaml"), routed_to("b")).unwrap();
    while reports.targets("a.yaml").await != ["b"] {}
}

#[tokio::test(start_paused = true)]
async fn without_watching_only_a_reload_reads_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("routes.yml");
    fs::write(&path, routed_to("a")).unwrap();
    let settings = Settings {
        filename: Some(path.clone()),
        watch: false,
        ..Settings::default()
    };
    let provider = provider(settings);
    let mut reports = Reports::of(&provider);
    reports.file("routes.yml").await;
    reports.listing().await;
    fs::write(&path, routed_to("b")).unwrap();
    assert!(
        tokio::time::timeout(Duration::from_secs(3600), reports.0.next())
            .await
            .is_err()
    );
    provider.reload();
    assert_eq!(reports.targets("routes.yml").await, ["b"]);
}

#[tokio::test]
async fn a_file_that_is_also_the_static_one_may_hold_its_keys() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mesh.yml");
    fs::write(
        &path,
        "entryPoints: {web: {address: ':80'}}\nnonsense: 1\n".to_owned() + &routed_to("a"),
    )
    .unwrap();
    let settings = Settings {
        filename: Some(path),
        ..Settings::default()
    };
    let provider = FileProvider::new(settings, BTreeSet::from(["entrypoints".to_owned()])).unwrap();
    let fragment = Reports::of(&provider).file("mesh.yml").await;
    assert_eq!(fragment.routers.len(), 1);
    let keys: Vec<_> = fragment
        .problems
        .iter()
        .map(|problem| problem.key.as_str())
        .collect();
    assert_eq!(keys, ["nonsense"]);
}
