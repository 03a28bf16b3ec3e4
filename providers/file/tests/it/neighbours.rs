//! What happens beside the files, and how often they are read.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::Write as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use mesh_provider_file::{Disk, FileProvider, Files, Scan, Settings, Source};

use crate::support::{Reports, routed_to};

/// Shortest time between two readings.
const QUIET: Duration = Duration::from_millis(20);

/// The disk, with a count of how often it was read.
#[derive(Debug, Default)]
struct Counted(Arc<AtomicU32>);

impl Files for Counted {
    fn scan(&self, source: &Source) -> Scan {
        self.0.fetch_add(1, Ordering::Relaxed);
        Disk.scan(source)
    }
}

/// Finds changes by events alone.
fn counted(directory: &Path) -> (FileProvider<Counted>, Arc<AtomicU32>) {
    let files = Counted::default();
    let count = files.0.clone();
    let settings = Settings {
        directory: Some(directory.to_owned()),
        poll_interval: Duration::from_secs(3600),
        ..Settings::default()
    };
    let provider = FileProvider::with_files(settings, BTreeSet::new(), files).unwrap();
    (provider, count)
}

#[tokio::test]
async fn a_neighbour_that_is_written_all_the_time_is_not_a_reason_to_read() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("routes.yml"), routed_to("a")).unwrap();
    let (provider, count) = counted(directory.path());
    let mut reports = Reports::of(&provider);
    assert_eq!(reports.targets("routes.yml").await, ["a"]);
    // By this change everything is set up.
    fs::write(at("routes.yml"), routed_to("b")).unwrap();
    assert_eq!(reports.targets("routes.yml").await, ["b"]);
    let before = count.load(Ordering::Relaxed);
    let write = async {
        let mut log = File::create(at("app.log")).unwrap();
        let end = Instant::now() + 20 * QUIET;
        while Instant::now() < end {
            log.write_all(b"GET / 200\n").unwrap();
            fs::write(at("app.tmp"), "a draft").unwrap();
            fs::remove_file(at("app.tmp")).unwrap();
            fs::write(at(".routes.yml"), "another").unwrap();
            tokio::task::yield_now().await;
        }
        // Events come in order: behind this one are all others.
        fs::write(at("routes.yml"), routed_to("c")).unwrap();
    };
    let (targets, ()) = tokio::join!(reports.targets("routes.yml"), write);
    assert_eq!(targets, ["c"]);
    let readings = count.load(Ordering::Relaxed) - before;
    assert!(readings <= 5, "{readings} readings for one change");
}

#[tokio::test]
async fn however_often_files_change_they_are_read_once_in_a_while() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("routes.yml");
    fs::write(&path, routed_to("a")).unwrap();
    let (provider, count) = counted(directory.path());
    let mut reports = Reports::of(&provider);
    assert_eq!(reports.targets("routes.yml").await, ["a"]);
    let start = Instant::now();
    let write = async {
        while start.elapsed() < 20 * QUIET {
            fs::write(&path, routed_to("a")).unwrap();
            tokio::task::yield_now().await;
        }
        fs::write(&path, routed_to("b")).unwrap();
    };
    let read = async { while reports.targets("routes.yml").await != ["b"] {} };
    tokio::join!(read, write);
    let readings = count.load(Ordering::Relaxed);
    let most = start.elapsed().as_millis() / QUIET.as_millis() + 3;
    assert!(
        u128::from(readings) <= most,
        "{readings} readings, {most} at most"
    );
}
