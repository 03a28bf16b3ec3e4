//! How many calls a read costs, as docs/performance.md says.

use std::{path::Path, time::Duration};

use mesh_provider_ecs::Action;
use serde_json::json;
use tokio::time::Instant;

use crate::{
    watch::{Watch, provider, settings},
    world::{Read, World},
};

/// Reads that are averaged: a whole turn of the rotation.
const WARM: usize = 8;

/// What a cluster holds.
struct Size {
    tasks: usize,
    services: usize,
    revisions: usize,
    machines: usize,
}

fn estate(size: &Size) -> World {
    let world = World::new();
    {
        let mut state = world.state();
        for machine in 0..size.machines {
            state.machine(
                &format!("i-{machine}"),
                &format!("10.1.{}.{}", machine / 250, machine % 250),
            );
        }
    }
    for service in 0..size.services {
        // Half of them with ports of their machines, where there are machines.
        let mode = if size.machines > 0 && service % 2 == 0 {
            "bridge"
        } else {
            "awsvpc"
        };
        world.service(&format!("s{service}"), mode, &[("mesh.host", "x.example")]);
    }
    for extra in 0..size.revisions - size.services {
        let revision = format!("arn:aws:ecs:eu-central-1:123456789012:task-definition/s{extra}:2");
        world.state().define(&revision, "awsvpc");
    }
    for task in 0..size.tasks {
        let service = task % size.services;
        let second = service < size.revisions - size.services && task / size.services % 2 == 1;
        let revision = format!("s{service}:{}", if second { 2 } else { 1 });
        world.state().run(&format!("s{service}"), &revision, 1);
    }
    world
}

fn row(what: &str, tasks: usize, reads: &[Read], note: &str) -> String {
    let calls = |actions: &[Action]| -> f64 {
        let all = reads.iter().flatten();
        let count: usize = all
            .filter(|(action, _)| actions.contains(action))
            .map(|(_, count)| count)
            .sum();
        count as f64 / reads.len() as f64
    };
    let cell = |actions: &[Action]| {
        let cell = format!("{:.2}", calls(actions));
        cell.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    use Action as A;
    let columns = [
        cell(&[A::ListTasks]),
        cell(&[A::DescribeTasks]),
        cell(&[A::DescribeServices]),
        cell(&[A::DescribeTaskDefinition]),
        cell(&[A::DescribeContainerInstances]),
        cell(&[A::DescribeInstances]),
        cell(&[
            A::DescribeClusters,
            A::ListTasks,
            A::DescribeTasks,
            A::DescribeServices,
            A::DescribeTaskDefinition,
            A::DescribeContainerInstances,
            A::DescribeInstances,
        ]),
    ];
    format!("| {tasks} tasks, {what} | {} | {note} |", columns.join(" | "))
}

/// The first read, and the average of those after it while one task in a hundred is replaced before each.
async fn measure(size: Size) -> [String; 2] {
    let world = estate(&size);
    let provider = provider(&world, &settings());
    let mut watch = Watch::new(&provider);
    let start = Instant::now();
    watch
        .until("all is known", |watch| {
            watch.scopes.len() == size.services + 1 && watch.scopes.values().flatten().count() == size.tasks
        })
        .await;
    let took = start.elapsed().as_secs_f64();
    world.state().churn = (size.tasks / 100).max(1);
    watch
        .until("warm reads", |_| world.state().reads.len() > WARM + 1)
        .await;
    assert!(watch.failed.is_empty());
    let reads = world.state().reads.clone();
    let took = format!("{took:.0} s");
    [
        row("cold", size.tasks, &reads[..1], &took),
        row("warm", size.tasks, &reads[1..=WARM], ""),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_read_costs_as_many_calls_as_documented() {
    let sizes = [(10, 3, 3, 0), (1000, 50, 60, 40), (10_000, 300, 350, 250)];
    let mut rows = Vec::new();
    for (tasks, services, revisions, machines) in sizes {
        let size = Size {
            tasks,
            services,
            revisions,
            machines,
        };
        rows.extend(measure(size).await);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/performance.md");
    let page = std::fs::read_to_string(path).unwrap();
    let is_documented = |row: &String| page.lines().any(|line| is_close(row, line));
    assert!(
        rows.iter().all(is_documented),
        "docs/performance.md lacks\n{}",
        rows.join("\n")
    );
}

/// True for rows of the same name with nearly the same numbers: the time between two reads is not quite regular, and
/// what is due by time falls into one or the other.
fn is_close(row: &str, documented: &str) -> bool {
    let cells = |row: &str| -> Vec<String> { row.split('|').map(|cell| cell.trim().to_owned()).collect() };
    let (row, documented) = (cells(row), cells(documented));
    let close = |(one, other): (&String, &String)| match (number(one), number(other)) {
        (Some(one), Some(other)) => (one - other).abs() <= 0.3 + other / 20.0,
        _ => one == other,
    };
    row.len() == documented.len() && row.iter().zip(&documented).all(close)
}

fn number(cell: &str) -> Option<f64> {
    cell.trim_end_matches(" s").parse().ok()
}

#[tokio::test(start_paused = true)]
async fn a_deployment_is_described_at_once_and_whole() {
    let world = World::new();
    world.service("web", "awsvpc", &[]);
    for _ in 0..400 {
        world.run("web");
    }
    let provider = provider(&world, &settings());
    let mut watch = Watch::new(&provider);
    watch.pass(Duration::from_secs(1)).await;
    let deployments = json!([{"id": "ecs-svc/web-2", "status": "PRIMARY", "createdAt": 2000.0}]);
    world.state().services.get_mut("web").unwrap()["deployments"] = deployments;
    watch.pass(Duration::from_secs(17)).await;
    let described = world.state().reads[1][&Action::DescribeTasks];
    // A quarter in turn, and then those that are left.
    assert!((5..=6).contains(&described), "{described}");
}
