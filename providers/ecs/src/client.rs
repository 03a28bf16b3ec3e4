//! What this provider asks AWS, one call at a time: the only I/O, behind a trait that tests stand in for.

use std::future::Future;

use mesh_discovery::ProviderError;

use crate::answer::{Cluster, ContainerInstance, Described, Machine, Page, Service, Task, TaskDefinition};

/// A call to AWS, by the action that an IAM policy has to allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// `ecs:ListClusters`
    ListClusters,
    /// `ecs:DescribeClusters`
    DescribeClusters,
    /// `ecs:ListTasks`
    ListTasks,
    /// `ecs:DescribeTasks`
    DescribeTasks,
    /// `ecs:DescribeServices`
    DescribeServices,
    /// `ecs:DescribeTaskDefinition`
    DescribeTaskDefinition,
    /// `ecs:DescribeContainerInstances`
    DescribeContainerInstances,
    /// `ec2:DescribeInstances`
    DescribeInstances,
    /// `ssm:DescribeInstanceInformation`
    DescribeInstanceInformation,
}

impl Action {
    /// As policies write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ListClusters => "ecs:ListClusters",
            Self::DescribeClusters => "ecs:DescribeClusters",
            Self::ListTasks => "ecs:ListTasks",
            Self::DescribeTasks => "ecs:DescribeTasks",
            Self::DescribeServices => "ecs:DescribeServices",
            Self::DescribeTaskDefinition => "ecs:DescribeTaskDefinition",
            Self::DescribeContainerInstances => "ecs:DescribeContainerInstances",
            Self::DescribeInstances => "ec2:DescribeInstances",
            Self::DescribeInstanceInformation => "ssm:DescribeInstanceInformation",
        }
    }

    /// How many resources one call takes, for those that take a list.
    pub fn batch(self) -> usize {
        match self {
            Self::DescribeServices => 10,
            Self::DescribeInstances => 200,
            Self::ListClusters
            | Self::DescribeClusters
            | Self::ListTasks
            | Self::DescribeTasks
            | Self::DescribeTaskDefinition
            | Self::DescribeContainerInstances
            | Self::DescribeInstanceInformation => 100,
        }
    }
}

/// AWS as this provider needs it. Each method is one call; `page` is what the page before said comes next.
pub trait Client: Send + Sync + 'static {
    /// Names AWS in messages.
    fn endpoint(&self) -> String;

    /// The ARNs of all clusters.
    fn list_clusters(
        &self,
        page: Option<String>,
    ) -> impl Future<Output = Result<Page<String>, ProviderError>> + Send;

    /// Clusters by name or ARN.
    fn describe_clusters(
        &self,
        clusters: &[String],
    ) -> impl Future<Output = Result<Described<Cluster>, ProviderError>> + Send;

    /// The ARNs of the tasks of a cluster that are meant to run.
    fn list_tasks(
        &self,
        cluster: &str,
        page: Option<String>,
    ) -> impl Future<Output = Result<Page<String>, ProviderError>> + Send;

    /// Tasks with their tags.
    fn describe_tasks(
        &self,
        cluster: &str,
        tasks: &[String],
    ) -> impl Future<Output = Result<Described<Task>, ProviderError>> + Send;

    /// Services with their tags.
    fn describe_services(
        &self,
        cluster: &str,
        services: &[String],
    ) -> impl Future<Output = Result<Described<Service>, ProviderError>> + Send;

    /// A revision with its tags.
    fn describe_task_definition(
        &self,
        revision: &str,
    ) -> impl Future<Output = Result<TaskDefinition, ProviderError>> + Send;

    /// Machines of a cluster.
    fn describe_container_instances(
        &self,
        cluster: &str,
        instances: &[String],
    ) -> impl Future<Output = Result<Described<ContainerInstance>, ProviderError>> + Send;

    /// Addresses of machines of EC2.
    fn describe_instances(
        &self,
        ids: &[String],
        page: Option<String>,
    ) -> impl Future<Output = Result<Page<Machine>, ProviderError>> + Send;

    /// Addresses of machines of ECS Anywhere.
    fn describe_instance_information(
        &self,
        ids: &[String],
        page: Option<String>,
    ) -> impl Future<Output = Result<Page<Machine>, ProviderError>> + Send;
}
