//! When readings count, by the millisecond.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use mesh_discovery::{Content, Report};
use tokio::time::Instant;

use super::State;
use crate::{
    client::{Reading, Scan, Unreadable, identity},
    rest::Round,
    settings::Source,
};

/// A directory `d` and what is said of it.
struct World {
    state: State,
    start: Instant,
    now: Instant,
    scan: Scan,
    written: bool,
    said: Vec<String>,
}

impl World {
    /// Read once, with these files.
    fn with(files: &[(&str, &str)]) -> Self {
        let start = Instant::now();
        let mut world = Self {
            state: State::new(Source::Directory("d".into())),
            start,
            now: start,
            scan: Scan::default(),
            written: false,
            said: Vec::new(),
        };
        for (name, routers) in files {
            world.write(name, routers);
        }
        world.read();
        world.said.clear();
        world
    }

    /// The file now holds these routers.
    fn write(&mut self, name: &str, routers: &str) {
        let routers = routers.split_whitespace();
        let entries = routers.map(|name| format!("    {name}: {{rule: 'Host(`a`)', service: s}}\n"));
        let text = format!("http:\n  routers:\n{}", entries.collect::<String>());
        self.put(name, Reading::Text(text.into()));
    }

    fn put(&mut self, name: &str, reading: Reading) {
        self.scan.files.insert(Path::new("d").join(name), reading);
    }

    fn delete(&mut self, name: &str) {
        self.scan.files.remove(&Path::new("d").join(name));
    }

    /// The directory at `path` is the one at `place`.
    fn exists(&mut self, path: &str, place: &Path) {
        let identity = identity(place, &fs::metadata(place).unwrap());
        self.scan.directories.insert(path.into(), identity);
    }

    /// Notices what was done, and lets time pass: files are read when something may have rested.
    fn wait(&mut self, millis: u64) -> Vec<String> {
        let end = self.now + Duration::from_millis(millis);
        self.read();
        while let Some(next) = self.state.next().filter(|next| *next <= end) {
            assert!(next > self.now, "it reads without a pause");
            self.now = next;
            self.read();
        }
        self.now = end;
        std::mem::take(&mut self.said)
    }

    fn read(&mut self) {
        let written = self.written;
        let round = Round {
            started: self.now,
            ended: self.now,
            first: !self.state.has_begun(),
            listed: true,
            refresh: false,
            is_written: &move |_| written,
            static_keys: &BTreeSet::new(),
        };
        let at = self.now.duration_since(self.start).as_millis();
        for report in self.state.take(self.scan.clone(), &round) {
            self.said.push(format!("{at} {}", words(&report)));
        }
    }
}

fn words(report: &Report) -> String {
    match report {
        Report::Failed { scope, error } => format!("{scope} failed: {error}"),
        Report::History { index } => format!("history {index}"),
        Report::Replace { scope, content } => {
            let names: Vec<&str> = match content {
                Content::Fragment(fragment) => fragment.routers.keys().map(String::as_str).collect(),
                Content::Scopes(scopes) => scopes.iter().map(|scope| scope.as_str()).collect(),
                Content::Instances(_) | Content::Members(_) => Vec::new(),
            };
            format!("{scope}: {}", names.join(" "))
        }
    }
}

fn out_of_reach(path: &str) -> Unreadable {
    Unreadable {
        path: path.into(),
        reason: "gone".to_owned(),
    }
}

#[test]
fn what_is_new_counts_at_once_and_what_is_missing_is_given_up_later() {
    let mut world = World::with(&[("a.yml", "a b")]);
    world.write("a.yml", "b c");
    assert_eq!(world.wait(5000), ["20 d/a.yml: a b c", "2000 d/a.yml: b c"]);
}

#[test]
fn a_file_written_in_parts_with_pauses_loses_nothing() {
    let mut world = World::with(&[("a.yml", "a b c d")]);
    let mut said = Vec::new();
    for part in ["", "a", "a b", "a b c", "a b c d"] {
        world.write("a.yml", part);
        said.extend(world.wait(1900));
    }
    assert!(
        said.iter().all(|report| report.ends_with("a.yml: a b c d")),
        "{said:?}"
    );
    world.write("a.yml", "a b");
    assert_eq!(world.wait(5000).last().unwrap(), "11500 d/a.yml: a b");
}

#[test]
fn a_file_that_somebody_still_writes_waits_for_its_end() {
    let mut world = World::with(&[("a.yml", "a b")]);
    world.written = true;
    world.write("a.yml", "a");
    assert_eq!(world.wait(1999), Vec::<String>::new());
    world.write("a.yml", "a c");
    assert_eq!(world.wait(1000), Vec::<String>::new());
    world.written = false;
    assert_eq!(world.wait(500), ["2999 d/a.yml: a b c"]);
}

#[test]
fn a_file_that_is_kept_open_counts_when_it_rests_and_loses_later() {
    let mut world = World::with(&[("a.yml", "a b")]);
    world.written = true;
    world.write("a.yml", "b c");
    assert_eq!(world.wait(60_000), ["2000 d/a.yml: a b c", "10000 d/a.yml: b c"]);
}

#[test]
fn a_file_that_never_rests_is_taken_at_last_and_delays_no_other() {
    let mut world = World::with(&[("a.yml", "a b"), ("b.yml", "x")]);
    world.write("b.yml", "x y");
    let mut said = Vec::new();
    for step in 0..2500 {
        let text = format!("http: {{routers: {{a: {{rule: 'Host(`a`)', service: s{step}}}}}}}");
        world.put("a.yml", Reading::Text(text.into()));
        said.extend(world.wait(10));
    }
    assert_eq!(said[0], "20 d/b.yml: x y");
    let at_last = ["10000 d/a.yml: a b", "20000 d/a.yml: a b", "20000 d/a.yml: a"];
    assert_eq!(said[1..], at_last);
}

#[test]
fn what_moves_to_another_file_is_given_up_where_it_was() {
    let mut world = World::with(&[("a.yml", "a b"), ("b.yml", "x")]);
    world.write("a.yml", "a");
    world.write("b.yml", "b x");
    assert_eq!(
        world.wait(5000),
        ["20 d/a.yml: a b", "20 d/b.yml: b x", "20 d/a.yml: a"]
    );
}

#[test]
fn a_deleted_file_ends_when_it_does_not_come_back() {
    let mut world = World::with(&[("a.yml", "a"), ("b.yml", "b")]);
    world.delete("a.yml");
    assert_eq!(world.wait(1999), Vec::<String>::new());
    world.write("a.yml", "a");
    assert_eq!(world.wait(5000), Vec::<String>::new());
    world.delete("a.yml");
    assert_eq!(world.wait(5000), ["8999 directory d: d/b.yml"]);
}

#[test]
fn a_renamed_file_ends_with_the_arrival_of_the_new_one() {
    let mut world = World::with(&[("a.yml", "a")]);
    world.delete("a.yml");
    world.write("b.yml", "a");
    assert_eq!(world.wait(5000), ["20 directory d: d/b.yml", "20 d/b.yml: a"]);
}

#[test]
fn files_in_a_directory_out_of_reach_fail_with_it_and_recover() {
    let mut world = World::with(&[("a.yml", "a"), ("sub/b.yml", "b"), ("sub/c.yml", "c")]);
    let there = world.scan.clone();
    world.delete("sub/b.yml");
    world.delete("sub/c.yml");
    world.scan.unlisted.push(out_of_reach("d/sub"));
    let failed = "failed: cannot read d/sub: gone";
    assert_eq!(
        world.wait(60_000),
        [
            format!("20 directory d {failed}"),
            format!("20 d/sub/b.yml {failed}"),
            format!("20 d/sub/c.yml {failed}"),
        ]
    );
    // A deletion elsewhere is certain all the same.
    world.delete("a.yml");
    assert_eq!(world.wait(5000), ["62000 d/a.yml: "]);
    world.scan = there;
    world.delete("a.yml");
    assert_eq!(
        world.wait(5000),
        [
            "65000 directory d: d/sub/b.yml d/sub/c.yml",
            "65020 d/sub/b.yml: b",
            "65020 d/sub/c.yml: c"
        ]
    );
}

#[test]
fn a_link_that_leads_nowhere_is_no_deletion() {
    let mut world = World::with(&[("a.yml", "a"), ("link/b.yml", "b")]);
    world.delete("link/b.yml");
    world.scan.dangling.push(out_of_reach("d/link"));
    assert_eq!(
        world.wait(60_000),
        ["20 d/link/b.yml failed: cannot read d/link: gone"]
    );
}

#[test]
fn a_directory_in_place_of_a_file_is_no_deletion() {
    let mut world = World::with(&[("a.yml", "a"), ("b.yml", "b")]);
    world.delete("a.yml");
    let place = tempfile::tempdir().unwrap();
    world.exists("d/a.yml", place.path());
    assert_eq!(
        world.wait(60_000),
        ["20 d/a.yml failed: cannot read d/a.yml: a directory is in its place"]
    );
}

#[test]
fn a_directory_replaced_by_one_without_files_fails_with_all_its_files() {
    let mut world = World::with(&[("a.yml", "a"), ("sub/b.yml", "b")]);
    let [old, new] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    for path in [".", "d", "d/sub"] {
        world.exists(path, old.path());
    }
    world.wait(5000);
    // A part of it first: what it holds is out of reach, and the rest goes on.
    world.exists("d/sub", new.path());
    world.delete("sub/b.yml");
    let said = world.wait(5000);
    assert!(said[0].starts_with("5020 d/sub/b.yml failed: "), "{said:?}");
    world.write("a.yml", "a c");
    assert_eq!(world.wait(5000), ["10020 d/a.yml: a c"]);
    for path in [".", "d"] {
        world.exists(path, new.path());
    }
    world.delete("a.yml");
    let said = world.wait(60_000);
    assert!(
        said[0].starts_with("15020 directory d failed: cannot read d: another"),
        "{said:?}"
    );
    assert!(
        said[1].starts_with("15020 d/a.yml failed: cannot read d: another"),
        "{said:?}"
    );
}

#[test]
fn a_text_that_cannot_be_used_gives_nothing_up() {
    let mut world = World::with(&[("a.yml", "a b")]);
    world.write("a.yml", "a");
    world.wait(1000);
    world.put("a.yml", Reading::Text("http: [".into()));
    assert_eq!(world.wait(60_000).len(), 1);
    world.put("a.yml", Reading::Text("".into()));
    assert!(world.wait(60_000)[0].ends_with("it is empty; delete it if its routes are to end"));
    world.write("a.yml", "a");
    assert_eq!(world.wait(60_000), ["121020 d/a.yml: a b", "123000 d/a.yml: a"]);
}
