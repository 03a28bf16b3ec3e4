//! Which scopes fail, and for which reasons.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use mesh_config::ProviderName;

use crate::provider::Scope;

/// The failures that last. Scopes of one provider that fail for one reason are one failure: a directory that is
/// gone takes a thousand files along, a server a thousand services.
#[derive(Debug, Default)]
pub(super) struct Failures {
    reasons: BTreeMap<(ProviderName, Scope), Arc<str>>,
    /// How many scopes each reason holds back.
    counts: BTreeMap<(ProviderName, Arc<str>), usize>,
}

impl Failures {
    /// A scope fails. True if no other one of its provider does so for this reason.
    pub(super) fn begin(&mut self, provider: &ProviderName, scope: &Scope, reason: &str) -> bool {
        let key = (provider.clone(), scope.clone());
        if self.reasons.get(&key).is_some_and(|known| **known == *reason) {
            return false;
        }
        self.end(provider, scope);
        let reason: Arc<str> = reason.into();
        self.reasons.insert(key, reason.clone());
        let count = self.counts.entry((provider.clone(), reason)).or_default();
        *count += 1;
        *count == 1
    }

    /// A scope does not fail any more. The reason, if it was the last one with it.
    pub(super) fn end(&mut self, provider: &ProviderName, scope: &Scope) -> Option<Arc<str>> {
        let reason = self.reasons.remove(&(provider.clone(), scope.clone()))?;
        let key = (provider.clone(), reason);
        let count = self.counts.get_mut(&key)?;
        *count -= 1;
        if *count > 0 {
            return None;
        }
        self.counts.remove(&key);
        Some(key.1)
    }

    /// Forgets scopes of a provider that are not among `listed`.
    pub(super) fn retain(&mut self, provider: &ProviderName, listed: &BTreeSet<Scope>) {
        let known = self.reasons.keys();
        let gone = known.filter(|(who, scope)| who == provider && !listed.contains(scope));
        let gone: Vec<_> = gone.cloned().collect();
        for (provider, scope) in gone {
            self.end(&provider, &scope);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_that_fail_for_one_reason_are_one_failure() {
        let (file, consul) = (ProviderName::new("file"), ProviderName::new("consul"));
        let [a, b, c] = ["a", "b", "c"].map(Scope::new);
        let mut failures = Failures::default();
        assert!(failures.begin(&file, &a, "gone"));
        assert!(!failures.begin(&file, &b, "gone"));
        assert!(!failures.begin(&file, &a, "gone"));
        assert!(failures.begin(&consul, &a, "gone"));
        assert!(failures.begin(&file, &c, "empty"));
        assert_eq!(failures.end(&file, &a), None);
        assert_eq!(failures.end(&file, &b).as_deref(), Some("gone"));
        assert_eq!(failures.end(&file, &b), None);
        assert!(failures.begin(&file, &a, "gone"));
        // Another reason is news, and the end of the former one.
        assert!(failures.begin(&file, &a, "closed"));
        assert!(failures.begin(&file, &b, "gone"));
    }

    #[test]
    fn what_is_not_listed_any_more_does_not_fail_either() {
        let file = ProviderName::new("file");
        let [a, b] = ["a", "b"].map(Scope::new);
        let mut failures = Failures::default();
        failures.begin(&file, &a, "gone");
        failures.begin(&file, &b, "gone");
        failures.retain(&file, &[b.clone()].into());
        assert!(failures.end(&file, &b).is_some());
        assert!(failures.begin(&file, &a, "gone"));
    }
}
