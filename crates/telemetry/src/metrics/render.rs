//! One scrape: sums the shards and writes the text.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

use super::{
    Gauges, Live, Metrics,
    entry_point::EntryPointSample,
    gauges,
    middlewares::MiddlewareSums,
    process,
    shard::{Key, Series, Shard},
    text::Text,
};

/// Series copied or moved while a worker's shard is held: some ten microseconds.
const PIECE: usize = 128;

/// What the labels of the series for everything else say.
const OTHER: &str = "other";

const NANOS: f64 = 1e9;

pub(super) fn render(metrics: &Metrics, gauges: &Gauges) -> String {
    let mut text = Text::default();
    let shards = metrics.shards.lock().clone();
    let mut sums = Sums::default();
    let mut middlewares = MiddlewareSums::default();
    for shard in &shards {
        let gone = sums.collect(shard, gauges.live.as_ref());
        forget(shard, &gone);
        middlewares.collect(&mut shard.0.middlewares.lock(), gauges.live.as_ref());
    }
    sums.add_other();
    let (bounds, families) = (&metrics.bounds, metrics.families);
    if families.entry_points {
        write_family(
            &mut text,
            "entrypoint",
            &["entrypoint"],
            &sums.entry_points,
            bounds,
        );
    }
    if families.routers {
        write_family(&mut text, "router", &["router", "service"], &sums.routers, bounds);
    }
    if families.services {
        write_family(&mut text, "service", &["service"], &sums.services, bounds);
        write_retries(&mut text, &sums.services);
    }
    write_entry_points(&mut text, &shards, families.entry_points);
    middlewares.write(&mut text);
    write_own(&mut text, metrics, &sums);
    gauges::write(&mut text, gauges);
    process::write(&mut text);
    text.finish()
}

/// Series of one family, summed over all workers.
type Family = BTreeMap<FamilyKey, Series>;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct FamilyKey {
    /// As many as the family has names; the rest is empty.
    names: [Arc<str>; 2],
    /// `None` for everything else.
    code: Option<u16>,
    method: &'static str,
    protocol: &'static str,
}

#[derive(Debug, Default)]
struct Sums {
    entry_points: Family,
    routers: Family,
    services: Family,
    series: usize,
    other: Series,
}

impl Sums {
    /// Adds what `shard` counted; answers with the series whose router or
    /// service is gone, and where their numbers go.
    fn collect(&mut self, shard: &Shard, live: Option<&Live>) -> Vec<(Key, Key)> {
        let mut gone = Vec::new();
        let mut from = 0;
        loop {
            let piece = shard.0.table.lock().copy(from, PIECE);
            if piece.is_empty() {
                break;
            }
            from += piece.len();
            for (key, series) in piece {
                self.add(&key, &series);
                if let Some(to) = live.map(|live| surviving(&key, live)).filter(|to| *to != key) {
                    gone.push((key, to));
                }
            }
        }
        self.series += from;
        self.other.add(&shard.0.table.lock().other);
        gone
    }

    fn add(&mut self, key: &Key, series: &Series) {
        let family_key = |first: &Arc<str>, second: Arc<str>| FamilyKey {
            names: [first.clone(), second],
            code: Some(key.code),
            method: key.method,
            protocol: key.protocol.as_str(),
        };
        let none = || Arc::from("");
        let entry_point = family_key(&key.entry_point, none());
        self.entry_points.entry(entry_point).or_default().add(series);
        if let Some(router) = &key.router {
            let router = family_key(router, key.service.as_deref().cloned().unwrap_or_else(none));
            self.routers.entry(router).or_default().add(series);
        }
        if let Some(service) = &key.service {
            self.services
                .entry(family_key(service, none()))
                .or_default()
                .add(series);
        }
    }

    /// Puts the requests whose labels found no room into every family, so that sums over a family are true.
    fn add_other(&mut self) {
        if self.other.requests == 0 {
            return;
        }
        let key = FamilyKey {
            names: [Arc::from(OTHER), Arc::from(OTHER)],
            code: None,
            method: OTHER,
            protocol: OTHER,
        };
        for family in [&mut self.entry_points, &mut self.routers, &mut self.services] {
            family.insert(key.clone(), self.other.clone());
        }
    }
}

/// `key` without what no longer exists.
fn surviving(key: &Key, live: &Live) -> Key {
    let service = key
        .service
        .clone()
        .filter(|name| live.services.contains(&***name));
    // A router that changed its service begins a new series; the old one is as gone as its service.
    let whole = service.is_some() == key.service.is_some();
    let router = key.router.clone();
    Key {
        router: router.filter(|name| whole && live.routers.contains(&***name)),
        service,
        ..key.clone()
    }
}

/// Takes the series `gone` out of `shard`. Their numbers move to what survives of their labels: a counter of
/// an entrypoint must not fall because one of its routers is gone.
fn forget(shard: &Shard, gone: &[(Key, Key)]) {
    for piece in gone.chunks(PIECE) {
        let mut table = shard.0.table.lock();
        for (from, to) in piece {
            table.fold(from, to);
        }
    }
}

fn write_family(text: &mut Text, family: &str, names: &[&str], series: &Family, bounds: &[f64]) {
    text.metric(
        &format!("{family}_requests_total"),
        "counter",
        "Requests answered.",
    );
    for (key, series) in series {
        key.with_labels(names, |labels| text.sample("", labels, series.requests));
    }
    text.metric(
        &format!("{family}_request_duration_seconds"),
        "histogram",
        "Time from the first byte of a request to the last of its answer.",
    );
    for (key, series) in series {
        key.with_labels(names, |labels| write_histogram(text, labels, series, bounds));
    }
    text.metric(
        &format!("{family}_requests_bytes_total"),
        "counter",
        "Body bytes received from clients.",
    );
    for (key, series) in series {
        key.with_labels(names, |labels| text.sample("", labels, series.request_bytes));
    }
    text.metric(
        &format!("{family}_responses_bytes_total"),
        "counter",
        "Body bytes sent to clients.",
    );
    for (key, series) in series {
        key.with_labels(names, |labels| text.sample("", labels, series.response_bytes));
    }
}

impl FamilyKey {
    fn with_labels(&self, names: &[&str], write: impl FnOnce(&[(&str, &str)])) {
        let code = self
            .code
            .map_or_else(|| OTHER.to_owned(), |code| code.to_string());
        let mut labels: Vec<(&str, &str)> = vec![
            ("code", &code),
            ("method", self.method),
            ("protocol", self.protocol),
        ];
        labels.extend(names.iter().copied().zip(self.names.iter().map(|name| &**name)));
        write(&labels);
    }
}

fn write_histogram(text: &mut Text, labels: &[(&str, &str)], series: &Series, bounds: &[f64]) {
    let mut below = 0;
    for (bound, count) in bounds.iter().zip(&series.buckets) {
        below += count;
        let bound = bound.to_string();
        text.sample("_bucket", &[labels, &[("le", &bound)]].concat(), below);
    }
    text.sample("_bucket", &[labels, &[("le", "+Inf")]].concat(), series.requests);
    #[expect(
        clippy::cast_precision_loss,
        reason = "a sum of seconds needs no more than 53 bits"
    )]
    text.sample("_sum", labels, series.nanos as f64 / NANOS);
    text.sample("_count", labels, series.requests);
}

fn write_retries(text: &mut Text, services: &Family) {
    let mut retries: BTreeMap<&str, u64> = BTreeMap::new();
    for (key, series) in services {
        *retries.entry(&key.names[0]).or_default() += series.retries;
    }
    text.metric(
        "service_retries_total",
        "counter",
        "Further servers tried for requests.",
    );
    for (service, count) in retries {
        text.sample("", &[("service", service)], count);
    }
}

/// Writes what entrypoints count beside finished requests; the gauge alone unless their family is on.
fn write_entry_points(text: &mut Text, shards: &[Shard], with_family: bool) {
    let mut sums: BTreeMap<Arc<str>, EntryPointSample> = BTreeMap::new();
    for shard in shards {
        for (name, counts) in &*shard.0.entry_points.lock() {
            sums.entry(name.clone()).or_default().add(&counts.sample());
        }
    }
    text.metric("open_connections", "gauge", "Connections open on an entrypoint.");
    for (name, sum) in &sums {
        text.sample("", &[("entrypoint", name), ("protocol", "TCP")], sum.open);
    }
    if !with_family {
        return;
    }
    text.metric(
        "entrypoint_waited_connections_total",
        "counter",
        "Connections that waited for another one to end, because of maxConnections.",
    );
    for (name, sum) in &sums {
        text.sample("", &[("entrypoint", name)], sum.waited);
    }
    text.metric(
        "entrypoint_refused_requests_total",
        "counter",
        "Requests that were answered without having been offered to a server.",
    );
    for (name, sum) in &sums {
        for (reason, count) in sum.refused() {
            text.sample("", &[("entrypoint", name), ("reason", reason)], count);
        }
    }
    text.metric(
        "entrypoint_failed_requests_total",
        "counter",
        "Requests whose service had a server for them, and that Mesh answered itself.",
    );
    for (name, sum) in &sums {
        for (reason, count) in sum.failed() {
            text.sample("", &[("entrypoint", name), ("reason", reason)], count);
        }
    }
}

/// What the metrics say of themselves and of the configuration.
fn write_own(text: &mut Text, metrics: &Metrics, sums: &Sums) {
    text.metric("config_reloads_total", "counter", "Configurations put in use.");
    text.sample("", &[], metrics.reloads.load(Ordering::Relaxed));
    text.metric(
        "config_last_reload_success",
        "gauge",
        "When the last configuration was put in use, in seconds since 1970.",
    );
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds since 1970 fit 53 bits for ages"
    )]
    text.sample(
        "",
        &[],
        metrics.last_reload_millis.load(Ordering::Relaxed) as f64 / 1e3,
    );
    text.metric(
        "metrics_series",
        "gauge",
        "Label combinations kept, over all workers.",
    );
    text.sample("", &[], sums.series);
    text.metric(
        "metrics_overflow_total",
        "counter",
        "Requests counted as `other` because a worker had no room for their labels.",
    );
    text.sample("", &[], sums.other.requests);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Method;

    use super::{
        super::{Label, MetricsSettings, Observation, PrometheusSettings, Protocol, Refusal},
        *,
    };

    fn metrics(max_series: usize) -> Arc<Metrics> {
        let prometheus = Some(PrometheusSettings {
            max_series,
            ..PrometheusSettings::default()
        });
        Metrics::new(&MetricsSettings {
            prometheus,
            ..MetricsSettings::default()
        })
        .unwrap()
    }

    fn record(shard: &Shard, router: Option<&str>, service: Option<&str>, millis: u64) {
        shard.record(&Observation {
            entry_point: &Label::from("web"),
            router: router.map(Label::from).as_ref(),
            service: service.map(Label::from).as_ref(),
            code: 200,
            method: &Method::GET,
            protocol: Protocol::Http,
            duration: Duration::from_millis(millis),
            request_bytes: 1,
            response_bytes: 10,
            retries: 1,
            internal: false,
        });
    }

    fn value(text: &str, sample: &str) -> Option<String> {
        let line = text.lines().find_map(|line| line.strip_prefix(sample))?;
        Some(line.trim().to_owned())
    }

    const WEB: &str = r#"{code="200",method="GET",protocol="http",entrypoint="web"}"#;
    const SHOP: &str = r#"{code="200",method="GET",protocol="http",router="shop@file",service="shop@file"}"#;

    #[test]
    fn families_are_sums_over_workers_and_other_labels() {
        let metrics = metrics(100);
        let (one, two) = (metrics.shard(), metrics.shard());
        record(&one, Some("shop@file"), Some("shop@file"), 200);
        record(&two, Some("shop@file"), Some("shop@file"), 20_000);
        record(&two, None, None, 1);
        let text = metrics.render(&Gauges::default());
        let of = |name: &str, labels: &str| value(&text, &format!("{name}{labels}")).unwrap();
        assert_eq!(of("mesh_entrypoint_requests_total", WEB), "3");
        assert_eq!(of("mesh_router_requests_total", SHOP), "2");
        assert_eq!(of("mesh_router_responses_bytes_total", SHOP), "20");
        assert_eq!(of("mesh_router_request_duration_seconds_sum", SHOP), "20.2");
        let bucket = |le: &str| {
            of(
                "mesh_router_request_duration_seconds_bucket",
                &SHOP.replace('}', &format!(",le=\"{le}\"}}")),
            )
        };
        assert_eq!(
            (bucket("0.1"), bucket("0.3"), bucket("5"), bucket("+Inf")),
            ("0".into(), "1".into(), "1".into(), "2".into())
        );
        assert_eq!(of("mesh_service_retries_total", r#"{service="shop@file"}"#), "2");
    }

    #[test]
    fn a_vanished_router_is_shown_once_more_and_its_entrypoint_forgets_nothing() {
        let metrics = metrics(100);
        let shard = metrics.shard();
        record(&shard, Some("shop@file"), Some("shop@file"), 1);
        let gone = Gauges {
            live: Some(Live::default()),
            ..Gauges::default()
        };
        let requests = format!("mesh_router_requests_total{SHOP}");
        assert!(value(&metrics.render(&gone), &requests).is_some());
        let text = metrics.render(&gone);
        assert!(value(&text, &requests).is_none());
        assert_eq!(
            value(&text, &format!("mesh_entrypoint_requests_total{WEB}")).unwrap(),
            "1"
        );
    }

    #[test]
    fn a_router_that_changed_its_service_leaves_the_old_pair_to_the_living_service() {
        let metrics = metrics(100);
        let shard = metrics.shard();
        record(&shard, Some("shop@file"), Some("shop@file"), 1);
        let live = Live {
            services: ["shop@file".to_owned()].into(),
            ..Live::default()
        };
        let gauges = Gauges {
            live: Some(live),
            ..Gauges::default()
        };
        metrics.render(&gauges);
        let text = metrics.render(&gauges);
        assert!(value(&text, &format!("mesh_router_requests_total{SHOP}")).is_none());
        let service =
            r#"mesh_service_requests_total{code="200",method="GET",protocol="http",service="shop@file"}"#;
        assert_eq!(value(&text, service).unwrap(), "1");
    }

    #[test]
    fn requests_beyond_the_limit_are_counted_as_other() {
        let metrics = metrics(1);
        let shard = metrics.shard();
        for router in ["a@file", "b@file", "c@file"] {
            record(&shard, Some(router), None, 1);
        }
        let text = metrics.render(&Gauges::default());
        let other = r#"mesh_entrypoint_requests_total{code="other",method="other",protocol="other",entrypoint="other"}"#;
        assert_eq!(value(&text, other).unwrap(), "2");
        assert_eq!(value(&text, "mesh_metrics_overflow_total").unwrap(), "2");
    }

    #[test]
    fn open_connections_are_summed_over_workers() {
        let metrics = metrics(1);
        let (one, two, web) = (metrics.shard(), metrics.shard(), Arc::from("web"));
        let _open = [one.entry_point(&web).open(), two.entry_point(&web).open()];
        let text = metrics.render(&Gauges::default());
        assert_eq!(
            value(&text, r#"mesh_open_connections{entrypoint="web",protocol="TCP"}"#).unwrap(),
            "2"
        );
    }
    #[test]
    fn what_entrypoints_refuse_is_summed_over_workers_and_shown_from_the_start() {
        let metrics = metrics(1);
        let (one, two, web) = (metrics.shard(), metrics.shard(), Arc::from("web"));
        for shard in [&one, &two] {
            shard.entry_point(&web).refused(Refusal::Overload);
            shard.entry_point(&web).waited();
        }
        let text = metrics.render(&Gauges::default());
        let of = |name: &str| value(&text, &format!("mesh_entrypoint_{name}")).unwrap();
        let refused = |reason| {
            of(&format!(
                r#"refused_requests_total{{entrypoint="web",reason="{reason}"}}"#
            ))
        };
        assert_eq!(
            (refused("overload"), refused("no-route")),
            ("2".into(), "0".into())
        );
        assert_eq!(of(r#"waited_connections_total{entrypoint="web"}"#), "2");
    }
}
