//! Long work that lets others go first.
//!
//! A thread that has the processor may go on for some milliseconds before the kernel takes it away, whatever its
//! priority. A request that comes meanwhile should not wait for a document to be read, so whoever works through
//! many things says between them that others may go first. Where nobody waits that costs next to nothing.

use std::{
    cell::Cell,
    thread,
    time::{Duration, Instant},
};

/// How long work goes on before it lets others go first.
const TURN: Duration = Duration::from_micros(200);

thread_local! {
    static SINCE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Lets others go first if this thread has worked for a while. To be called between the many parts of a long work.
pub fn give_way() {
    let now = Instant::now();
    SINCE.with(|since| match since.get() {
        Some(start) if now.duration_since(start) < TURN => {}
        Some(_) => {
            thread::yield_now();
            since.set(Some(Instant::now()));
        }
        None => since.set(Some(now)),
    });
}
