//! The machines of a cluster: where tasks are that have no address of their own.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use mesh_config::instance::Address;
use mesh_discovery::ProviderError;
use tokio::time::Instant;

use crate::{answer::ContainerInstance, calls::Calls, client::Client, instances::Host};

/// How old the state of a machine may become. Its address never changes.
const MAX_AGE: Duration = Duration::from_secs(60);

/// The machines of one cluster by the ARN that tasks refer to.
#[derive(Debug, Default)]
pub(crate) struct Machines {
    hosts: BTreeMap<String, Known>,
}

#[derive(Debug)]
struct Known {
    id: String,
    host: Host,
    read: Instant,
    /// Its state is said to have changed.
    doubted: bool,
}

impl Machines {
    /// The machine, if it was read.
    pub(crate) fn get(&self, arn: &str) -> Option<&Host> {
        self.hosts.get(arn).map(|known| &known.host)
    }

    /// Has a machine read again before anything is told of its tasks.
    pub(crate) fn doubt(&mut self, arn: &str) {
        if let Some(known) = self.hosts.get_mut(arn) {
            known.doubted = true;
        }
    }

    /// True if one of `arns` must be read before its tasks can be told of.
    pub(crate) fn lacks<'a>(&self, mut arns: impl Iterator<Item = &'a str>) -> bool {
        let now = Instant::now();
        arns.any(|arn| self.hosts.get(arn).is_none_or(|known| known.is_old(now)))
    }

    /// Forgets all but `used`.
    pub(crate) fn retain(&mut self, used: &BTreeSet<&str>) {
        self.hosts.retain(|arn, _| used.contains(arn.as_str()));
    }

    /// Reads those of `arns` that are new or were read too long ago.
    pub(crate) async fn read<C: Client>(
        &mut self,
        calls: &Calls<C>,
        cluster: &str,
        arns: &BTreeSet<String>,
        anywhere: bool,
    ) -> Result<(), ProviderError> {
        let now = Instant::now();
        let is_due = |arn: &&String| self.hosts.get(*arn).is_none_or(|known| known.is_old(now));
        let due: Vec<String> = arns.iter().filter(is_due).cloned().collect();
        let found = calls.describe_container_instances(cluster, &due).await?;
        let addresses = self.addresses(calls, &found, anywhere).await?;
        for instance in found {
            let id = instance.ec2_instance_id;
            let old = self.hosts.get(&instance.container_instance_arn);
            let old = old.filter(|known| known.id == id && known.host.address.is_ok());
            let address = match (old, addresses.get(&id)) {
                (Some(known), _) => known.host.address.clone(),
                (None, Some(address)) => Ok(Address::Ip(*address)),
                (None, None) => Err(unknown(&id, anywhere)),
            };
            let draining = instance.status == "DRAINING";
            let host = Host { address, draining };
            let known = Known {
                id,
                host,
                read: now,
                doubted: false,
            };
            self.hosts.insert(instance.container_instance_arn, known);
        }
        Ok(())
    }

    /// Addresses of those machines among `found` that have none yet, by id.
    async fn addresses<C: Client>(
        &self,
        calls: &Calls<C>,
        found: &[ContainerInstance],
        anywhere: bool,
    ) -> Result<BTreeMap<String, IpAddr>, ProviderError> {
        let is_new = |instance: &&ContainerInstance| {
            let known = self.hosts.get(&instance.container_instance_arn);
            known.is_none_or(|known| known.id != instance.ec2_instance_id || known.host.address.is_err())
        };
        let ids = found
            .iter()
            .filter(is_new)
            .map(|instance| instance.ec2_instance_id.clone());
        let (managed, ec2): (Vec<String>, Vec<String>) =
            ids.filter(|id| !id.is_empty()).partition(|id| is_managed(id));
        let mut machines = calls.describe_instances(&ec2).await?;
        if anywhere {
            machines.extend(calls.describe_managed(&managed).await?);
        }
        let address = |text: &str| text.trim().parse().ok();
        let with_address = machines
            .into_iter()
            .filter_map(|machine| Some((machine.id, address(&machine.address)?)));
        Ok(with_address.collect())
    }
}

impl Known {
    fn is_old(&self, now: Instant) -> bool {
        self.doubted || now.duration_since(self.read) >= MAX_AGE
    }
}

/// A machine of ECS Anywhere.
fn is_managed(id: &str) -> bool {
    id.starts_with("mi-")
}

fn unknown(id: &str, anywhere: bool) -> String {
    match (is_managed(id), anywhere) {
        (true, true) => format!("SSM knows no address of its machine {id}"),
        (true, false) => format!("its machine {id} is one of ECS Anywhere: set providers.ecs.ecsAnywhere"),
        (false, _) => format!("EC2 knows no address of its machine {id}"),
    }
}
