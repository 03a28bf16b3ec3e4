//! `mesh demo`, as its own text proposes to use it.

use std::{collections::BTreeSet, fs, process::Command};

use crate::{
    http::{get, try_request},
    mesh::{Mesh, Place, eventually},
};

fn who(mesh: &Mesh) -> Option<char> {
    let answer = get(mesh.address("web"), "localhost", "/");
    answer
        .body
        .strip_prefix("I am ")
        .and_then(|rest| rest.chars().next())
}

fn change(mesh: &Mesh, server: &str, query: &str) {
    let path = format!("/demo/servers/{server}?{query}");
    let answer = try_request(mesh.address("mesh"), "POST", "localhost", &path).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn weights_and_health_of_the_demo_change_who_answers() {
    let place = Place::new();
    let mut mesh = place.start(&["demo", "--port=0", "--api-port=0", "--log.level=info"]);
    let both = BTreeSet::from([Some('a'), Some('b')]);
    eventually("both", || {
        ((0..4).map(|_| who(&mesh)).collect::<BTreeSet<_>>() == both).then_some(())
    });
    change(&mesh, "a", "weight=3");
    eventually("three of four", || {
        ((0..8).filter(|_| who(&mesh) == Some('a')).count() == 6).then_some(())
    });
    change(&mesh, "a", "health=down");
    eventually("b alone", || {
        (0..4).all(|_| who(&mesh) == Some('b')).then_some(())
    });
    change(&mesh, "b", "health=down");
    let answer = eventually("503", || {
        Some(get(mesh.address("web"), "localhost", "/")).filter(|answer| answer.status == 503)
    });
    assert!(answer.header("X-Mesh-Reason").is_some(), "{answer:?}");
    change(&mesh, "b", "health=up");
    eventually("b again", || (who(&mesh) == Some('b')).then_some(()));
    mesh.signal("-INT");
    assert_eq!(mesh.wait().code(), Some(0), "{:?}", mesh.log());
}

/// The commands in what the demo of the gateway prints, each with what is said above it.
fn commands(text: &str) -> Vec<(String, String)> {
    let mut said = String::new();
    let mut commands = Vec::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("  ")) {
        match line.strip_prefix("# ") {
            Some(words) => said = words.to_owned(),
            None => commands.push((said.clone(), line.to_owned())),
        }
    }
    commands
}

/// What a shell prints for `command`.
fn run(command: &str) -> String {
    let output = Command::new("sh").args(["-c", command]).output().unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
    String::from_utf8_lossy(&output.stdout).to_lowercase()
}

/// The demo of the gateway, which runs, and what it has printed.
struct Gateway {
    mesh: Mesh,
    text: String,
    _place: Place,
}

impl Gateway {
    fn start() -> Self {
        let place = Place::new();
        let printed = place.path("printed");
        let flags = ["--port=0", "--api-port=0", "--log.level=info"];
        let mut command = place.command(&[&["demo", "--gateway"], &flags[..]].concat());
        let mesh = Mesh::start_printing(&mut command, fs::File::create(&printed).unwrap().into());
        eventually("both", || who(&mesh));
        let text = fs::read_to_string(&printed).unwrap();
        Self {
            mesh,
            text,
            _place: place,
        }
    }

    /// What comes of the commands below the words that begin with `subject`.
    fn run<const COUNT: usize>(&self, subject: &str) -> [String; COUNT] {
        let own = commands(&self.text)
            .into_iter()
            .filter(|(said, _)| said.starts_with(subject))
            .map(|(_, command)| run(&command));
        own.collect::<Vec<_>>().try_into().unwrap()
    }
}

fn is(answer: &str, status: u16) -> bool {
    answer.starts_with(&format!("http/1.1 {status} "))
}

#[test]
fn the_commands_of_the_gateway_show_who_may_pass_it() {
    let gateway = Gateway::start();
    let [without, with] = gateway.run("jwt: ");
    assert!(
        is(&without, 401) && without.contains("www-authenticate: bearer"),
        "{without}"
    );
    assert!(is(&with, 200) && with.contains("\nx-user: ann\n"), "{with}");
    for refused in gateway.run::<2>("tokens that ") {
        assert!(is(&refused, 401), "{refused}");
    }
    let [ann, bob] = gateway.run("/staff ");
    assert!(
        is(&ann, 403) && is(&bob, 200) && bob.contains("\nx-user: bob\n"),
        "{ann} {bob}"
    );
    let [without, with] = gateway.run("apiKey: ");
    assert!(is(&without, 401), "{without}");
    assert!(
        is(&with, 200) && with.contains("\nx-customer: demo\n") && !with.contains("x-api-key"),
        "{with}"
    );
    let [explained, middlewares] = gateway.run("what stands ");
    assert!(explained.contains("staff@demo"), "{explained}");
    let key = gateway.text.split("X-Api-Key: ").nth(1).unwrap();
    let key = key.split('\'').next().unwrap().to_lowercase();
    assert!(
        middlewares.contains("apikey") && !middlewares.contains(&key),
        "{middlewares}"
    );
    let subjects: BTreeSet<_> = commands(&gateway.text)
        .into_iter()
        .map(|(said, _)| said)
        .collect();
    assert_eq!(
        subjects.len(),
        8,
        "this test and the next look at all of it: {subjects:?}"
    );
}

#[test]
fn the_commands_of_the_gateway_show_how_much_may_pass_it_and_what_it_keeps() {
    let gateway = Gateway::start();
    let [statuses] = gateway.run("quota: ");
    assert_eq!(statuses, "200\n200\n200\n200\n200\n429\n");
    let [both] = gateway.run("cache: ");
    let lines = |begin: &str| -> Vec<_> { both.lines().filter(|line| line.contains(begin)).collect() };
    let (numbers, told) = (lines("my request number"), lines("cache-status: "));
    assert!(numbers.len() == 2 && numbers[0] == numbers[1], "{both}");
    assert!(
        told[0].contains("mesh; fwd=miss") && told[1].contains("mesh; hit"),
        "{told:?}"
    );
    let [upload] = gateway.run("requestLimits: ");
    assert!(is(&upload, 413), "{upload}");
    assert_eq!(get(gateway.mesh.address("web"), "localhost", "/").status, 200);
}
