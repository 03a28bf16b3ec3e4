//! Requests at a fixed rate, whatever the answers do (an open loop).

use std::{
    cell::Cell,
    io::{self, Error},
    os::fd::OwnedFd,
    rc::Rc,
    time::{Duration, Instant},
};

use rustix::{
    io::read,
    time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    },
};
use tokio::{
    io::{AsyncReadExt, unix::AsyncFd},
    sync::Semaphore,
};

use super::{
    Conn, Front, Protocol, Requests,
    h1::{After, all, buffer, take},
};

/// How long a client that was refused waits.
const RETRY: Duration = Duration::from_millis(5);

/// What became of the requests.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// From the moment a request was due to the end of its answer, in ns, unordered.
    pub(crate) latencies: Vec<u64>,
    /// Requests that were sent and not answered with 200.
    pub(crate) failed: usize,
}

/// Sends `total` requests, the first one at once and one after each `interval`, on whichever connection is free.
///
/// A request that finds none free waits, and that counts: it was due. A client that sees a connection end while
/// it is idle opens another one; only what was sent on it can fail.
pub(crate) async fn at_rate(
    front: &Front,
    conns: Vec<Conn>,
    requests: Rc<Requests>,
    total: usize,
    interval: Duration,
) -> io::Result<Outcome> {
    let ticks = Ticks::start(interval)?;
    let run = Rc::new(Run {
        begun: Instant::now(),
        interval,
        total,
        next: Cell::new(0),
        due: Semaphore::new(1),
        requests,
    });
    let clients = conns.len();
    let asking = conns
        .into_iter()
        .map(|conn| client(run.clone(), front.clone(), conn));
    let pacing = async {
        let mut released = 1;
        // Each client takes one more to see that there are no more.
        while released < total + clients {
            let elapsed = ticks.next().await?;
            run.due.add_permits(elapsed);
            released += elapsed;
        }
        io::Result::Ok(())
    };
    let (outcomes, ()) = futures::try_join!(all(asking), pacing)?;
    let mut sum = Outcome::default();
    for outcome in outcomes {
        sum.latencies.extend(outcome.latencies);
        sum.failed += outcome.failed;
    }
    Ok(sum)
}

struct Run {
    begun: Instant,
    interval: Duration,
    total: usize,
    next: Cell<usize>,
    /// A permit for each request that is due.
    due: Semaphore,
    requests: Rc<Requests>,
}

async fn client(run: Rc<Run>, front: Front, mut conn: Conn) -> io::Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut buffer = buffer();
    loop {
        let mut unasked = [0];
        tokio::select! {
            biased;
            _ = conn.read(&mut unasked) => {
                conn = reopen(&front, &mut outcome).await;
                continue;
            }
            due = run.due.acquire() => due.map_err(Error::other)?.forget(),
        }
        let Some(number) = take(&run.next, run.total) else {
            return Ok(outcome);
        };
        let due = run.begun + run.interval.saturating_mul(number.try_into().unwrap_or(u32::MAX));
        let answer = run.requests.exchange(number, &mut conn, &mut buffer).await;
        match &answer {
            Ok(_) => {
                let latency = due.elapsed().as_nanos();
                outcome.latencies.push(latency.try_into().unwrap_or(u64::MAX));
            }
            Err(_) => outcome.failed += 1,
        }
        if !matches!(answer, Ok(After::Kept)) {
            conn = reopen(&front, &mut outcome).await;
        }
    }
}

/// Each time that it is refused counts as a failed request.
async fn reopen(front: &Front, outcome: &mut Outcome) -> Conn {
    loop {
        match front.connect(Protocol::Http1).await {
            Ok(conn) => return conn,
            Err(_) => outcome.failed += 1,
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// The kernel's timer: that of the runtime knows milliseconds only.
struct Ticks(AsyncFd<OwnedFd>);

impl Ticks {
    fn start(interval: Duration) -> io::Result<Self> {
        let timer = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        let interval = Timespec::try_from(interval).map_err(Error::other)?;
        let every = Itimerspec {
            it_interval: interval,
            it_value: interval,
        };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &every)?;
        #[expect(deprecated, reason = "unsound only for types that change their descriptor")]
        let timer = AsyncFd::new(timer)?;
        Ok(Self(timer))
    }

    /// How many intervals passed since it was asked last, at least one.
    async fn next(&self) -> io::Result<usize> {
        loop {
            let mut ready = self.0.readable().await?;
            let mut count = [0; 8];
            let counted = ready.try_io(|timer| Ok(read(timer.get_ref(), &mut count)?));
            if let Ok(counted) = counted {
                counted?;
                return usize::try_from(u64::from_ne_bytes(count)).map_err(Error::other);
            }
        }
    }
}
