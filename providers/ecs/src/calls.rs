//! Calls to AWS within the budget, page by page and batch by batch.

use std::{collections::BTreeSet, future::Future};

use mesh_discovery::ProviderError;

use crate::{
    answer::{ContainerInstance, Described, Machine, Page, Service, Task, TaskDefinition},
    budget::Budget,
    client::{Action, Client},
};

/// Most pages of one list: a hundred thousand tasks.
const MAX_PAGES: usize = 1000;

/// A client and what it may spend.
#[derive(Debug)]
pub(crate) struct Calls<C> {
    client: C,
    budget: Budget,
}

impl<C: Client> Calls<C> {
    pub(crate) fn new(client: C) -> Self {
        Self {
            client,
            budget: Budget::default(),
        }
    }

    /// The client itself, for what is not a call within the budget.
    pub(crate) fn client(&self) -> &C {
        &self.client
    }

    pub(crate) fn endpoint(&self) -> String {
        self.client.endpoint()
    }

    async fn ask<T>(
        &self,
        action: Action,
        call: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        self.budget.ready(action).await;
        let answer = call.await;
        if answer.as_ref().is_err_and(ProviderError::is_throttle) {
            self.budget.throttled(action).await;
        }
        answer
    }

    /// All pages of a list, or none.
    async fn pages<T, F>(
        &self,
        action: Action,
        call: impl Fn(Option<String>) -> F,
    ) -> Result<Vec<T>, ProviderError>
    where
        F: Future<Output = Result<Page<T>, ProviderError>>,
    {
        let (mut items, mut next) = (Vec::new(), None);
        for _ in 0..MAX_PAGES {
            let page = self.ask(action, call(next)).await?;
            items.extend(page.items);
            next = page.next;
            if next.is_none() {
                return Ok(items);
            }
        }
        Err(self.malformed(action, &format!("its list does not end after {MAX_PAGES} pages")))
    }

    pub(crate) async fn list_clusters(&self) -> Result<BTreeSet<String>, ProviderError> {
        let pages = self.pages(Action::ListClusters, |page| self.client.list_clusters(page));
        Ok(pages.await?.into_iter().collect())
    }

    pub(crate) async fn describe_cluster(
        &self,
        cluster: &str,
    ) -> Result<Option<crate::answer::Cluster>, ProviderError> {
        let names = [cluster.to_owned()];
        let call = self.client.describe_clusters(&names);
        let Described { mut found, missing } = self.ask(Action::DescribeClusters, call).await?;
        match found.pop() {
            Some(cluster) => Ok(Some(cluster)),
            None if !missing.is_empty() => Ok(None),
            None => Err(self.malformed(Action::DescribeClusters, "it says nothing of the cluster")),
        }
    }

    pub(crate) async fn list_tasks(&self, cluster: &str) -> Result<BTreeSet<String>, ProviderError> {
        let pages = self.pages(Action::ListTasks, |page| self.client.list_tasks(cluster, page));
        Ok(pages.await?.into_iter().collect())
    }

    /// Every one of `tasks` is found or missing in the answer.
    pub(crate) async fn describe_tasks(
        &self,
        cluster: &str,
        tasks: &[String],
    ) -> Result<Described<Task>, ProviderError> {
        let mut all = Described::default();
        for batch in tasks.chunks(Action::DescribeTasks.batch()) {
            let call = self.client.describe_tasks(cluster, batch);
            let described = self.ask(Action::DescribeTasks, call).await?;
            self.complete(Action::DescribeTasks, batch, &described, |task| &task.task_arn)?;
            all.found.extend(described.found);
            all.missing.extend(described.missing);
        }
        Ok(all)
    }

    /// The same for services by name.
    pub(crate) async fn describe_services(
        &self,
        cluster: &str,
        services: &[String],
    ) -> Result<Vec<Service>, ProviderError> {
        let mut all = Vec::new();
        for batch in services.chunks(Action::DescribeServices.batch()) {
            let call = self.client.describe_services(cluster, batch);
            let described = self.ask(Action::DescribeServices, call).await?;
            self.complete(Action::DescribeServices, batch, &described, |service| {
                &service.service_name
            })?;
            all.extend(described.found);
        }
        Ok(all)
    }

    pub(crate) async fn describe_task_definition(
        &self,
        revision: &str,
    ) -> Result<TaskDefinition, ProviderError> {
        let call = self.client.describe_task_definition(revision);
        self.ask(Action::DescribeTaskDefinition, call).await
    }

    pub(crate) async fn describe_container_instances(
        &self,
        cluster: &str,
        arns: &[String],
    ) -> Result<Vec<ContainerInstance>, ProviderError> {
        let mut all = Vec::new();
        for batch in arns.chunks(Action::DescribeContainerInstances.batch()) {
            let call = self.client.describe_container_instances(cluster, batch);
            let described = self.ask(Action::DescribeContainerInstances, call).await?;
            self.complete(
                Action::DescribeContainerInstances,
                batch,
                &described,
                |instance| &instance.container_instance_arn,
            )?;
            all.extend(described.found);
        }
        Ok(all)
    }

    /// Addresses of machines of EC2; those it does not know are left out.
    pub(crate) async fn describe_instances(&self, ids: &[String]) -> Result<Vec<Machine>, ProviderError> {
        let mut all = Vec::new();
        for batch in ids.chunks(Action::DescribeInstances.batch()) {
            let call = |page| self.client.describe_instances(batch, page);
            all.extend(self.pages(Action::DescribeInstances, call).await?);
        }
        Ok(all)
    }

    /// Addresses of machines of ECS Anywhere; those that SSM does not know are left out.
    pub(crate) async fn describe_managed(&self, ids: &[String]) -> Result<Vec<Machine>, ProviderError> {
        let mut all = Vec::new();
        for batch in ids.chunks(Action::DescribeInstanceInformation.batch()) {
            let call = |page| self.client.describe_instance_information(batch, page);
            all.extend(self.pages(Action::DescribeInstanceInformation, call).await?);
        }
        Ok(all)
    }

    /// An answer that is silent about something it was asked for is no answer.
    fn complete<T>(
        &self,
        action: Action,
        asked: &[String],
        described: &Described<T>,
        name: impl Fn(&T) -> &String,
    ) -> Result<(), ProviderError> {
        let found = described.found.iter().map(|one| name(one).as_str());
        // Services are asked for by name, and missing by ARN.
        let missing = described
            .missing
            .iter()
            .flat_map(|arn| [arn.as_str(), short(arn)]);
        let known: BTreeSet<&str> = found.chain(missing).collect();
        match asked.iter().find(|one| !known.contains(one.as_str())) {
            Some(silent) => Err(self.malformed(action, &format!("it says nothing of {silent}"))),
            None => Ok(()),
        }
    }

    pub(crate) fn malformed(&self, action: Action, reason: &str) -> ProviderError {
        ProviderError::Malformed {
            endpoint: self.endpoint(),
            reason: format!("{}: {reason}", action.as_str()),
        }
    }
}

/// The last part of an ARN.
pub(crate) fn short(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}
