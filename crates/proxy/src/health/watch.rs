//! Probes one server again and again.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mesh_config::model::HealthCheck;
use rand::Rng as _;
use tokio::time;
use tracing::{debug, info, warn};

use super::{probe::probe, turns::Turns};
use crate::service::{CheckStatus, Server, ServerHealth};

/// Shortest time between two probes of a server, whatever is configured.
const MIN_INTERVAL: Duration = Duration::from_millis(10);

/// Probes `server` at once and then by its interval, for ever.
pub(super) async fn watch(server: Arc<Server>, health: Arc<ServerHealth>, turns: Turns) {
    let check = health.check().clone();
    let mut streak = Streak::default();
    let mut passed = 0;
    loop {
        let (outcome, began) = {
            let _turn = turns.take().await;
            let began = Instant::now();
            let probing = probe(&server.url, &server.transport, &check);
            let outcome = match time::timeout(check.timeout, probing).await {
                Ok(outcome) => outcome,
                Err(_) => Err(format!(
                    "no answer within {}",
                    mesh_config::duration::format(check.timeout)
                )),
            };
            (outcome, began)
        };
        if outcome.is_err() {
            server.state.end_sessions();
        }
        let before = health.status();
        let now = streak.judge(before, outcome.is_ok(), &check);
        health.set_reason(outcome.as_ref().err().map_or("", String::as_str));
        if now != before {
            health.set_status(now);
            tell(&server, before, &outcome);
        }
        let ejected = server.passive.as_ref().is_some_and(|passive| {
            passed = match passive.is_ejected() && outcome.is_ok() {
                true => u32::saturating_add(passed, 1),
                false => 0,
            };
            if passed >= check.rise && passive.pass(began, Instant::now()) {
                let (service, server) = (&server.service, &server.url);
                info!(%service, %server, "health check passed, ejected server is back");
            }
            passive.is_ejected()
        });
        rest(&server, if ejected { CheckStatus::Down } else { now }, &check).await;
    }
}

/// Waits for the time of the next probe, which may come sooner when the server is ejected meanwhile, and never later.
async fn rest(server: &Server, status: CheckStatus, check: &HealthCheck) {
    let ejecting = async {
        match &server.passive {
            Some(passive) => passive.ejecting().await,
            None => std::future::pending().await,
        }
    };
    let (began, usual) = (Instant::now(), pause(status, check));
    tokio::select! {
        () = time::sleep(usual) => {}
        () = ejecting => {
            let left = usual.saturating_sub(began.elapsed());
            time::sleep(left.min(pause(CheckStatus::Down, check))).await;
        }
    }
}

/// Outcomes of the same kind in a row.
#[derive(Debug, Default)]
struct Streak {
    healthy: bool,
    length: u32,
}

impl Streak {
    /// Counts one outcome and gives the verdict. The first outcome of a server decides alone.
    fn judge(&mut self, before: CheckStatus, healthy: bool, check: &HealthCheck) -> CheckStatus {
        self.length = if self.healthy == healthy {
            self.length.saturating_add(1)
        } else {
            1
        };
        self.healthy = healthy;
        match (before, healthy) {
            (CheckStatus::Untested, true) => CheckStatus::Up,
            (CheckStatus::Untested, false) => CheckStatus::Down,
            (CheckStatus::Down, true) if self.length >= check.rise => CheckStatus::Up,
            (CheckStatus::Up, false) if self.length >= check.fall => CheckStatus::Down,
            (before, _) => before,
        }
    }
}

/// The time until the next probe: the interval, a tenth more or less, so that servers are not probed in step.
fn pause(status: CheckStatus, check: &HealthCheck) -> Duration {
    let interval = match status {
        CheckStatus::Down => check.unhealthy_interval.unwrap_or(check.interval),
        CheckStatus::Up | CheckStatus::Untested => check.interval,
    };
    interval
        .mul_f64(rand::rng().random_range(0.9..=1.1))
        .max(MIN_INTERVAL)
}

fn tell(server: &Server, before: CheckStatus, outcome: &Result<(), String>) {
    let leaves = server.state.is_leaving();
    let (service, server) = (&server.service, &server.url);
    match (outcome, before) {
        (Err(error), _) if leaves => {
            debug!(%service, %server, %error, "health check of a leaving server failed")
        }
        (Err(error), _) => warn!(%service, %server, %error, "health check failed, server is out"),
        (Ok(()), CheckStatus::Down) => info!(%service, %server, "health check passed, server is back"),
        (Ok(()), _) => debug!(%service, %server, "health check passed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rise_and_fall_count_outcomes_in_a_row() {
        let check = HealthCheck {
            rise: 2,
            fall: 3,
            ..HealthCheck::default()
        };
        let mut streak = Streak::default();
        let mut status = CheckStatus::Untested;
        let mut verdicts = String::new();
        for outcome in "+--+---+-++".chars() {
            status = streak.judge(status, outcome == '+', &check);
            verdicts.push(if status == CheckStatus::Up { '+' } else { '-' });
        }
        assert_eq!(verdicts, "++++++----+");
    }

    #[test]
    fn pauses_differ_by_a_tenth_at_most() {
        let check = HealthCheck {
            unhealthy_interval: Some(Duration::from_secs(1)),
            ..HealthCheck::default()
        };
        for _ in 0..100 {
            let healthy = pause(CheckStatus::Up, &check).as_secs_f64();
            assert!((27.0..=33.0).contains(&healthy), "{healthy}");
            let unhealthy = pause(CheckStatus::Down, &check).as_secs_f64();
            assert!((0.9..=1.1).contains(&unhealthy), "{unhealthy}");
        }
    }
}
