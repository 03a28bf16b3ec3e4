//! The real AWS, through its SDK.

mod convert;
mod error;
mod queues;

use aws_config::{
    BehaviorVersion, ConfigLoader, Region, SdkConfig, retry::RetryConfig, sts::AssumeRoleProvider,
    timeout::TimeoutConfig,
};
use aws_sdk_ecs::{
    config::Credentials,
    types::{ClusterField, DesiredStatus, ServiceField, TaskDefinitionField, TaskField},
};
use mesh_discovery::ProviderError;
use std::time::Duration;
use tokio::sync::OnceCell;

use crate::{
    answer::{Cluster, ContainerInstance, Described, Machine, Page, Service, Task, TaskDefinition},
    client::{Action, Client},
    settings::Settings,
};
use error::Asked;

/// How long one call may take, from connecting to the last byte.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Entries on a page of a list: the most there may be.
const PAGE: i32 = 100;

/// Entries on a page of EC2 and SSM.
const MACHINES_PAGE: i32 = 50;

/// AWS as one role sees it in one region.
#[derive(Debug)]
pub struct SdkClient {
    settings: Settings,
    /// Made with the first call: credentials and region may have to be asked for.
    services: OnceCell<Services>,
}

#[derive(Debug)]
struct Services {
    ecs: aws_sdk_ecs::Client,
    ec2: aws_sdk_ec2::Client,
    ssm: aws_sdk_ssm::Client,
    /// In the region of the topic, where events are heard.
    sqs: aws_sdk_sqs::Client,
    sns: aws_sdk_sns::Client,
    endpoint: String,
}

impl SdkClient {
    /// A client for the region and the credentials of `settings`. Nothing is asked before the first call.
    pub fn new(settings: &Settings) -> Self {
        Self {
            settings: settings.clone(),
            services: OnceCell::new(),
        }
    }

    async fn services(&self) -> Result<&Services, ProviderError> {
        self.services
            .get_or_try_init(async || {
                let config = configuration(&self.settings).await;
                let Some(region) = config.region() else {
                    return Err(ProviderError::Unreachable {
                        endpoint: "ecs".to_owned(),
                        reason: "no region is known: set providers.ecs.region or AWS_REGION".to_owned(),
                    });
                };
                let endpoint = match &self.settings.endpoint {
                    Some(endpoint) => endpoint.clone(),
                    None => format!("AWS in {region}"),
                };
                let events = queues::configuration(&config, &self.settings.events);
                Ok(Services {
                    sqs: aws_sdk_sqs::Client::new(&events),
                    sns: aws_sdk_sns::Client::new(&events),
                    ecs: aws_sdk_ecs::Client::new(&config),
                    ec2: aws_sdk_ec2::Client::new(&config),
                    ssm: aws_sdk_ssm::Client::new(&config),
                    endpoint,
                })
            })
            .await
    }

    async fn asks(&self, action: Action) -> Result<(&Services, Asked<'_>), ProviderError> {
        let services = self.services().await?;
        let asked = Asked {
            endpoint: &services.endpoint,
            action: action.as_str(),
        };
        Ok((services, asked))
    }
}

/// Region, credentials and limits. The SDK repeats nothing by itself: what failed is asked again by the one place
/// that waits between attempts, and counted there.
async fn configuration(settings: &Settings) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_timeout(CALL_TIMEOUT)
        .build();
    let mut loader: ConfigLoader = aws_config::defaults(BehaviorVersion::latest())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts);
    if let Some(region) = &settings.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(endpoint) = &settings.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    if let (Some(id), Some(secret)) = (&settings.access_key_id, &settings.secret_access_key) {
        let credentials = Credentials::new(id.expose(), secret.expose(), None, None, "providers.ecs");
        loader = loader.credentials_provider(credentials);
    }
    let own = loader.load().await;
    let Some(role) = &settings.role_arn else {
        return own;
    };
    let mut assumed = AssumeRoleProvider::builder(role.as_str())
        .session_name(settings.role_session_name.as_str())
        .configure(&own);
    if let Some(id) = &settings.external_id {
        assumed = assumed.external_id(id.as_str());
    }
    let provider = assumed.build().await;
    own.into_builder()
        .credentials_provider(aws_sdk_ecs::config::SharedCredentialsProvider::new(provider))
        .build()
}

impl Client for SdkClient {
    fn endpoint(&self) -> String {
        let known = self.services.get().map(|services| services.endpoint.clone());
        known.unwrap_or_else(|| "AWS".to_owned())
    }

    async fn list_clusters(&self, page: Option<String>) -> Result<Page<String>, ProviderError> {
        let (services, asked) = self.asks(Action::ListClusters).await?;
        let call = services
            .ecs
            .list_clusters()
            .max_results(PAGE)
            .set_next_token(page);
        let answer = call.send().await.map_err(|error| asked.failed(&error))?;
        Ok(Page {
            items: asked.there("clusterArns", answer.cluster_arns)?,
            next: answer.next_token,
        })
    }

    async fn describe_clusters(&self, clusters: &[String]) -> Result<Described<Cluster>, ProviderError> {
        let (services, asked) = self.asks(Action::DescribeClusters).await?;
        let call = services
            .ecs
            .describe_clusters()
            .set_clusters(Some(clusters.to_vec()))
            .include(ClusterField::Statistics);
        let answer = call.send().await.map_err(|error| asked.failed(&error))?;
        let found = asked.there("clusters", answer.clusters)?;
        Ok(Described {
            found: found.into_iter().map(convert::cluster).collect(),
            missing: convert::missing(answer.failures),
        })
    }

    async fn list_tasks(&self, cluster: &str, page: Option<String>) -> Result<Page<String>, ProviderError> {
        let (services, asked) = self.asks(Action::ListTasks).await?;
        let call = services.ecs.list_tasks().cluster(cluster);
        let call = call
            .desired_status(DesiredStatus::Running)
            .max_results(PAGE)
            .set_next_token(page);
        let answer = call.send().await.map_err(|error| asked.failed(&error))?;
        Ok(Page {
            items: asked.there("taskArns", answer.task_arns)?,
            next: answer.next_token,
        })
    }

    async fn describe_tasks(
        &self,
        cluster: &str,
        tasks: &[String],
    ) -> Result<Described<Task>, ProviderError> {
        let (services, asked) = self.asks(Action::DescribeTasks).await?;
        let call = services.ecs.describe_tasks().cluster(cluster);
        let call = call.set_tasks(Some(tasks.to_vec())).include(TaskField::Tags);
        let answer = call.send().await.map_err(|error| asked.failed(&error))?;
        let found = asked.there("tasks", answer.tasks)?;
        Ok(Described {
            found: found.into_iter().map(convert::task).collect(),
            missing: convert::missing(answer.failures),
        })
    }

    async fn describe_services(
        &self,
        cluster: &str,
        names: &[String],
    ) -> Result<Described<Service>, ProviderError> {
        let (services, asked) = self.asks(Action::DescribeServices).await?;
        let call = services.ecs.describe_services().cluster(cluster);
        let call = call
            .set_services(Some(names.to_vec()))
            .include(ServiceField::Tags);
        let answer = call.send().await.map_err(|error| asked.failed(&error))?;
        let found = asked.there("services", answer.services)?;
        Ok(Described {
            found: found.into_iter().map(convert::service).collect(),
            missing: convert::missing(answer.failures),
        })
    }

    async fn describe_task_definition(&self, revision: &str) -> Result<TaskDefinition, ProviderError> {
        let (services, asked) = self.asks(Action::DescribeTaskDefinition).await?;
        let call = services.ecs.describe_task_definition().task_definition(revision);
        let call = call.include(TaskDefinitionField::Tags);
        let answer = call.send().await.map_err(|error| asked.failed(&error))?;
        let definition = asked.there("taskDefinition", answer.task_definition)?;
        Ok(convert::task_definition(definition, answer.tags))
    }

    async fn describe_container_instances(
        &self,
        cluster: &str,
        instances: &[String],
    ) -> Result<Described<ContainerInstance>, ProviderError> {
        let (services, asked) = self.asks(Action::DescribeContainerInstances).await?;
        let call = services.ecs.describe_container_instances().cluster(cluster);
        let call = call.set_container_instances(Some(instances.to_vec()));
        let answer = call.send().await.map_err(|error| asked.failed(&error))?;
        let found = asked.there("containerInstances", answer.container_instances)?;
        Ok(Described {
            found: found.into_iter().map(convert::container_instance).collect(),
            missing: convert::missing(answer.failures),
        })
    }

    async fn describe_instances(
        &self,
        ids: &[String],
        page: Option<String>,
    ) -> Result<Page<Machine>, ProviderError> {
        let (services, asked) = self.asks(Action::DescribeInstances).await?;
        // By a filter: an id that EC2 does not know then fails nothing, and the larger bucket is drawn from.
        let filter = aws_sdk_ec2::types::Filter::builder()
            .name("instance-id")
            .set_values(Some(ids.to_vec()))
            .build();
        let call = services.ec2.describe_instances().filters(filter);
        let call = call.max_results(1000).set_next_token(page);
        let answer = call.send().await.map_err(|error| asked.failed(&error))?;
        let reservations = asked.there("reservationSet", answer.reservations)?;
        let machines = reservations
            .into_iter()
            .flat_map(|reservation| reservation.instances.unwrap_or_default());
        Ok(Page {
            items: machines.map(convert::machine).collect(),
            next: answer.next_token.filter(|token| !token.is_empty()),
        })
    }

    async fn describe_instance_information(
        &self,
        ids: &[String],
        page: Option<String>,
    ) -> Result<Page<Machine>, ProviderError> {
        let (services, asked) = self.asks(Action::DescribeInstanceInformation).await?;
        let filter = aws_sdk_ssm::types::InstanceInformationStringFilter::builder()
            .key("InstanceIds")
            .set_values(Some(ids.to_vec()))
            .build()
            .map_err(|error| asked.malformed(&error))?;
        let call = services.ssm.describe_instance_information().filters(filter);
        let call = call.max_results(MACHINES_PAGE).set_next_token(page);
        let answer = call.send().await.map_err(|error| asked.failed(&error))?;
        let found = asked.there("InstanceInformationList", answer.instance_information_list)?;
        Ok(Page {
            items: found.into_iter().map(convert::managed).collect(),
            next: answer.next_token,
        })
    }
}
