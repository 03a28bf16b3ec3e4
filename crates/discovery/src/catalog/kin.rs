//! Which units the instances of one service belong to: more than one while a label moves them from one group to
//! another.

use std::{collections::BTreeMap, sync::Arc};

use super::unit::UnitKey;

/// Units by the service of their instances, with the number of those.
#[derive(Debug, Default)]
pub(crate) struct Kin(BTreeMap<Arc<str>, BTreeMap<UnitKey, usize>>);

impl Kin {
    /// An instance of `service` joins `unit`. All units concerned, that one included.
    pub(crate) fn join(&mut self, service: &Arc<str>, unit: &UnitKey) -> Vec<UnitKey> {
        let units = self.0.entry(service.clone()).or_default();
        *units.entry(unit.clone()).or_default() += 1;
        units.keys().cloned().collect()
    }

    /// An instance of `service` leaves `unit`. All units concerned, that one included.
    pub(crate) fn part(&mut self, service: &Arc<str>, unit: &UnitKey) -> Vec<UnitKey> {
        let Some(units) = self.0.get_mut(service) else {
            return vec![unit.clone()];
        };
        let concerned = units.keys().cloned().collect();
        if let Some(count) = units.get_mut(unit) {
            *count -= 1;
            if *count == 0 {
                units.remove(unit);
            }
        }
        if units.is_empty() {
            self.0.remove(service);
        }
        concerned
    }

    /// The other units that instances of `service` belong to.
    pub(crate) fn others<'a>(
        &'a self,
        service: &str,
        unit: &'a UnitKey,
    ) -> impl Iterator<Item = &'a UnitKey> + use<'a> {
        let units = self.0.get(service).into_iter().flat_map(BTreeMap::keys);
        units.filter(move |other| *other != unit)
    }
}
