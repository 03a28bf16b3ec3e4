//! What the list of allocations says about an instance. Registered is not ready: Nomad registers a process before it
//! listens, and keeps one that crashed registered until it runs again.

use std::collections::BTreeMap;

use mesh_config::instance::Lifecycle;

use crate::answer::{Allocation, Registration};

/// How far an instance is, and why it is no further.
pub type Standing = (Lifecycle, Option<String>);

/// What is known of allocations.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Table {
    /// Nothing: they cannot be read. Whatever is registered counts as ready, and active checks find out.
    #[default]
    Blind,
    /// The last list.
    Known {
        /// By id.
        allocations: BTreeMap<String, Allocation>,
        /// Its place in Nomad's history.
        index: u64,
        /// It could be read the last time that it was tried.
        current: bool,
    },
}

impl Table {
    /// A list as Nomad answered it.
    pub fn new(allocations: Vec<Allocation>, index: u64) -> Self {
        Self::Known {
            allocations: allocations
                .into_iter()
                .map(|allocation| (allocation.id.clone(), allocation))
                .collect(),
            index,
            current: true,
        }
    }

    /// The allocation called `id`, where it is listed.
    pub fn allocation(&self, id: &str) -> Option<&Allocation> {
        match self {
            Self::Blind => None,
            Self::Known { allocations, .. } => allocations.get(id),
        }
    }

    /// All that are listed.
    pub(crate) fn allocations_mut(&mut self) -> impl Iterator<Item = (&String, &mut Allocation)> {
        match self {
            Self::Blind => None,
            Self::Known { allocations, .. } => Some(allocations.iter_mut()),
        }
        .into_iter()
        .flatten()
    }

    /// How far the instance `registration` is.
    pub fn standing(&self, registration: &Registration) -> Standing {
        let Self::Known {
            allocations,
            index,
            current,
        } = self
        else {
            return (Lifecycle::Ready, None);
        };
        match allocations.get(&registration.alloc_id) {
            Some(allocation) => standing(allocation),
            // Placed after the list was made. Nobody will say more of it while the list cannot be read.
            None if *current && *index < registration.create_index => {
                starting("its allocation is not listed yet")
            }
            None => (Lifecycle::Ready, None),
        }
    }

    /// True if the instance, which is registered, should be listed and is not.
    pub(crate) fn lacks(&self, registration: &Registration) -> bool {
        match self {
            Self::Blind => false,
            Self::Known {
                allocations, index, ..
            } => registration.create_index <= *index && !allocations.contains_key(&registration.alloc_id),
        }
    }
}

fn standing(allocation: &Allocation) -> Standing {
    match allocation.client_status.as_str() {
        "running" => running(allocation),
        // Its node is cut off from the servers: maybe not from us.
        "unknown" => starting("its node does not answer Nomad"),
        status => {
            let mut reason = format!("its allocation does not run: {status}");
            if !allocation.client_description.is_empty() {
                reason = format!("{reason} ({})", allocation.client_description);
            }
            (Lifecycle::Unhealthy, Some(reason))
        }
    }
}

fn running(allocation: &Allocation) -> Standing {
    let health = allocation.deployment_status.healthy;
    if is_stopping(allocation) {
        return stopping();
    }
    if allocation.desired_transition.migrate {
        return starting("its allocation is to move to another node");
    }
    match (health, allocation.job_type.as_str()) {
        (Some(false), _) => starting("Nomad found it unhealthy when it was deployed"),
        // Nomad gives its verdict on every allocation of such a job, also outside of deployments.
        (None, "service") => starting("Nomad has not found it healthy yet"),
        _ => (Lifecycle::Ready, None),
    }
}

/// True if the servers want its end.
pub(crate) fn is_stopping(allocation: &Allocation) -> bool {
    matches!(allocation.desired_status.as_str(), "stop" | "evict")
}

/// It ends by its provider's word: nothing new is sent to it, also when nothing else is there.
fn stopping() -> Standing {
    let reason = "its allocation is being stopped".to_owned();
    (Lifecycle::Draining, Some(reason))
}

fn starting(reason: &str) -> Standing {
    (Lifecycle::Starting, Some(reason.to_owned()))
}
