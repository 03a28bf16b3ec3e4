"""moto's AWS with tasks that a client can really talk to.

    python server.py PORT [ADDRESS]

moto keeps clusters, services, tasks and machines, and answers for them; here its ECS answers are dressed before they
leave, where AWS says more than moto does. moto itself is not changed.

- A task in awsvpc mode has an address in 127.77.0.0/16, all of which can be listened on.
- A task has every container of its definition, running, with its interfaces or port bindings.
- A cluster counts its tasks, of every launch type.
- ListTasks gives what should run, unless asked otherwise, and in pages.
- SSM knows the machines of ECS Anywhere.

What a test says, beside the AWS API:

    PUT /says/task/<id>       {"lastStatus": .., "desiredStatus": .., "healthStatus": .., "address": ..}: from now on the
                              task says so
    PUT /says/machine/<id>    {"managed": "mi-..", "address": ..}: a container instance is a machine of ECS Anywhere
    PUT /says/throttle        {"calls": n}: the next n calls of ECS are too many
    GET /says/calls           how often each action was called
"""

import io
import ipaddress
import itertools
import json
import sys
import threading
from collections import Counter

from moto.ecs.models import ecs_backends
from moto.moto_api import state_manager
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

TASK_NETWORK = ipaddress.ip_network("127.77.0.0/16")
DYNAMIC_PORTS = itertools.count(32768)
ACCOUNT = "123456789012"


class Says:
    """What the test has said, and what was asked of it."""

    def __init__(self):
        self.lock = threading.Lock()
        self.addresses = TASK_NETWORK.hosts()
        self.places = {}
        self.tasks = {}
        self.machines = {}
        self.throttled = 0
        self.calls = Counter()

    def place(self, task_id, definition):
        """Address and ports of a task, the same ones each time."""
        with self.lock:
            if task_id not in self.places:
                ports = {
                    (container["name"], mapping["containerPort"]): mapping.get("hostPort") or next(DYNAMIC_PORTS)
                    for container in definition.container_definitions
                    for mapping in container.get("portMappings", [])
                }
                self.places[task_id] = (str(next(self.addresses)), ports)
            return self.places[task_id]

    def answer(self, method, path, body):
        """To a request of the test itself."""
        with self.lock:
            match path.split("/"):
                case ["task", task_id] if method == "PUT":
                    self.tasks.setdefault(task_id, {}).update(body)
                case ["machine", machine_id] if method == "PUT":
                    self.machines[machine_id] = body
                case ["throttle"] if method == "PUT":
                    self.throttled = body["calls"]
                case ["calls"] if method == "GET":
                    return "200 OK", self.calls
                case _:
                    return "404 Not Found", {"unknown": path}
        return "200 OK", {}

    def counts_of_queues(self, action):
        """Counts a call of another service, or of the test itself, which is never too many."""
        with self.lock:
            self.calls[action] += 1

    def counts(self, action):
        """Counts a call; true when it is one too many."""
        with self.lock:
            self.calls[action] += 1
            too_many = self.throttled > 0
            self.throttled -= too_many
            return too_many


def definition_of(task):
    """The definition of a task, from moto's own store."""
    arn = task["taskDefinitionArn"]
    return ecs_backends[ACCOUNT][arn.split(":")[3]].describe_task_definition(arn)


def identity(arn):
    return arn.rsplit("/", 1)[-1]


def dress_task(task, says):
    """What AWS says of a task beyond moto."""
    task_id = identity(task["taskArn"])
    definition = definition_of(task)
    address, ports = says.place(task_id, definition)
    said = says.tasks.get(task_id, {})
    address = said.get("address", address)
    task["connectivity"] = "CONNECTED"
    task["availabilityZone"] = task["taskArn"].split(":")[3] + "a"
    for attachment in task.get("attachments", []):
        for detail in attachment["details"]:
            if detail["name"] == "privateIPv4Address":
                detail["value"] = address
    task["containers"] = [
        dress_container(task, container, definition.network_mode, address, ports, said)
        for container in definition.container_definitions
    ]
    task.update((key, said[key]) for key in ("lastStatus", "desiredStatus", "healthStatus") if key in said)


def dress_container(task, container, network_mode, address, ports, said):
    checked = "healthCheck" in container
    dressed = {
        "containerArn": task["taskArn"].replace(":task/", ":container/") + "/" + container["name"],
        "taskArn": task["taskArn"],
        "name": container["name"],
        "image": container["image"],
        "lastStatus": said.get("lastStatus", "RUNNING"),
        "healthStatus": said.get("healthStatus", "HEALTHY") if checked else "UNKNOWN",
        "networkInterfaces": [],
        "networkBindings": [],
    }
    if network_mode == "awsvpc":
        dressed["networkInterfaces"] = [
            {"attachmentId": attachment["id"], "privateIpv4Address": address} for attachment in task["attachments"]
        ]
    else:
        dressed["networkBindings"] = [
            {
                "bindIP": "0.0.0.0",
                "containerPort": mapping["containerPort"],
                "hostPort": ports[container["name"], mapping["containerPort"]],
                "protocol": mapping.get("protocol", "tcp"),
            }
            for mapping in container.get("portMappings", [])
        ]
    return dressed


def running(cluster):
    """How many tasks are to run."""
    backend = ecs_backends[ACCOUNT][cluster["clusterArn"].split(":")[3]]
    tasks = backend.tasks.get(cluster["clusterName"], {}).values()
    return sum(task.desired_status == "RUNNING" for task in tasks)


def dress(action, asked, answer, says):
    """An answer of ECS as AWS would give it."""
    for task in answer.get("tasks", []) or filter(None, [answer.get("task")]):
        dress_task(task, says)
    for cluster in answer.get("clusters", []):
        cluster.update(runningTasksCount=running(cluster), pendingTasksCount=0)
    for machine in answer.get("containerInstances", []):
        said = says.machines.get(identity(machine["containerInstanceArn"]))
        if said:
            machine["ec2InstanceId"] = said["managed"]
    if action == "ListTasks":
        start, size = int(asked.get("nextToken", 0)), asked.get("maxResults", 100)
        arns = sorted(answer["taskArns"])
        answer["taskArns"] = arns[start : start + size]
        if len(arns) > start + size:
            answer["nextToken"] = str(start + size)
    return answer


def managed_machines(asked, says):
    """SSM's answer, which moto does not know."""
    wanted = {value for rule in asked.get("Filters", []) for value in rule["Values"]}
    return {
        "InstanceInformationList": [
            {"InstanceId": said["managed"], "IPAddress": said["address"], "PingStatus": "Online"}
            for said in says.machines.values()
            if said["managed"] in wanted
        ]
    }


class Server:
    """The WSGI application around moto's."""

    def __init__(self):
        # Left alone, moto moves a task on with each look at it.
        state_manager.set_transition("ecs::task", {"progression": "manual", "times": sys.maxsize})
        self.moto = DomainDispatcherApplication(create_backend_app)
        self.says = Says()

    def __call__(self, environ, start_response):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        path = environ["PATH_INFO"]
        if path.startswith("/says/"):
            status, answer = self.says.answer(environ["REQUEST_METHOD"], path[len("/says/") :], json.loads(body or "{}"))
            return send(start_response, status, answer)
        service, _, action = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
        if service.startswith("AmazonEC2ContainerService"):
            return self.ecs(environ, start_response, action, json.loads(body or "{}"))
        if service == "AmazonSQS":
            self.says.counts_of_queues(action)
        if "/sns/" in environ.get("HTTP_AUTHORIZATION", ""):
            self.says.counts_of_queues(body.split(b"Action=", 1)[1].split(b"&", 1)[0].decode())
        if (service, action) == ("AmazonSSM", "DescribeInstanceInformation"):
            self.says.counts(action)
            return send(start_response, "200 OK", managed_machines(json.loads(body), self.says))
        return self.pass_on(environ, body, start_response)

    def ecs(self, environ, start_response, action, asked):
        if self.says.counts(action):
            return send(start_response, "400 Bad Request", {"__type": "ThrottlingException", "message": "Rate exceeded"})
        if action == "ListTasks":
            asked.setdefault("desiredStatus", "RUNNING")
        given = {}
        answer = b"".join(
            self.pass_on(
                environ,
                json.dumps(asked).encode(),
                lambda status, headers, error=None: given.update(status=status, headers=headers),
            )
        )
        if given["status"].startswith("200"):
            return send(start_response, given["status"], dress(action, asked, json.loads(answer), self.says))
        start_response(given["status"], given["headers"])
        return [answer]

    def pass_on(self, environ, body, start_response):
        environ.update({"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))})
        return self.moto(environ, start_response)


def send(start_response, status, answer):
    body = json.dumps(answer).encode()
    start_response(status, [("Content-Type", "application/x-amz-json-1.1"), ("Content-Length", str(len(body)))])
    return [body]


if __name__ == "__main__":
    port, address = (sys.argv[1:] + ["127.0.0.1"])[:2]
    run_simple(address, int(port), Server(), threaded=True)
