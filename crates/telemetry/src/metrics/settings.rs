//! Settings of the metrics.

use serde::{Deserialize, Serialize};

/// The `metrics` block of the static settings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct MetricsSettings {
    /// Count requests to services of Mesh itself too (`api@internal` and its kin).
    pub add_internals: bool,
    /// Offer metrics in the Prometheus text format; absent means no metrics at all.
    pub prometheus: Option<PrometheusSettings>,
}

/// The `metrics.prometheus` block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct PrometheusSettings {
    /// The entrypoint that serves `/metrics`.
    pub entry_point: String,
    /// Upper bounds of the duration histogram, in seconds, ascending.
    pub buckets: Buckets,
    /// Offer the `entrypoint_` family.
    pub add_entry_points_labels: bool,
    /// Offer the `router_` family.
    pub add_routers_labels: bool,
    /// Offer the `service_` family.
    pub add_services_labels: bool,
    /// Make no router for `/metrics`; route to `prometheus@internal` yourself.
    pub manual_routing: bool,
    /// Most series one worker keeps. Requests that would make a further one are counted in the series whose
    /// labels all say `other`.
    #[serde(deserialize_with = "mesh_config::whole::within::<_, _, 1, 10_000_000>")]
    pub max_series: usize,
}

impl Default for PrometheusSettings {
    fn default() -> Self {
        Self {
            entry_point: "mesh".to_owned(),
            buckets: Buckets::default(),
            add_entry_points_labels: true,
            // The series are bounded by `max_series`, so the family that answers most questions is on.
            add_routers_labels: true,
            add_services_labels: true,
            manual_routing: false,
            max_series: 20_000,
        }
    }
}

/// Upper bounds of a histogram: positive, finite, ascending, at most [`Buckets::MOST`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<f64>", into = "Vec<f64>")]
pub struct Buckets(Vec<f64>);

/// Why numbers are no bounds of a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BucketsError {
    /// A bound is zero, negative, infinite or not a number.
    #[error("bucket bounds are seconds greater than 0")]
    NotPositive,
    /// A bound is not greater than the one before.
    #[error("bucket bounds must ascend")]
    NotAscending,
    /// Every bound is a series of its own for every route.
    #[error("at most {} bucket bounds are possible", Buckets::MOST)]
    TooMany,
}

impl Buckets {
    /// Most bounds a histogram can have.
    pub const MOST: usize = 50;

    /// The bounds in seconds.
    pub fn bounds(&self) -> &[f64] {
        &self.0
    }
}

impl Default for Buckets {
    fn default() -> Self {
        Self(vec![0.1, 0.3, 1.2, 5.0])
    }
}

impl TryFrom<Vec<f64>> for Buckets {
    type Error = BucketsError;

    fn try_from(bounds: Vec<f64>) -> Result<Self, BucketsError> {
        if bounds.len() > Self::MOST {
            return Err(BucketsError::TooMany);
        }
        if bounds.iter().any(|bound| !bound.is_finite() || *bound <= 0.0) {
            return Err(BucketsError::NotPositive);
        }
        if !bounds.is_sorted_by(|a, b| a < b) {
            return Err(BucketsError::NotAscending);
        }
        Ok(Self(bounds))
    }
}

impl From<Buckets> for Vec<f64> {
    fn from(buckets: Buckets) -> Self {
        buckets.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_must_be_positive_and_ascend() {
        assert_eq!(Buckets::try_from(vec![0.0]), Err(BucketsError::NotPositive));
        assert_eq!(Buckets::try_from(vec![f64::NAN]), Err(BucketsError::NotPositive));
        assert_eq!(Buckets::try_from(vec![1.0, 1.0]), Err(BucketsError::NotAscending));
        assert_eq!(Buckets::try_from(vec![1.0; 51]), Err(BucketsError::TooMany));
        assert!(Buckets::try_from(vec![0.5, 1.0]).is_ok());
    }

    #[test]
    fn an_unknown_key_is_refused() {
        assert!(serde_json::from_str::<MetricsSettings>(r#"{"prometheus":{"bucket":[1]}}"#).is_err());
    }
}
