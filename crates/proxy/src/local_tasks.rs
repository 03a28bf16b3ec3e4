//! Tasks that HTTP/2 connections start beside themselves.

use std::future::Future;

use tokio_util::task::TaskTracker;

/// Runs them on the worker that owns the connection.
#[derive(Debug, Clone)]
pub(crate) struct LocalTasks(pub(crate) TaskTracker);

impl<F> hyper::rt::Executor<F> for LocalTasks
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, task: F) {
        // Tracked, and never waited for: it ends with its connection.
        self.0.spawn_local(task);
    }
}
