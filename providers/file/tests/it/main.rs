//! The file provider on a real disk.
#![expect(clippy::unwrap_used, reason = "a failing helper is a failing test")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use futures::{StreamExt, stream::BoxStream};
use mesh_config::{Fragment, ProviderName};
use mesh_discovery::{Content, Provider, ProviderError, Report};
use mesh_provider_file::{FileProvider, Settings, SettingsError};

/// No test waits longer for anything.
const DEADLINE: Duration = Duration::from_secs(10);

/// Longest time from a change to the report of it.
const PROMPT: Duration = Duration::from_millis(100);

fn routes(name: &str) -> String {
    format!("http:\n  routers:\n    {name}:\n      rule: Host(`{name}.example.com`)\n      service: {name}\n")
}

fn provider(settings: Settings) -> FileProvider {
    FileProvider::new(settings, BTreeSet::new()).unwrap()
}

fn of_file(path: &Path) -> FileProvider {
    provider(Settings {
        filename: Some(path.to_owned()),
        ..Settings::default()
    })
}

/// Finds changes by events alone: no poll comes in time to help.
fn of_directory(path: &Path) -> FileProvider {
    let poll_interval = Duration::from_secs(3600);
    provider(Settings {
        directory: Some(path.to_owned()),
        poll_interval,
        ..Settings::default()
    })
}

struct Reports<'a>(BoxStream<'a, Report>);

impl<'a> Reports<'a> {
    fn of(provider: &'a FileProvider) -> Self {
        Self(provider.reports())
    }

    async fn next(&mut self) -> Report {
        tokio::time::timeout(DEADLINE, self.0.next())
            .await
            .unwrap()
            .unwrap()
    }

    /// The next content of the file called `name`.
    async fn file(&mut self, name: &str) -> Fragment {
        loop {
            if let Report::Replace {
                scope,
                content: Content::Fragment(fragment),
            } = self.next().await
                && scope.as_str().ends_with(name)
            {
                return *fragment;
            }
        }
    }

    async fn routers(&mut self, name: &str) -> Vec<String> {
        self.file(name).await.routers.into_keys().collect()
    }

    /// The file names of the next listing.
    async fn listing(&mut self) -> Vec<String> {
        loop {
            if let Report::Replace {
                content: Content::Scopes(scopes),
                ..
            } = self.next().await
            {
                let names = scopes.iter().map(|scope| PathBuf::from(scope.as_str()));
                return names
                    .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
                    .collect();
            }
        }
    }

    async fn failure(&mut self) -> ProviderError {
        loop {
            if let Report::Failed { error, .. } = self.next().await {
                return error;
            }
        }
    }
}

#[tokio::test]
async fn a_change_in_place_arrives_in_a_tenth_of_a_second() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("routes.yml");
    fs::write(&path, routes("a")).unwrap();
    let provider = of_directory(directory.path());
    let mut reports = Reports::of(&provider);
    assert_eq!(reports.routers("routes.yml").await, ["a"]);
    // The second reading makes sure that the watch is set up.
    fs::write(&path, routes("a") + "#\n").unwrap();
    reports.file("routes.yml").await;
    let start = Instant::now();
    fs::write(&path, routes("a").replace("a.example.com", "b.example.com")).unwrap();
    reports.file("routes.yml").await;
    assert!(start.elapsed() < PROMPT, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_file_put_in_place_by_rename_is_taken_and_drafts_beside_it_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("routes.yml");
    fs::write(&path, routes("a")).unwrap();
    let provider = of_file(&path);
    let mut reports = Reports::of(&provider);
    assert_eq!(reports.routers("routes.yml").await, ["a"]);
    let draft = directory.path().join(".routes.yml.swp");
    fs::write(&draft, routes("b")).unwrap();
    fs::rename(&draft, &path).unwrap();
    assert_eq!(reports.routers("routes.yml").await, ["b"]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_swapped_symlink_as_kubernetes_does_it_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for (version, name) in [("..1", "a"), ("..2", "b")] {
        fs::create_dir(at(version)).unwrap();
        fs::write(at(version).join("routes.yml"), routes(name)).unwrap();
    }
    std::os::unix::fs::symlink("..1", at("..data")).unwrap();
    std::os::unix::fs::symlink("..data/routes.yml", at("routes.yml")).unwrap();
    let provider = of_directory(directory.path());
    let mut reports = Reports::of(&provider);
    assert_eq!(reports.listing().await, ["routes.yml"]);
    assert_eq!(reports.routers("routes.yml").await, ["a"]);
    std::os::unix::fs::symlink("..2", at("..new")).unwrap();
    fs::rename(at("..new"), at("..data")).unwrap();
    assert_eq!(reports.routers("routes.yml").await, ["b"]);
    // What lies behind the link is watched as well.
    fs::write(at("..2").join("routes.yml"), routes("c")).unwrap();
    assert_eq!(reports.routers("routes.yml").await, ["c"]);
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
    fs::write(below.join("a.yaml"), routes("a")).unwrap();
    while reports.listing().await != ["a.yaml", "z.toml"] {}
    let routers = reports.routers("a.yaml").await;
    assert!(routers.is_empty() || routers == ["a"]);
    fs::write(below.join("a.yaml"), routes("b")).unwrap();
    while reports.routers("a.yaml").await != ["b"] {}
}

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

#[tokio::test]
async fn without_watching_only_a_reload_reads_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("routes.yml");
    fs::write(&path, routes("a")).unwrap();
    let settings = Settings {
        filename: Some(path.clone()),
        watch: false,
        ..Settings::default()
    };
    let provider = provider(settings);
    let mut reports = Reports::of(&provider);
    reports.file("routes.yml").await;
    reports.listing().await;
    fs::write(&path, routes("b")).unwrap();
    assert!(
        tokio::time::timeout(Duration::from_millis(300), reports.0.next())
            .await
            .is_err()
    );
    provider.reload();
    assert_eq!(reports.routers("routes.yml").await, ["b"]);
}

#[tokio::test]
async fn a_file_that_is_also_the_static_one_may_hold_its_keys() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mesh.yml");
    fs::write(
        &path,
        "entryPoints: {web: {address: ':80'}}\nnonsense: 1\n".to_owned() + &routes("a"),
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

#[test]
fn settings_name_exactly_one_source_of_a_known_kind() {
    let of = |filename: Option<&str>, directory: Option<&str>| {
        let (filename, directory) = (filename.map(Into::into), directory.map(Into::into));
        FileProvider::new(
            Settings {
                filename,
                directory,
                ..Settings::default()
            },
            BTreeSet::new(),
        )
    };
    assert_eq!(of(None, None).unwrap_err(), SettingsError::NoSource);
    assert_eq!(
        of(Some("a.yml"), Some("b")).unwrap_err(),
        SettingsError::TwoSources
    );
    assert!(matches!(
        of(Some("a.conf"), None),
        Err(SettingsError::UnknownFormat(_))
    ));
    assert_eq!(of(None, Some("b")).unwrap().name(), &ProviderName::new("file"));
}
