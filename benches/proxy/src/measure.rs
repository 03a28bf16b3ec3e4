//! Puts one proxy through one piece of work.

use std::{
    io::{self, Error},
    rc::Rc,
    time::Duration,
};

use crate::{
    backend::SIZES,
    cases::Work,
    figures,
    load::{self, Requests},
    peer::Running,
    stats::percentile,
};

/// How long one piece of work may take: a lost answer shall not hold up the rest.
const PATIENCE: Duration = Duration::from_secs(120);

/// The share of the work that goes before the first round: connections to the servers, caches, metrics.
const WARM_UP: f64 = 0.1;

/// Connections to ask at a fixed rate.
const CLIENTS_AT_RATE: usize = 64;

/// Connections that are used and closed before memory is looked at for the first time.
const FIRST_CONNECTIONS: usize = 8;

/// The values of the work's figures, in their order.
pub(crate) async fn measure(running: &mut Running, work: Work) -> io::Result<Vec<f64>> {
    let measured = tokio::time::timeout(PATIENCE, values(running, work));
    measured
        .await
        .map_err(|_| Error::other(format!("not done after {PATIENCE:?}")))?
}

pub(crate) async fn warm_up(running: &mut Running, work: Work) -> io::Result<()> {
    let mut work = work.scaled(WARM_UP);
    if let Work::Rate { reloads, .. } = &mut work {
        *reloads = 0;
    }
    measure(running, work).await.map(drop)
}

async fn values(running: &mut Running, work: Work) -> io::Result<Vec<f64>> {
    let process = running.process();
    let [small, ..] = SIZES;
    match work {
        Work::KeepAlive {
            connections,
            body,
            requests,
        } => {
            let texts = Rc::new(Requests::new(running.routers(), body));
            let conns = load::open(running.front(), connections, &texts).await?;
            cpu_time(process, requests, load::saturate(conns, texts, requests)).await
        }
        Work::Http2 {
            connections,
            streams,
            body,
            requests,
        } => {
            let conns = load::open_h2(running.front(), connections, body).await?;
            cpu_time(
                process,
                requests,
                load::saturate_h2(&conns, streams, body, requests),
            )
            .await
        }
        Work::OneEach { clients, requests } => {
            let texts = Rc::new(Requests::closing(running.routers(), small));
            let asking = load::one_each(running.front(), clients, texts, requests);
            cpu_time(process, requests, asking).await
        }
        Work::Rate {
            interval,
            requests,
            reloads,
        } => at_rate(running, interval, requests, reloads).await,
        Work::Start => Ok(vec![figures::memory(process)? as f64 / 1024.0]),
        Work::Idle { connections } => {
            let texts = Requests::new(running.routers(), small);
            drop(load::open(running.front(), FIRST_CONNECTIONS, &texts).await?);
            let before = figures::memory(process)?;
            let conns = load::open(running.front(), connections, &texts).await?;
            let grown = figures::memory(process)?.saturating_sub(before);
            drop(conns);
            Ok(vec![grown as f64 / connections as f64])
        }
    }
}

/// Microseconds for each request.
async fn cpu_time<T>(
    process: u32,
    requests: usize,
    asking: impl Future<Output = io::Result<T>>,
) -> io::Result<Vec<f64>> {
    let before = figures::cpu_time(process)?;
    // The connections stay open until the time is read: closing them is no part of it.
    let _open = asking.await?;
    let used = figures::cpu_time(process)?.saturating_sub(before);
    Ok(vec![used.as_secs_f64() * 1e6 / requests as f64])
}

async fn at_rate(
    running: &mut Running,
    interval: Duration,
    requests: usize,
    reloads: usize,
) -> io::Result<Vec<f64>> {
    let [small, ..] = SIZES;
    let texts = Rc::new(Requests::new(running.routers(), small));
    let conns = load::open(running.front(), CLIENTS_AT_RATE, &texts).await?;
    let mut waiting = running.prepare(reloads)?;
    let duration = interval.mul_f64(requests as f64);
    let changing = async {
        let mut pause = duration.div_f64(2.0 * reloads.max(1) as f64);
        loop {
            tokio::time::sleep(pause).await;
            if !running.reload(&mut waiting)? {
                return io::Result::Ok(());
            }
            pause = duration.div_f64(reloads as f64);
        }
    };
    let asking = load::at_rate(running.front(), conns, texts, requests, interval);
    let (outcome, ()) = futures::try_join!(asking, changing)?;
    if reloads > 0 {
        running.finish(&waiting).await?;
    }
    let mut latencies = outcome.latencies;
    latencies.sort_unstable();
    let microseconds = |share| {
        let value = percentile(&latencies, share).ok_or_else(|| Error::other("no answer at all"));
        value.map(|nanoseconds| nanoseconds as f64 / 1000.0)
    };
    Ok(vec![
        microseconds(0.5)?,
        microseconds(0.99)?,
        outcome.failed as f64,
    ])
}
