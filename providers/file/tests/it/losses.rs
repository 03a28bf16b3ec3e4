//! What disappears, and what cannot be read.

use std::{fs, time::Duration};

use mesh_discovery::{Content, ProviderError, Report};

use crate::support::{Reports, of_directory, of_file, routes};

#[tokio::test]
async fn a_deleted_file_is_a_removal() {
    let directory = tempfile::tempdir().unwrap();
    let (a, b) = (directory.path().join("a.yml"), directory.path().join("b.yml"));
    fs::write(&a, routes("a")).unwrap();
    fs::write(&b, routes("b")).unwrap();
    let provider = of_directory(directory.path());
    let mut reports = Reports::of(&provider);
    assert_eq!(reports.listing().await, ["a.yml", "b.yml"]);
    fs::remove_file(&a).unwrap();
    assert_eq!(reports.listing().await, ["b.yml"]);

    let provider = of_file(&b);
    let mut reports = Reports::of(&provider);
    assert_eq!(reports.routers("b.yml").await, ["b"]);
    fs::remove_file(&b).unwrap();
    assert!(reports.routers("b.yml").await.is_empty());
}

#[tokio::test]
async fn a_directory_that_vanishes_is_a_failure_and_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let (here, away) = (directory.path().join("here"), directory.path().join("away"));
    fs::create_dir(&here).unwrap();
    fs::write(here.join("a.yml"), routes("a")).unwrap();
    let provider = of_directory(&here);
    let mut reports = Reports::of(&provider);
    assert_eq!(reports.routers("a.yml").await, ["a"]);
    fs::rename(&here, &away).unwrap();
    assert!(reports.failure().await.to_string().contains("No such file"));
    fs::write(away.join("b.yml"), routes("b")).unwrap();
    fs::rename(&away, &here).unwrap();
    assert_eq!(reports.listing().await, ["a.yml", "b.yml"]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_directory_replaced_by_an_empty_one_is_a_failure() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("dynamic");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("a.yml"), routes("a")).unwrap();
    let provider = of_directory(&path);
    let mut reports = Reports::of(&provider);
    assert_eq!(reports.routers("a.yml").await, ["a"]);
    fs::rename(&path, directory.path().join("gone")).unwrap();
    fs::create_dir(&path).unwrap();
    loop {
        // Between the two it may have been seen missing.
        if reports.failure().await.to_string().contains("lost mount") {
            break;
        }
    }
    fs::write(path.join("b.yml"), routes("b")).unwrap();
    assert_eq!(reports.routers("b.yml").await, ["b"]);
}

#[tokio::test]
async fn an_emptied_file_keeps_its_routes_until_it_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.yml");
    fs::write(&path, routes("a")).unwrap();
    let provider = of_directory(directory.path());
    let mut reports = Reports::of(&provider);
    assert_eq!(reports.routers("a.yml").await, ["a"]);
    fs::write(&path, "").unwrap();
    assert!(reports.failure().await.to_string().contains("it is empty"));
    fs::write(&path, routes("b")).unwrap();
    assert_eq!(reports.routers("a.yml").await, ["b"]);
}

#[tokio::test]
async fn half_a_file_is_a_failure_with_its_line_and_the_whole_one_mends_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("routes.yml");
    fs::write(&path, routes("a")).unwrap();
    let provider = of_directory(directory.path());
    let mut reports = Reports::of(&provider);
    reports.file("routes.yml").await;
    fs::write(&path, "http:\n  routers:\n    a:\n      rule: \"Host(").unwrap();
    let error = reports.failure().await.to_string();
    assert!(error.contains("routes.yml:4"), "{error}");
    fs::write(&path, routes("b")).unwrap();
    assert_eq!(reports.routers("routes.yml").await, ["b"]);
}

#[tokio::test]
async fn a_file_that_is_short_for_a_moment_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("routes.yml");
    fs::write(&path, routes("a")).unwrap();
    let provider = of_directory(directory.path());
    let mut reports = Reports::of(&provider);
    assert_eq!(reports.routers("routes.yml").await, ["a"]);
    let rewrite = async {
        for _ in 0..10 {
            fs::write(&path, "").unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
            fs::write(&path, routes("a")).unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let watch = async {
        loop {
            assert_eq!(reports.routers("routes.yml").await, ["a"]);
        }
    };
    tokio::select! {
        () = rewrite => {}
        () = watch => {}
    }
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
    fs::write(&path, routes("a")).unwrap();
    while reports.routers("routes.yml").await != ["a"] {}
}

#[tokio::test]
async fn a_configured_file_is_all_there_is_once_it_was_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("routes.yml");
    fs::write(&path, "http: [").unwrap();
    let provider = of_file(&path);
    let mut reports = Reports::of(&provider);
    assert!(matches!(reports.next().await, Report::Failed { .. }));
    fs::write(&path, routes("a")).unwrap();
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
    fs::write(directory.path().join("good.yml"), routes("a")).unwrap();
    let provider = of_directory(directory.path());
    let mut reports = Reports::of(&provider);
    assert_eq!(reports.listing().await, ["bad.yml", "good.yml"]);
    assert!(reports.failure().await.to_string().contains("bad.yml"));
    assert_eq!(reports.routers("good.yml").await, ["a"]);
}
