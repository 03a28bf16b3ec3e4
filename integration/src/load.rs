//! Steady traffic that notices every answer which is not what it should be.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{sync::Mutex, task::JoinHandle};

use crate::Mesh;

/// Requests of one host, one after the other, until it is ended.
#[derive(Debug)]
pub struct Load {
    answers: Arc<Mutex<BTreeMap<String, usize>>>,
    task: JoinHandle<()>,
}

impl Load {
    /// Begins to ask `mesh` for `host`.
    pub fn start(mesh: Arc<Mesh>, host: &'static str) -> Self {
        let answers = Arc::new(Mutex::new(BTreeMap::new()));
        let counted = answers.clone();
        let task = tokio::spawn(async move {
            loop {
                let answer = match mesh.get(host).await {
                    Some((status, _)) => status.as_u16().to_string(),
                    None => "no answer".to_owned(),
                };
                *counted.lock().await.entry(answer).or_insert(0) += 1;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        Self { answers, task }
    }

    /// Ends it: how often each status came.
    pub async fn end(self) -> BTreeMap<String, usize> {
        self.task.abort();
        self.answers.lock().await.clone()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.task.abort();
    }
}
