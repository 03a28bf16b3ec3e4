//! What stands before replicas of Mesh: a load balancer that asks each one whether it is ready, and steady traffic through
//! it that notices every answer which is not what it should be.

use std::{
    collections::BTreeMap,
    error::Error as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use mesh_integration::{Client, until};
use tokio::task::JoinSet;

use crate::HOST;

/// Requests at once.
const CLIENTS: usize = 4;

/// Between two requests of a client.
const APART: Duration = Duration::from_millis(5);

/// Between two questions whether a replica is ready.
const ASKED_EVERY: Duration = Duration::from_millis(50);

/// A replica, and whether it was ready when it was last asked.
type Targets = Mutex<Vec<(u16, Arc<Client>, bool)>>;

/// Goes on until it is ended.
#[derive(Debug)]
pub(crate) struct Front {
    targets: Arc<Targets>,
    answers: Arc<Mutex<BTreeMap<String, usize>>>,
    tasks: JoinSet<()>,
}

impl Front {
    /// Begins to ask for [`HOST`] by way of `replicas`.
    pub(crate) async fn start(replicas: &[&Client]) -> Self {
        let (targets, answers) = (Arc::<Targets>::default(), Arc::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(watch(targets.clone()));
        let front = Self {
            targets,
            answers,
            tasks,
        };
        for replica in replicas {
            front.add(replica).await;
        }
        let mut front = front;
        for _ in 0..CLIENTS {
            front
                .tasks
                .spawn(ask(front.targets.clone(), front.answers.clone()));
        }
        front.go_on().await;
        front
    }

    /// Sends to this one, too, once it is ready.
    pub(crate) async fn add(&self, replica: &Client) {
        let port = replica.address().port();
        let target = (port, Arc::new(replica.again()), false);
        self.targets.lock().unwrap().push(target);
        until("the load balancer finds it ready", async || {
            let targets = self.targets.lock().unwrap();
            targets.iter().any(|(other, _, ready)| *other == port && *ready)
        })
        .await;
    }

    /// How many answers of each kind there were so far.
    pub(crate) fn answers(&self) -> BTreeMap<String, usize> {
        self.answers.lock().unwrap().clone()
    }

    /// How many of them were failures.
    pub(crate) fn failed(&self) -> usize {
        let answers = self.answers();
        answers
            .iter()
            .filter(|(kind, _)| *kind != "200")
            .map(|(_, count)| count)
            .sum()
    }

    /// Waits for some more answers.
    pub(crate) async fn go_on(&self) {
        let answered = || self.answers().get("200").copied().unwrap_or_default();
        let before = answered();
        until("traffic goes on", async || answered() > before + 10 * CLIENTS).await;
    }

    /// Ends it.
    ///
    /// # Panics
    /// When a request failed.
    #[expect(clippy::print_stdout, reason = "figures")]
    pub(crate) async fn end(mut self) {
        self.go_on().await;
        self.tasks.shutdown().await;
        let answers = self.answers();
        println!("{answers:?}");
        assert_eq!(self.failed(), 0, "{answers:?}");
    }
}

async fn watch(targets: Arc<Targets>) {
    loop {
        let asked: Vec<_> = {
            let targets = targets.lock().unwrap();
            targets
                .iter()
                .map(|(port, client, _)| (*port, client.clone()))
                .collect()
        };
        for (port, client) in asked {
            let is_ready = client.is_ready().await;
            for (other, _, ready) in targets.lock().unwrap().iter_mut() {
                if *other == port {
                    *ready = is_ready;
                }
            }
        }
        tokio::time::sleep(ASKED_EVERY).await;
    }
}

async fn ask(targets: Arc<Targets>, answers: Arc<Mutex<BTreeMap<String, usize>>>) {
    for number in 0.. {
        let ready: Vec<_> = {
            let targets = targets.lock().unwrap();
            let ready = targets.iter().filter(|(_, _, ready)| *ready);
            ready.map(|(_, client, _)| client.clone()).collect()
        };
        let answer = match ready.get(number % ready.len().max(1)) {
            None => "no replica is ready".to_owned(),
            Some(client) => match client.ask(HOST).await {
                Ok((status, _)) => status.as_u16().to_string(),
                Err(error) => format!("{error}: {:?}", error.source()),
            },
        };
        *answers.lock().unwrap().entry(answer).or_insert(0) += 1;
        tokio::time::sleep(APART).await;
    }
}
