//! What disappears, and what cannot be read.

use std::{fs, io::Write as _};

use mesh_discovery::{Content, ProviderError, Report};

use crate::support::{Reports, is_of, of_directory, of_file, routed_to};

#[tokio::test]
async fn a_deleted_file_is_a_removal() {
    let directory = tempfile::tempdir().unwrap();
    let (a, b) = (directory.path().join("a.yml"), directory.path().join("b.yml"));
    fs::write(&a, routed_to("a")).unwrap();
    fs::write(&b, routed_to("b")).unwrap();
    let provider = of_directory(directory.path());
    let mut reports = Reports::of(&provider);
    assert_eq!(reports.listing().await, ["a.yml", "b.yml"]);
    fs::remove_file(&a).unwrap();
    assert_eq!(reports.listing().await, ["b.yml"]);

    let provider = of_file(&b);
    let mut reports = Reports::of(&provider);
    assert_eq!(reports.targets("b.yml").await, ["b"]);
    fs::remove_file(&b).unwrap();
    assert!(reports.targets("b.yml").await.is_empty());
}

#[tokio::test]
async fn a_directory_that_vanishes_is_a_failure_and_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let (here, away) = (directory.path().join("here"), directory.path().join("away"));
    fs::create_dir(&here).unwrap();
    fs::write(here.join("a.yml"), routed_to("a")).unwrap();
    let provider = of_directory(&here);
    let mut reports = Reports::of(&provider);
    assert_eq!(reports.targets("a.yml").await, ["a"]);
    fs::rename(&here, &away).unwrap();
    assert!(reports.failure().await.to_string().contains("No such file"));
    fs::write(away.join("b.yml"), routed_to("b")).unwrap();
    fs::rename(&away, &here).unwrap();
    while reports.listing().await != ["a.yml", "b.yml"] {}
}

#[cfg(unix)]
#[tokio::test]
async fn a_directory_replaced_by_an_empty_one_is_a_failure() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("dynamic");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("a.yml"), routed_to("a")).unwrap();
    let provider = of_directory(&path);
    let mut reports = Reports::of(&provider);
    assert_eq!(reports.targets("a.yml").await, ["a"]);
    fs::rename(&path, directory.path().join("gone")).unwrap();
    fs::create_dir(&path).unwrap();
    loop {
        // Between the two it may have been seen missing.
        if reports.failure().await.to_string().contains("lost mount") {
            break;
        }
    }
    fs::write(path.join("b.yml"), routed_to("b")).unwrap();
    assert_eq!(reports.targets("b.yml").await, ["b"]);
}

#[tokio::test]
async fn an_emptied_file_keeps_its_routes_until_it_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.yml");
    fs::write(&path, routed_to("a")).unwrap();
    let provider = of_directory(directory.path());
    let mut reports = Reports::of(&provider);
    assert_eq!(reports.targets("a.yml").await, ["a"]);
    fs::write(&path, "").unwrap();
    assert!(reports.failure().await.to_string().contains("it is empty"));
    fs::write(&path, routed_to("b")).unwrap();
    assert_eq!(reports.targets("a.yml").await, ["b"]);
}

#[tokio::test]
async fn half_a_file_is_a_failure_with_its_line_and_the_whole_one_mends_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("routes.yml");
    fs::write(&path, routed_to("a")).unwrap();
    let provider = of_directory(directory.path());
    let mut reports = Reports::of(&provider);
    reports.file("routes.yml").await;
    fs::write(&path, "http:\n  routers:\n    a:\n      rule: \"Host(").unwrap();
    let error = reports.failure().await.to_string();
    assert!(error.contains("routes.yml:4"), "{error}");
    fs::write(&path, routed_to("b")).unwrap();
    assert_eq!(reports.targets("routes.yml").await, ["b"]);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_file_that_is_still_being_written_waits_for_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("a.yml"), routed_to("a")).unwrap();
    fs::write(at("b.yml"), routed_to("b")).unwrap();
    let provider = of_directory(directory.path());
    let mut reports = Reports::of(&provider);
    assert_eq!(reports.targets("b.yml").await, ["b"]);
    let mut file = fs::File::create(at("a.yml")).unwrap();
    file.write_all(routed_to("secret").as_bytes()).unwrap();
    // Files are read in the order of their names: a.yml has rested when b.yml has.
    for service in ["c", "d"] {
        fs::write(at("b.yml"), routed_to(service)).unwrap();
        let report = reports.next().await;
        assert!(is_of(&report, "b.yml"), "{report:?}");
    }
    file.write_all(b"      middlewares: [guard]\n").unwrap();
    drop(file);
    let fragment = reports.file("a.yml").await;
    assert_eq!(fragment.routers["r"].value.middlewares.len(), 1);
}

#[tokio::test]
async fn a_configured_file_that_is_missing_is_a_failure_until_it_appears() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("later/routes.yml");
    let provider = of_file(&path);
    let mut reports = Reports::of(&provider);
    assert!(matches!(
        reports.failure().await,
        ProviderError::Unreadable { .. }
    ));
    fs::create_dir(directory.path().join("later")).unwrap();
    fs::write(&path, routed_to("a")).unwrap();
    while reports.targets("routes.yml").await != ["a"] {}
}

#[tokio::test]
async fn a_configured_file_is_all_there_is_once_it_was_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("routes.yml");
    fs::write(&path, "http: [").unwrap();
    let provider = of_file(&path);
    let mut reports = Reports::of(&provider);
    assert!(matches!(reports.next().await, Report::Failed { .. }));
    fs::write(&path, routed_to("a")).unwrap();
    let document = reports.next().await;
    assert!(
        matches!(
            &document,
            Report::Replace {
                content: Content::Fragment(_),
                ..
            }
        ),
        "{document:?}"
    );
    assert_eq!(reports.listing().await, ["routes.yml"]);
}

#[tokio::test]
async fn one_file_of_a_directory_that_cannot_be_read_leaves_the_others_alone() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("bad.yml"), [0xff, 0xfe, 0x00]).unwrap();
    fs::write(directory.path().join("good.yml"), routed_to("a")).unwrap();
    let provider = of_directory(directory.path());
    let mut reports = Reports::of(&provider);
    assert_eq!(reports.listing().await, ["bad.yml", "good.yml"]);
    assert!(reports.failure().await.to_string().contains("bad.yml"));
    assert_eq!(reports.targets("good.yml").await, ["a"]);
}
