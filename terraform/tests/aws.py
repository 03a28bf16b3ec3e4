"""moto's AWS for an apply of this module: answers hold what Terraform reads back, where moto forgets it.

    python aws.py PORT

Requests and answers are looked at on their way:

- A service of ECS has the settings that it was made with.
- Scalable targets have their tags.
- Rules of security groups that name another group have their description.
- The policy of a file system can be deleted.
"""

import io
import json
import re
import sys

from moto.ec2.models.security_groups import SecurityGroupRule
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

# Settings of a service that moto drops.
KEPT = (
    "availabilityZoneRebalancing",
    "capacityProviderStrategy",
    "deploymentConfiguration",
    "enableECSManagedTags",
    "enableExecuteCommand",
    "healthCheckGracePeriodSeconds",
)

FILE_SYSTEM_POLICY = re.compile(r"/2015-02-01/file-systems/fs-[0-9a-f]+/policy")

# moto keeps it, and shows it for ranges of addresses only.
SecurityGroupRule.description = property(lambda rule: (rule.ip_range or rule.source_group).get("Description"))


class Server:
    """The WSGI application around moto's."""

    def __init__(self):
        self.moto = DomainDispatcherApplication(create_backend_app)
        self.services = {}
        self.target_tags = {}

    def __call__(self, environ, start_response):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        service, _, action = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
        asked = json.loads(body or b"{}") if service else {}
        if service == "AnyScaleFrontendService" and action == "ListTagsForResource":
            answer = {"Tags": self.target_tags.get(asked["ResourceARN"], {})}
            return send(start_response, "200 OK", [("Content-Type", "application/x-amz-json-1.1")], json.dumps(answer).encode())
        if environ["REQUEST_METHOD"] == "DELETE" and FILE_SYSTEM_POLICY.fullmatch(environ["PATH_INFO"]):
            return send(start_response, "200 OK", [], b"")
        status, headers, answer = self.ask(environ, body)
        if status.startswith("200"):
            if service.startswith("AmazonEC2ContainerService"):
                answer = self.ecs(action, asked, json.loads(answer))
            elif service == "AnyScaleFrontendService" and action == "RegisterScalableTarget":
                self.target_tags.setdefault(json.loads(answer)["ScalableTargetARN"], asked.get("Tags", {}))
        return send(start_response, status, headers, answer)

    def ecs(self, action, asked, answer):
        """An answer of ECS with what was said of its services."""
        services = answer.get("services", []) or list(filter(None, [answer.get("service")]))
        for service in services:
            said = self.services.setdefault(service["serviceArn"], {})
            if action in ("CreateService", "UpdateService"):
                said.update((key, asked[key]) for key in KEPT if asked.get(key) is not None)
            service.update(said)
            if said.get("capacityProviderStrategy"):
                service.pop("launchType", None)
        return json.dumps(answer).encode()

    def ask(self, environ, body):
        """moto's answer."""
        given = {}
        environ.update({"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))})
        parts = self.moto(environ, lambda status, headers, error=None: given.update(status=status, headers=headers))
        return given["status"], given["headers"], b"".join(parts)


def send(start_response, status, headers, body):
    headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
    start_response(status, [*headers, ("Content-Length", str(len(body)))])
    return [body]


if __name__ == "__main__":
    run_simple("127.0.0.1", int(sys.argv[1]), Server(), threaded=True)
