//! What is measured.

use std::time::Duration;

use crate::peer::Setup;

/// Rows that are measured in turn within each round, so that they can be held against the first of them.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Others are not put through it.
    pub(crate) mesh_alone: bool,
    pub(crate) rows: Vec<Row>,
}

#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) setup: Setup,
    pub(crate) work: Work,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Work {
    /// HTTP/1.1: each connection asks again as soon as it has its answer.
    KeepAlive {
        connections: usize,
        body: usize,
        requests: usize,
    },
    /// HTTP/2, alike.
    Http2 {
        connections: usize,
        streams: usize,
        body: usize,
        requests: usize,
    },
    /// A connection for each request.
    OneEach { clients: usize, requests: usize },
    /// At a fixed rate, with so many changes of the configuration meanwhile.
    Rate {
        interval: Duration,
        requests: usize,
        reloads: usize,
    },
    /// Nothing after the start.
    Start,
    /// Connections that were used once.
    Idle { connections: usize },
}

/// What a row tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    CpuTime,
    P50,
    P99,
    Failed,
    Memory,
    PerConnection,
}

impl Work {
    pub(crate) fn figures(&self) -> &'static [Figure] {
        match self {
            Self::KeepAlive { .. } | Self::Http2 { .. } | Self::OneEach { .. } => &[Figure::CpuTime],
            Self::Rate { .. } => &[Figure::P50, Figure::P99, Figure::Failed],
            Self::Start => &[Figure::Memory],
            Self::Idle { .. } => &[Figure::PerConnection],
        }
    }

    /// Whether the proxy is started anew for each round: memory shows all that was before.
    pub(crate) fn starts_anew(&self) -> bool {
        matches!(self, Self::Start | Self::Idle { .. })
    }

    /// The same with `factor` times as many requests.
    pub(crate) fn scaled(mut self, factor: f64) -> Self {
        match &mut self {
            Self::KeepAlive { requests, .. }
            | Self::Http2 { requests, .. }
            | Self::OneEach { requests, .. }
            | Self::Rate { requests, .. } => *requests = (*requests as f64 * factor).ceil() as usize,
            Self::Start | Self::Idle { .. } => {}
        }
        self
    }
}

impl Figure {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CpuTime => "CPU time for each request, µs",
            Self::P50 => "p50, µs",
            Self::P99 => "p99, µs",
            Self::Failed => "failed requests, all rounds",
            Self::Memory => "memory, MB",
            Self::PerConnection => "memory for each connection, kB",
        }
    }
}

/// All cases, in the order in which they run.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = http1();
    cases.extend(tls());
    cases.extend(routing());
    cases.extend(memory());
    cases
}

const SMALL: usize = 100;
const MEDIUM: usize = 10 * 1024;
const LARGE: usize = 1024 * 1024;

const PLAIN: Setup = Setup {
    routers: 1,
    tls: false,
};
const TLS: Setup = Setup {
    routers: 1,
    tls: true,
};

fn http1() -> Vec<Case> {
    let keep_alive = |name, connections, body, requests| {
        one(
            name,
            PLAIN,
            Work::KeepAlive {
                connections,
                body,
                requests,
            },
        )
    };
    vec![
        keep_alive("h1-100b-c1", 1, SMALL, 15_000),
        keep_alive("h1-100b-c64", 64, SMALL, 40_000),
        keep_alive("h1-100b-c512", 512, SMALL, 50_000),
        keep_alive("h1-10kb-c64", 64, MEDIUM, 30_000),
        keep_alive("h1-10kb-c512", 512, MEDIUM, 30_000),
        keep_alive("h1-1mb-c1", 1, LARGE, 1_000),
        keep_alive("h1-1mb-c64", 64, LARGE, 2_000),
        one(
            "connect",
            PLAIN,
            Work::OneEach {
                clients: 16,
                requests: 5_000,
            },
        ),
    ]
}

fn tls() -> Vec<Case> {
    let keep_alive = |name, body, requests| {
        one(
            name,
            TLS,
            Work::KeepAlive {
                connections: 64,
                body,
                requests,
            },
        )
    };
    let http2 = |name, body, requests| {
        one(
            name,
            TLS,
            Work::Http2 {
                connections: 8,
                streams: 8,
                body,
                requests,
            },
        )
    };
    vec![
        keep_alive("tls-100b-c64", SMALL, 25_000),
        keep_alive("tls-10kb-c64", MEDIUM, 20_000),
        one(
            "handshake",
            TLS,
            Work::OneEach {
                clients: 16,
                requests: 2_000,
            },
        ),
        http2("h2-100b", SMALL, 30_000),
        http2("h2-10kb", MEDIUM, 20_000),
    ]
}

fn routing() -> Vec<Case> {
    let asking = Work::KeepAlive {
        connections: 64,
        body: SMALL,
        requests: 30_000,
    };
    let row = |routers, name: &str, work| Row {
        name: name.to_owned(),
        setup: Setup { routers, tls: false },
        work,
    };
    let rate = |reloads| Work::Rate {
        interval: Duration::from_micros(333),
        requests: 12_000,
        reloads,
    };
    let reloads = |name, mesh_alone, routers| Case {
        name,
        mesh_alone,
        rows: vec![
            row(routers, "no reload", rate(0)),
            row(routers, "8 reloads", rate(8)),
        ],
    };
    let steady = Work::Rate {
        interval: Duration::from_micros(250),
        requests: 20_000,
        reloads: 0,
    };
    vec![
        Case {
            name: "routers",
            mesh_alone: false,
            rows: vec![
                row(1, "1", asking),
                row(1_000, "1,000", asking),
                row(10_000, "10,000", asking),
            ],
        },
        one("rate", PLAIN, steady),
        reloads("reload-1k", false, 1_000),
        reloads("reload-10k", true, 10_000),
    ]
}

fn memory() -> Vec<Case> {
    let idle = |name, setup, connections| one(name, setup, Work::Idle { connections });
    vec![
        one("memory-start", PLAIN, Work::Start),
        one(
            "memory-routers-10k",
            Setup {
                routers: 10_000,
                tls: false,
            },
            Work::Start,
        ),
        idle("idle-512", PLAIN, 512),
        idle("idle-10k", PLAIN, 10_000),
        idle("idle-tls-512", TLS, 512),
        idle("idle-tls-10k", TLS, 10_000),
    ]
}

/// A case of one row.
fn one(name: &'static str, setup: Setup, work: Work) -> Case {
    let row = Row {
        name: String::new(),
        setup,
        work,
    };
    Case {
        name,
        mesh_alone: false,
        rows: vec![row],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::backend::SIZES;

    #[test]
    fn names_are_unique_and_the_backend_has_every_size() {
        let cases = all();
        let names: BTreeSet<_> = cases.iter().map(|case| case.name).collect();
        assert_eq!(names.len(), cases.len());
        for row in cases.iter().flat_map(|case| &case.rows) {
            if let Work::KeepAlive { body, .. } | Work::Http2 { body, .. } = row.work {
                assert!(SIZES.contains(&body), "{row:?}");
            }
        }
    }

    #[test]
    fn scaling_changes_the_number_of_requests_alone() {
        let work = Work::OneEach {
            clients: 16,
            requests: 5_000,
        }
        .scaled(0.1);
        assert!(matches!(
            work,
            Work::OneEach {
                clients: 16,
                requests: 500
            }
        ));
    }
}
