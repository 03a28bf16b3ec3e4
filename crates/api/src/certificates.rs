//! Certificates as views show them: what they say of themselves, never their keys.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use mesh_config::QualifiedName;
use mesh_proxy::{Runtime, Status};
use mesh_telemetry::{metrics::CertificateGauge, timestamp::Timestamp};
use mesh_tls::{Facts, Shown};
use serde_json::{Map, Value, json};

use crate::{
    list::{Listed, SortKey, status_text},
    objects,
};

/// How long before its end a certificate is worth a warning.
const NEAR_ITS_END: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A certificate at one moment.
#[derive(Debug)]
struct CertificateView<'a>(&'a Shown, SystemTime);

/// All of them at `now`, in the order of their common names; those that cannot be read and never could are last.
pub(crate) fn all<'a>(
    shown: &'a [Shown],
    runtime: &'a Runtime,
    now: SystemTime,
) -> Vec<Box<dyn Listed + 'a>> {
    let mut sorted: Vec<_> = shown.iter().collect();
    sorted.sort_by_key(|shown| {
        let facts = shown.facts.as_ref();
        (
            facts.is_none(),
            facts.map(|facts| facts.common_name.clone()),
            &shown.name,
        )
    });
    let views = sorted
        .into_iter()
        .map(|shown| -> Box<dyn Listed> { Box::new(CertificateView(shown, now)) });
    views
        .chain(objects::broken(runtime, mesh_config::Kind::Certificate))
        .collect()
}

/// The one whose print is `id`; of one that was never read, whose name it is.
pub(crate) fn one(all: &[Box<dyn Listed + '_>], id: &str) -> Option<Value> {
    let mut shown = all.iter().map(|certificate| certificate.render());
    shown.find(|certificate| certificate.get("name").and_then(Value::as_str) == Some(id))
}

/// What is wrong with them, each with its place.
pub(crate) fn problems(shown: &[Shown]) -> impl Iterator<Item = String> {
    shown.iter().flat_map(|shown| {
        let told = |error| format!("{}: tls.certificates: {error}", shown.origin);
        shown.errors.iter().map(told)
    })
}

/// Their ends, each once.
pub(crate) fn gauges(shown: &[Shown]) -> Vec<CertificateGauge> {
    let facts = shown.iter().filter_map(|shown| shown.facts.as_ref());
    let gauges: BTreeMap<_, _> = facts
        .map(|facts| {
            let labels = (
                facts.common_name.clone(),
                facts.serial.clone(),
                sans(facts).join(","),
            );
            (labels, seconds(facts.not_after))
        })
        .collect();
    let gauges = gauges
        .into_iter()
        .map(|((cn, serial, sans), not_after)| CertificateGauge {
            cn,
            serial,
            sans,
            not_after,
        });
    gauges.collect()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn sans(facts: &Facts) -> Vec<String> {
    let addresses = facts.addresses.iter().map(ToString::to_string);
    facts.names.iter().cloned().chain(addresses).collect()
}

impl CertificateView<'_> {
    fn facts(&self) -> Option<&Arc<Facts>> {
        self.0.facts.as_ref()
    }

    fn has_expired(&self) -> bool {
        self.facts().is_some_and(|facts| self.1 > facts.not_after)
    }

    /// What is wrong with it, its age included.
    fn errors(&self) -> Vec<String> {
        let age = self.facts().and_then(|facts| facts.untimely(self.1));
        self.0
            .errors
            .iter()
            .cloned()
            .chain(age.map(str::to_owned))
            .collect()
    }
}

impl Listed for CertificateView<'_> {
    fn name(&self) -> &QualifiedName {
        &self.0.name
    }

    fn status(&self) -> Status {
        let Some(facts) = self.facts() else {
            return Status::Disabled;
        };
        let is_near = facts.not_after < self.1 + NEAR_ITS_END;
        match () {
            () if self.has_expired() => Status::Disabled,
            () if is_near || !self.errors().is_empty() => Status::Warning,
            () => Status::Enabled,
        }
    }

    fn status_shown(&self) -> &'static str {
        match self.has_expired() {
            true => "expired",
            false => status_text(self.status()),
        }
    }

    fn matches(&self, text: &str) -> bool {
        let Some(facts) = self.facts() else {
            return self.0.name.to_string().to_lowercase().contains(text);
        };
        let own = [&facts.common_name, &facts.issuer, &facts.issuer_organization];
        let mut all = own.into_iter().cloned().chain(sans(facts));
        all.any(|known| known.to_lowercase().contains(text))
    }

    fn key(&self, field: &str) -> Option<SortKey> {
        let facts = self.facts()?;
        match field {
            "issuer" => Some(SortKey::Text(facts.issuer.clone())),
            "validUntil" => i64::try_from(seconds(facts.not_after)).ok().map(SortKey::Number),
            _ => None,
        }
    }

    fn render(&self) -> Value {
        let shown = self.0;
        let mut object = self.facts().map(|facts| describe(facts)).unwrap_or_default();
        object.entry("name").or_insert_with(|| json!(shown.name));
        object.insert("status".to_owned(), self.status_shown().into());
        let errors = self.errors();
        if !errors.is_empty() {
            object.insert("error".to_owned(), json!(errors));
        }
        if shown.default {
            object.insert("default".to_owned(), true.into());
        }
        object.insert("provider".to_owned(), json!(shown.name.provider));
        object.insert("origin".to_owned(), json!(shown.origin));
        Value::Object(object)
    }
}

/// What it says of itself. Empty texts are left out.
fn describe(facts: &Facts) -> Map<String, Value> {
    let time = |time| Timestamp::of(time).rfc3339();
    let texts = [
        ("name", facts.fingerprint.clone()),
        ("commonName", facts.common_name.clone()),
        ("organization", facts.organization.clone()),
        ("country", facts.country.clone()),
        ("issuerCN", facts.issuer.clone()),
        ("issuerOrg", facts.issuer_organization.clone()),
        ("issuerCountry", facts.issuer_country.clone()),
        ("serialNumber", facts.serial.clone()),
        ("notBefore", time(facts.not_before)),
        ("notAfter", time(facts.not_after)),
        ("keyType", facts.key_type.to_owned()),
        ("certFingerprint", facts.fingerprint.clone()),
        ("publicKeyFingerprint", facts.key_fingerprint.clone()),
    ];
    let texts = texts.into_iter().filter(|(_, text)| !text.is_empty());
    let mut object: Map<_, _> = texts.map(|(key, text)| (key.to_owned(), text.into())).collect();
    object.insert("sans".to_owned(), json!(sans(facts)));
    if facts.key_size > 0 {
        object.insert("keySize".to_owned(), facts.key_size.into());
    }
    object
}
