//! Why a name leads to nothing.

use std::{collections::BTreeMap, sync::Arc};

use mesh_config::{Kind, QualifiedName, SetAside};

type Objects = BTreeMap<(Kind, QualifiedName), Arc<SetAside>>;

/// Names without a definition. Some of them have one that cannot be used.
#[derive(Debug, Default)]
pub(super) struct Missing {
    set_aside: Objects,
    changed: bool,
}

impl Missing {
    pub(super) fn update(&mut self, set_aside: &Objects) {
        self.changed = self.set_aside != *set_aside;
        if self.changed {
            self.set_aside.clone_from(set_aside);
        }
    }

    /// True if objects that refer to something missing have to say something else now.
    pub(super) fn changed(&self) -> bool {
        self.changed
    }

    /// An object called `name` that has a definition, by any provider, and cannot be used.
    pub(super) fn broken(&self, kind: Kind, name: &str) -> Option<&QualifiedName> {
        let broken = self.set_aside.keys();
        let mut broken = broken.filter(|(other, _)| *other == kind);
        broken
            .find(|(_, broken)| *broken.name == *name)
            .map(|(_, name)| name)
    }

    /// What an object says that refers to `name`.
    pub(super) fn why(&self, kind: Kind, name: &QualifiedName) -> String {
        match self.set_aside.get(&(kind, name.clone())) {
            Some(object) => format!("{kind} {name} cannot be used: {}", object.problem),
            None => format!("{kind} {name} does not exist"),
        }
    }
}
