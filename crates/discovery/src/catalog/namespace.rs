//! The names of one kind within one provider: who claims them, and who has them.

use std::{collections::BTreeMap, sync::Arc};

use mesh_config::{Entry, ProviderName, QualifiedName, courtesy::give_way};
use smallvec::SmallVec;

use super::unit::{Entries, UnitKey, contested};

/// The published objects of one kind.
pub(crate) type Published<T> = BTreeMap<QualifiedName, Arc<Entry<T>>>;

/// Units and what they call by one name, in the order of the units; nearly always one.
type Claimants<T> = SmallVec<[(UnitKey, Arc<Entry<T>>); 1]>;

/// Claims to names. The first unit to claim a name owns it for as long as it claims it.
#[derive(Debug)]
pub(crate) struct Namespace<T> {
    section: &'static str,
    claims: BTreeMap<Arc<str>, Claimants<T>>,
    owners: BTreeMap<Arc<str>, UnitKey>,
}

/// How a name is given away.
#[derive(Clone, Copy)]
pub(crate) struct Order<'a> {
    /// The provider, for qualified names.
    pub(crate) provider: &'a ProviderName,
    /// Whoever has a name now keeps it. Before a provider has told everything once, "first" would mean the
    /// order of its answers; until then the oldest claimant has the name.
    pub(crate) settled: bool,
    /// The age of a unit: the creation of its oldest instance ever seen.
    pub(crate) age: &'a dyn Fn(&UnitKey) -> u64,
}

impl<T: Clone + PartialEq> Namespace<T> {
    pub(crate) fn new(section: &'static str) -> Self {
        Self {
            section,
            claims: BTreeMap::new(),
            owners: BTreeMap::new(),
        }
    }

    /// `unit` claims the names of `new` in place of those of `old`.
    pub(crate) fn claim(
        &mut self,
        unit: &UnitKey,
        old: &Entries<T>,
        new: &Entries<T>,
        order: Order<'_>,
        published: &mut Published<T>,
    ) {
        for name in old.keys().filter(|name| !new.contains_key(*name)) {
            if let Some(claimants) = self.claims.get_mut(name) {
                claimants.retain(|(claimant, _)| claimant != unit);
            }
            self.give(name, order, published);
        }
        for (name, entry) in new {
            give_way();
            let unchanged = old.get(name).is_some_and(|old| Arc::ptr_eq(old, entry));
            if !unchanged {
                let claimants = self.claims.entry(name.clone()).or_default();
                claimants.retain(|(claimant, _)| claimant != unit);
                claimants.push((unit.clone(), entry.clone()));
                claimants.sort_by(|(one, _), (other, _)| one.cmp(other));
                self.give(name, order, published);
            }
        }
    }

    /// Gives away every name again, after the order changed.
    pub(crate) fn give_all(&mut self, order: Order<'_>, published: &mut Published<T>) {
        let names: Vec<_> = self.claims.keys().cloned().collect();
        for name in names {
            self.give(&name, order, published);
        }
    }

    /// Owners of names that more than one unit claims; of the others the claims tell.
    pub(crate) fn contested(&self) -> impl Iterator<Item = (&Arc<str>, &UnitKey)> {
        self.owners
            .iter()
            .filter(|(name, _)| self.claims.get(*name).is_some_and(|units| units.len() > 1))
    }

    /// Remembers an owner from an earlier run.
    pub(crate) fn restore(&mut self, name: Arc<str>, owner: UnitKey) {
        self.owners.insert(name, owner);
    }

    fn give(&mut self, name: &Arc<str>, order: Order<'_>, published: &mut Published<T>) {
        let qualified = QualifiedName::new(name.clone(), order.provider.clone());
        let claimants = self.claims.get(name).filter(|claimants| !claimants.is_empty());
        let Some((owner, entry)) = claimants.and_then(|claimants| {
            let owner = self.owners.get(name);
            let known = owner.and_then(|owner| claimants.iter().find(|(unit, _)| unit == owner));
            known.or_else(|| claimants.iter().min_by_key(|(unit, _)| ((order.age)(unit), unit)))
        }) else {
            self.claims.remove(name);
            self.owners.remove(name);
            published.remove(&qualified);
            return;
        };
        let losers = claimants
            .into_iter()
            .flatten()
            .filter(|(unit, _)| unit != owner)
            .map(|(unit, claim)| {
                let key = format!("{}.{name}", self.section);
                contested(key, &claim.origin, unit, owner, &entry.origin)
            });
        let mut problems = entry.problems.clone();
        problems.extend(losers);
        let entry = if problems.len() == entry.problems.len() {
            entry.clone()
        } else {
            Arc::new(Entry {
                value: entry.value.clone(),
                origin: entry.origin.clone(),
                problems,
            })
        };
        if order.settled {
            let owner = owner.clone();
            self.owners.insert(name.clone(), owner);
        } else if self.owners.get(name).is_some_and(|known| known != owner) {
            self.owners.remove(name);
        }
        match published.get(&qualified) {
            Some(known) if *known == entry => {}
            _ => drop(published.insert(qualified, entry)),
        }
    }
}
