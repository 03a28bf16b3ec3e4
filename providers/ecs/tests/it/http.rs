//! The world over HTTP, in AWS's JSON and XML, and the SDK against it.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use mesh_config::Secret;
use mesh_discovery::ProviderError;
use mesh_provider_ecs::{Action, Client, SdkClient, Settings};
use mesh_testkit::{Dialect, Fault, FaultProxy};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{watch::settings, world::World};

/// Actions by the last part of their target.
const ACTIONS: [Action; 8] = [
    Action::ListClusters,
    Action::DescribeClusters,
    Action::ListTasks,
    Action::DescribeTasks,
    Action::DescribeServices,
    Action::DescribeTaskDefinition,
    Action::DescribeContainerInstances,
    Action::DescribeInstanceInformation,
];

/// Serves `world` until the test ends.
pub(crate) async fn serve(world: &World) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, world) = (listener.local_addr().unwrap(), world.clone());
    tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let world = world.clone();
            let answer = service_fn(move |request| {
                let world = world.clone();
                async move { Ok::<_, Infallible>(answer(&world, request).await) }
            });
            let server = hyper::server::conn::http1::Builder::new();
            connections.spawn(server.serve_connection(TokioIo::new(stream), answer));
        }
    });
    address
}

/// Settings for an AWS at `address`.
pub(crate) fn at(address: SocketAddr) -> Settings {
    Settings {
        endpoint: Some(format!("http://{address}")),
        region: Some("eu-central-1".to_owned()),
        access_key_id: Some(Secret::new("test")),
        secret_access_key: Some(Secret::new("hunter2")),
        refresh_seconds: Duration::from_millis(100),
        ..settings()
    }
}

async fn answer(world: &World, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let target = request.headers().get("x-amz-target");
    let target = target.map(|target| target.to_str().unwrap().to_owned());
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let Some(target) = target else {
        return Response::new(Full::new(instances(world, &body).into()));
    };
    let name = target.rsplit('.').next().unwrap();
    let action = ACTIONS
        .into_iter()
        .find(|action| action.as_str().ends_with(&format!(":{name}")));
    let action = action.unwrap_or_else(|| panic!("nobody is to call {target}"));
    let mut asked: Value = serde_json::from_slice(&body).unwrap();
    if action == Action::DescribeInstanceInformation {
        asked = json!({"ids": asked["Filters"][0]["Values"]});
    }
    let (status, answered) = match world.answer(action, &asked) {
        Ok(answered) => (200, answered),
        Err((status, code)) => (status, json!({"__type": code, "message": "no"})),
    };
    let answered = match answered["machines"].as_array() {
        None => answered,
        Some(machines) => {
            let machines = machines.iter();
            let list: Vec<_> = machines
                .map(|machine| json!({"InstanceId": machine["id"], "IPAddress": machine["address"]}))
                .collect();
            json!({"InstanceInformationList": list})
        }
    };
    let response = Response::builder()
        .status(status)
        .header("content-type", "application/x-amz-json-1.1");
    response.body(Full::new(answered.to_string().into())).unwrap()
}

/// EC2 is asked in a form and answers in XML.
fn instances(world: &World, form: &[u8]) -> String {
    let form = String::from_utf8_lossy(form).into_owned();
    assert!(form.contains("Action=DescribeInstances"), "{form}");
    let ids: Vec<&str> = form
        .split('&')
        .filter(|pair| pair.starts_with("Filter.1.Value."))
        .filter_map(|pair| Some(pair.split_once('=')?.1))
        .collect();
    let answer = world
        .answer(Action::DescribeInstances, &json!({"ids": ids}))
        .unwrap();
    let items: String = answer["machines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|machine| {
            let (id, address) = (machine["id"].as_str().unwrap(), machine["address"].as_str().unwrap());
            format!(
                "<item><instancesSet><item><instanceId>{id}</instanceId><privateIpAddress>{address}</privateIpAddress>\
                 </item></instancesSet></item>"
            )
        })
        .collect();
    format!(
        "<DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><reservationSet>{items}\
         </reservationSet></DescribeInstancesResponse>"
    )
}

fn estate() -> World {
    let world = World::new();
    world.state().machine("i-1", "10.1.1.1");
    world.state().machine("mi-2", "192.0.2.9");
    world.service("web", "bridge", &[("mesh.host", "web.example")]);
    world.run("web");
    world
}

async fn ask(fault: Fault) -> Result<usize, ProviderError> {
    let upstream = serve(&estate()).await;
    let proxy = FaultProxy::speaking(Dialect::Aws, upstream, fault).await.unwrap();
    let client = SdkClient::new(&at(proxy.address()));
    client.list_tasks("shop", None).await.map(|page| page.items.len())
}

#[tokio::test]
async fn what_the_sdk_reads_is_what_the_json_says() {
    let world = estate();
    let client = SdkClient::new(&at(serve(&world).await));
    let tasks = client.list_tasks("shop", None).await.unwrap().items;
    let by_sdk = client.describe_tasks("shop", &tasks).await.unwrap();
    let by_json = world.describe_tasks("shop", &tasks).await.unwrap();
    assert_eq!(by_sdk.found, by_json.found);
    assert!(by_sdk.missing.is_empty());

    let names = ["web".to_owned(), "lost".to_owned()];
    let services = client.describe_services("shop", &names).await.unwrap();
    let expected = world.describe_services("shop", &names).await.unwrap();
    assert_eq!(
        (services.found, services.missing),
        (expected.found, expected.missing)
    );

    let revision = &by_json.found[0].task_definition_arn;
    let definition = client.describe_task_definition(revision).await.unwrap();
    assert_eq!(
        definition,
        world.describe_task_definition(revision).await.unwrap()
    );

    let clusters = client.list_clusters(None).await.unwrap().items;
    let described = client.describe_clusters(&clusters).await.unwrap().found;
    assert_eq!(described, world.describe_clusters(&clusters).await.unwrap().found);

    let arns: Vec<String> = world.state().instances.keys().cloned().collect();
    let machines = client.describe_container_instances("shop", &arns).await.unwrap();
    assert_eq!(
        machines.found,
        world
            .describe_container_instances("shop", &arns)
            .await
            .unwrap()
            .found
    );
    let ec2 = client
        .describe_instances(&["i-1".to_owned()], None)
        .await
        .unwrap();
    assert_eq!(ec2.items[0].address, "10.1.1.1");
    let managed = client
        .describe_instance_information(&["mi-2".to_owned()], None)
        .await
        .unwrap();
    assert_eq!(managed.items[0].address, "192.0.2.9");
}

#[tokio::test]
async fn an_answer_is_an_answer_late_or_not() {
    assert_eq!(ask(Fault::None).await, Ok(1));
    assert_eq!(ask(Fault::Slow(Duration::from_millis(300))).await, Ok(1));
    assert_eq!(ask(Fault::Empty).await, Ok(0));
}

#[tokio::test]
async fn refusals_keep_their_status_and_their_words() {
    for (fault, status, words) in [
        (Fault::Forbidden, 400, "the IAM policy has to allow ecs:ListTasks"),
        (Fault::Throttled, 400, "ThrottlingException to ecs:ListTasks"),
        (Fault::ServerError, 500, "ServerException"),
        (Fault::Missing, 400, "ClusterNotFoundException"),
    ] {
        let error = ask(fault).await.unwrap_err();
        assert_eq!(error.is_throttle(), fault == Fault::Throttled);
        let ProviderError::Refused {
            status: found,
            reason,
            ..
        } = error
        else {
            panic!("{fault:?} was not taken for a refusal: {error}");
        };
        assert_eq!(found, status);
        assert!(reason.contains(words), "{reason}");
    }
}

#[tokio::test]
async fn answers_that_are_cut_or_no_json_or_a_web_page_are_malformed() {
    for fault in [Fault::MalformedJson, Fault::Html] {
        let error = ask(fault).await.unwrap_err();
        assert!(
            matches!(error, ProviderError::Malformed { .. }),
            "{fault:?}: {error}"
        );
    }
    assert!(ask(Fault::Truncated).await.is_err());
}

#[tokio::test]
async fn nobody_there_is_unreachable_and_no_error_shows_the_secret() {
    let client = SdkClient::new(&at("127.0.0.1:1".parse().unwrap()));
    let error = client.list_tasks("shop", None).await.unwrap_err();
    assert!(matches!(error, ProviderError::Unreachable { .. }), "{error}");
    assert!(!format!("{error} {error:?} {client:?}").contains("hunter2"));
}
