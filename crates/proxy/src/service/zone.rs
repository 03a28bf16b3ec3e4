//! Servers of the own zone before those of others.

use std::collections::BTreeSet;

use mesh_config::model::ZonePreference;

/// The zone that comes first, and how far.
#[derive(Debug, Clone)]
pub(super) struct Zones {
    own: Box<str>,
    /// Zones that any server of the service is in.
    count: usize,
    threshold: u8,
}

impl Zones {
    /// `None` if it does not matter which zone a server is in.
    pub(super) fn new<'a>(
        own: &str,
        preference: Option<&ZonePreference>,
        servers: impl Iterator<Item = &'a str>,
    ) -> Option<Self> {
        let threshold = preference?.threshold;
        let zones: BTreeSet<_> = servers.filter(|zone| !zone.is_empty()).collect();
        zones.contains(own).then(|| Self {
            own: own.into(),
            count: zones.len(),
            threshold,
        })
    }

    /// Changes the weights of servers, given with their zones, so that those of the own zone get what they should:
    /// everything, while they are enough for an even part of all requests. A weight of 0 takes a server out.
    pub(super) fn weigh(&self, servers: &mut [(&str, f32)]) {
        let sum = |servers: &[(&str, f32)], own: bool| -> f32 {
            let of = servers.iter().filter(|(zone, _)| self.is_own(zone) == own);
            of.map(|(_, weight)| weight).sum()
        };
        let (own, other) = (sum(servers, true), sum(servers, false));
        if own <= 0.0 || other <= 0.0 {
            return;
        }
        // 1: as many as in an even spread.
        let enough = own / (own + other) * self.count as f32;
        let part = (enough * 100.0 / f32::from(self.threshold)).min(1.0);
        for (zone, weight) in servers {
            *weight *= match self.is_own(zone) {
                true => part / own,
                false => (1.0 - part) / other,
            };
        }
    }

    fn is_own(&self, zone: &str) -> bool {
        *self.own == *zone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The part of the requests that stays in zone `a`, with so many servers ready in `a`, `b` and `c`.
    fn part(ready: [usize; 3]) -> f32 {
        let all = ["a", "b", "c"];
        let zones = Zones::new("a", Some(&ZonePreference::default()), all.into_iter()).unwrap();
        let mut servers: Vec<_> = all
            .into_iter()
            .zip(ready)
            .flat_map(|(zone, count)| vec![(zone, 1.0); count])
            .collect();
        zones.weigh(&mut servers);
        let sum = |own: bool| -> f32 {
            let of = servers.iter().filter(|(zone, _)| (*zone == "a") == own);
            of.map(|(_, weight)| weight).sum()
        };
        sum(true) / (sum(true) + sum(false))
    }

    #[test]
    fn requests_stay_in_the_zone_while_it_has_servers_enough() {
        assert_eq!(part([3, 3, 3]), 1.0);
        assert_eq!(part([2, 3, 3]), 1.0);
    }

    #[test]
    fn what_a_zone_cannot_take_spills_over() {
        // A twelfth where a third would be even, of which 70 per cent are enough.
        let spilt = part([1, 6, 5]);
        assert!((spilt - 0.25 / 0.7).abs() < 0.01, "{spilt}");
    }

    #[test]
    fn a_zone_without_ready_servers_leaves_it_to_the_others() {
        assert_eq!(part([0, 3, 3]), 0.0);
    }

    #[test]
    fn zones_do_not_matter_unless_asked_for_and_known() {
        let preference = ZonePreference::default();
        assert!(Zones::new("a", None, ["a", "b"].into_iter()).is_none());
        assert!(Zones::new("", Some(&preference), ["", "b"].into_iter()).is_none());
        assert!(Zones::new("x", Some(&preference), ["a", "b"].into_iter()).is_none());
    }
}
