//! Services that lead to other services.

use serde::{Deserialize, Deserializer, Serialize, de::Error};

use super::{StatusRanges, Sticky, is_default};
use crate::name::Reference;

/// Spreads requests over other services.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Weighted {
    /// The services and their shares.
    pub services: Vec<WeightedService>,
    /// Keeps clients with the service that served them first; absent means not at all.
    #[serde(skip_serializing_if = "is_default")]
    pub sticky: Option<Sticky>,
    /// Demands that every service knows its health.
    #[serde(skip_serializing_if = "is_default")]
    pub health_check: Option<HealthReport>,
}

/// One share of a weighted service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct WeightedService {
    /// The service.
    pub name: Reference,
    /// Its share; 0 takes it out.
    #[serde(default = "one")]
    pub weight: u32,
}

fn one() -> u32 {
    1
}

/// Spreads clients over other services: by its address a client always gets the same one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct HighestRandomWeight {
    /// The services and their shares.
    pub services: Vec<WeightedService>,
    /// Demands that every service knows its health.
    #[serde(skip_serializing_if = "is_default")]
    pub health_check: Option<HealthReport>,
}

/// Answers by one service, and sends copies of requests to others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Mirroring {
    /// The service that answers.
    pub service: Reference,
    /// Copies have the body of their request.
    #[serde(default = "yes")]
    pub mirror_body: bool,
    /// Requests with a larger body, in bytes, are not copied; negative sets no limit of its own.
    #[serde(default = "unlimited")]
    pub max_body_size: i64,
    /// Who gets copies.
    #[serde(default)]
    pub mirrors: Vec<Mirror>,
    /// Demands that `service` knows its health.
    #[serde(default, skip_serializing_if = "is_default")]
    pub health_check: Option<HealthReport>,
}

/// A service that gets copies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Mirror {
    /// The service.
    pub name: Reference,
    /// Of a hundred requests, how many it gets.
    #[serde(default, deserialize_with = "percent")]
    pub percent: u8,
}

fn yes() -> bool {
    true
}

fn unlimited() -> i64 {
    -1
}

fn percent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    let number = i64::deserialize(deserializer)?;
    let percent = u8::try_from(number).ok().filter(|percent| *percent <= 100);
    percent.ok_or_else(|| D::Error::custom("a percentage goes from 0 to 100"))
}

/// Answers by one service as long as it can, and by another one else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Failover {
    /// The service that answers.
    pub service: Reference,
    /// The one that answers in its place.
    pub fallback: Reference,
    /// Demands that both services know their health.
    #[serde(default, skip_serializing_if = "is_default")]
    pub health_check: Option<HealthReport>,
    /// Answers of `service` that `fallback` replaces.
    #[serde(default, skip_serializing_if = "is_default")]
    pub errors: Option<FailoverErrors>,
}

/// Answers that do not count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct FailoverErrors {
    /// Their status.
    pub status: StatusRanges,
    /// Requests with a larger body, in bytes, are refused with 413; negative sets no limit of its own.
    pub max_request_body_bytes: i64,
}

impl Default for FailoverErrors {
    fn default() -> Self {
        Self {
            status: StatusRanges::default(),
            max_request_body_bytes: unlimited(),
        }
    }
}

/// What the services below one have to know; has no settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HealthReport {}
