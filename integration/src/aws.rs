//! An AWS of its own for each test: moto, dressed by `aws/server.py`.

use std::{path::Path, process::Stdio};

use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::{port, skip, wait::until};

/// Where everything of [`Aws`] is.
pub const REGION: &str = "eu-central-1";

/// The cluster that is there from the start.
pub const CLUSTER: &str = "shop";

/// Address of the only machine of [`CLUSTER`].
pub const MACHINE: &str = "127.78.1.9";

/// ECS, EC2, SSM, SNS and SQS of one account with an empty cluster. Dropping it ends it.
#[derive(Debug)]
pub struct Aws {
    port: u16,
    subnet: String,
    machine: String,
    _server: Option<Child>,
    client: reqwest::Client,
}

/// A running task.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its ARN.
    pub arn: String,
    /// `address:port` of its first container.
    pub address: String,
}

impl Aws {
    /// An AWS with the cluster [`CLUSTER`] and one container instance at [`MACHINE`]. `None`: skip the test.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start() -> Option<Self> {
        let python = skip::moto()?;
        let [port] = port::free();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("aws/server.py");
        let server = Command::new(python)
            .arg(script)
            .arg(port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("python runs");
        Some(Self::at(port, Some(server)).await)
    }

    /// The same of a server that answers at a port of this machine, and that ends with it if it is given.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn at(port: u16, server: Option<Child>) -> Self {
        let mut aws = Self {
            port,
            subnet: String::new(),
            machine: String::new(),
            _server: server,
            client: reqwest::Client::new(),
        };
        until("moto answers", async || {
            aws.client.get(aws.url("/says/calls")).send().await.is_ok()
        })
        .await;
        aws.build().await;
        aws
    }

    async fn build(&mut self) {
        let network = self
            .ec2("CreateVpc", &[("CidrBlock", "127.78.0.0/16")], "vpcId")
            .await;
        // Without names moto gives a task no interface.
        let named = [("VpcId", network.as_str()), ("EnableDnsHostnames.Value", "true")];
        self.ec2("ModifyVpcAttribute", &named, "requestId").await;
        let subnet = [("VpcId", network.as_str()), ("CidrBlock", "127.78.1.0/24")];
        self.subnet = self.ec2("CreateSubnet", &subnet, "subnetId").await;
        let machine = [
            ("ImageId", "ami-12c6146b"),
            ("MinCount", "1"),
            ("MaxCount", "1"),
            ("SubnetId", &self.subnet),
            ("PrivateIpAddress", MACHINE),
        ];
        let machine = self.ec2("RunInstances", &machine, "instanceId").await;
        self.ecs("CreateCluster", json!({"clusterName": CLUSTER})).await;
        let identity = json!({"cluster": CLUSTER, "instanceIdentityDocument": json!({"instanceId": machine}).to_string()});
        let registered = self.ecs("RegisterContainerInstance", identity).await;
        self.machine = text(&registered["containerInstance"]["containerInstanceArn"]);
    }

    /// `http://127.0.0.1:port` of all its APIs.
    pub fn endpoint(&self) -> String {
        self.url("")
    }

    /// Calls an action of ECS.
    ///
    /// # Panics
    /// When it fails.
    pub async fn ecs(&self, action: &str, body: Value) -> Value {
        let request = self
            .client
            .post(self.url("/"))
            .header(
                "x-amz-target",
                format!("AmazonEC2ContainerServiceV20141113.{action}"),
            )
            .header("authorization", signature("ecs"))
            .header("content-type", "application/x-amz-json-1.1")
            .body(body.to_string());
        let response = request.send().await.expect("moto answers");
        let status = response.status();
        let answer = response.text().await.expect("a whole answer");
        assert!(status.is_success(), "{action} {body}: {status} {answer}");
        serde_json::from_str(&answer).expect("JSON")
    }

    /// Calls an action of EC2 and gives the text of the first element called `wanted`.
    async fn ec2(&self, action: &str, parameters: &[(&str, &str)], wanted: &str) -> String {
        // Nothing that tests say needs to be escaped.
        let mut form = format!("Action={action}&Version=2016-11-15");
        for (key, value) in parameters {
            form.push_str(&format!("&{key}={value}"));
        }
        let request = self
            .client
            .post(self.url("/"))
            .header("authorization", signature("ec2"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        let answer = request.send().await.expect("moto answers").text().await.unwrap();
        let found = answer
            .split_once(&format!("<{wanted}>"))
            .and_then(|(_, rest)| rest.split_once("</"));
        found
            .unwrap_or_else(|| panic!("{action} gives no {wanted}: {answer}"))
            .0
            .to_owned()
    }

    /// Registers a task definition with one container, which listens on `port`.
    pub async fn define(&self, family: &str, mode: &str, port: u16, more: Value) {
        let mut container = json!({
            "name": "app", "image": "example/app", "memory": 64, "portMappings": [{"containerPort": port}],
        });
        merge(&mut container, more);
        let definition = json!({"family": family, "networkMode": mode, "containerDefinitions": [container]});
        self.ecs("RegisterTaskDefinition", definition).await;
    }

    /// Creates a service with `tags`, which runs nothing yet; gives the id of its deployment.
    pub async fn service(&self, name: &str, family: &str, tags: &[(&str, &str)]) -> String {
        let service = json!({
            "cluster": CLUSTER, "serviceName": name, "taskDefinition": family, "desiredCount": 1, "tags": tag_list(tags),
        });
        let created = self.ecs("CreateService", service).await;
        text(&created["service"]["deployments"][0]["id"])
    }

    /// Gives a service or task further tags.
    pub async fn tag(&self, arn: &str, tags: &[(&str, &str)]) {
        self.ecs("TagResource", json!({"resourceArn": arn, "tags": tag_list(tags)}))
            .await;
    }

    /// ARN of a service of [`CLUSTER`].
    pub fn service_arn(name: &str) -> String {
        format!("arn:aws:ecs:{REGION}:123456789012:service/{CLUSTER}/{name}")
    }

    /// Runs a task as the scheduler of ECS would have for `service`, on Fargate in awsvpc mode, else on the machine.
    pub async fn run(&self, service: &str, family: &str, fargate: bool, deployment: &str) -> Task {
        let mut task = json!({
            "cluster": CLUSTER, "taskDefinition": family, "group": format!("service:{service}"),
            "startedBy": deployment, "launchType": if fargate { "FARGATE" } else { "EC2" },
        });
        if fargate {
            let network = json!({"awsvpcConfiguration": {"subnets": [self.subnet], "securityGroups": []}});
            merge(&mut task, json!({ "networkConfiguration": network }));
        }
        let started = self.ecs("RunTask", task).await;
        let task = &started["tasks"][0];
        let container = &task["containers"][0];
        let port = |number: &Value| number.as_u64().expect("a port");
        let address = match container["networkBindings"]
            .as_array()
            .and_then(|all| all.first())
        {
            Some(binding) => format!("{MACHINE}:{}", port(&binding["hostPort"])),
            None => {
                let definition = self
                    .ecs("DescribeTaskDefinition", json!({"taskDefinition": family}))
                    .await;
                let mapping = &definition["taskDefinition"]["containerDefinitions"][0]["portMappings"][0];
                let address = text(&container["networkInterfaces"][0]["privateIpv4Address"]);
                format!("{address}:{}", port(&mapping["containerPort"]))
            }
        };
        Task {
            arn: text(&task["taskArn"]),
            address,
        }
    }

    /// Ends a task at once.
    pub async fn stop(&self, task: &Task) {
        self.ecs("StopTask", json!({"cluster": CLUSTER, "task": task.arn}))
            .await;
    }

    /// Lets a task say something else of itself: `lastStatus`, `desiredStatus`, `healthStatus`, `address`.
    pub async fn says(&self, task: &Task, what: Value) {
        let id = task.arn.rsplit('/').next().unwrap_or_default();
        self.put(&format!("task/{id}"), what).await;
    }

    /// Makes the machine one of ECS Anywhere.
    pub async fn make_managed(&self, id: &str) {
        let machine = self.machine.rsplit('/').next().unwrap_or_default();
        self.put(
            &format!("machine/{machine}"),
            json!({"managed": id, "address": MACHINE}),
        )
        .await;
    }

    /// Refuses the next `calls` of ECS as too many.
    pub async fn throttle(&self, calls: u32) {
        self.put("throttle", json!({ "calls": calls })).await;
    }

    /// Makes a topic of SNS; gives its ARN.
    pub async fn topic(&self, name: &str) -> String {
        self.sns(&[("Action", "CreateTopic"), ("Name", name)]).await;
        format!("arn:aws:sns:{REGION}:123456789012:{name}")
    }

    /// Says `message` on `topic`, as EventBridge would an event.
    pub async fn publish(&self, topic: &str, message: &str) {
        let form = [("Action", "Publish"), ("TopicArn", topic), ("Message", message)];
        self.sns(&form).await;
    }

    /// What EventBridge says when a task has changed for the `version`th time.
    pub fn task_event(task: &Task, version: u64) -> String {
        json!({
            "version": "0", "id": format!("3317b2af-{version:04}"), "detail-type": "ECS Task State Change",
            "source": "aws.ecs", "account": "123456789012", "time": "2026-01-23T17:57:58Z", "region": REGION,
            "resources": [task.arn],
            "detail": {
                "clusterArn": format!("arn:aws:ecs:{REGION}:123456789012:cluster/{CLUSTER}"),
                "taskArn": task.arn, "version": version, "lastStatus": "of no concern",
            },
        })
        .to_string()
    }

    /// How many subscriptions there are.
    pub async fn subscriptions(&self) -> usize {
        let answer = self.sns(&[("Action", "ListSubscriptions")]).await;
        answer.matches("<SubscriptionArn>").count()
    }

    /// The URLs of all queues.
    pub async fn queues(&self) -> Vec<String> {
        let answer = self.sqs("ListQueues", json!({})).await;
        let urls = answer["QueueUrls"].as_array().into_iter().flatten();
        urls.map(text).collect()
    }

    /// Calls an action of SQS.
    ///
    /// # Panics
    /// When it fails.
    pub async fn sqs(&self, action: &str, body: Value) -> Value {
        let request = self
            .client
            .post(self.url("/"))
            .header("x-amz-target", format!("AmazonSQS.{action}"))
            .header("authorization", signature("sqs"))
            .header("content-type", "application/x-amz-json-1.0")
            .body(body.to_string());
        let response = request.send().await.expect("moto answers");
        let status = response.status();
        let answer = response.text().await.expect("a whole answer");
        assert!(status.is_success(), "{action} {body}: {status} {answer}");
        serde_json::from_str(&answer).unwrap_or_default()
    }

    async fn sns(&self, form: &[(&str, &str)]) -> String {
        let escaped = |text: &str| -> String {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            let escape = |byte: u8| match plain(byte) {
                true => char::from(byte).to_string(),
                false => format!("%{byte:02X}"),
            };
            text.bytes().map(escape).collect()
        };
        let pairs = form
            .iter()
            .map(|(key, value)| format!("{key}={}", escaped(value)));
        let body = pairs.collect::<Vec<_>>().join("&");
        let request = self
            .client
            .post(self.url("/"))
            .header("authorization", signature("sns"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("{body}&Version=2010-03-31"));
        let response = request.send().await.expect("moto answers");
        let status = response.status();
        let answer = response.text().await.expect("a whole answer");
        assert!(status.is_success(), "{form:?}: {status} {answer}");
        answer
    }

    /// Every action that was called so far.
    pub async fn calls(&self) -> Vec<String> {
        let answer = self.client.get(self.url("/says/calls")).send().await.unwrap();
        let calls: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        calls.as_object().unwrap().keys().cloned().collect()
    }

    /// How often an action was called so far.
    pub async fn count(&self, action: &str) -> usize {
        let answer = self.client.get(self.url("/says/calls")).send().await.unwrap();
        let calls: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        calls[action].as_u64().unwrap_or(0) as usize
    }

    async fn put(&self, what: &str, body: Value) {
        let request = self.client.put(self.url(&format!("/says/{what}"))).json(&body);
        let response = request.send().await.expect("moto answers");
        assert!(response.status().is_success(), "{what} {body}");
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

/// moto reads region and service here and checks nothing.
fn signature(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )
}

fn tag_list(tags: &[(&str, &str)]) -> Value {
    tags.iter()
        .map(|(key, value)| json!({"key": key, "value": value}))
        .collect()
}

fn merge(into: &mut Value, more: Value) {
    if let (Some(into), Value::Object(more)) = (into.as_object_mut(), more) {
        into.extend(more);
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
