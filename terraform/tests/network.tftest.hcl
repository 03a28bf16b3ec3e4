# The way of a connection: who is believed, what is checked, where TLS ends.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  vpc_id                   = "vpc-0123456789abcdef0"
  subnet_ids               = ["subnet-0a", "subnet-0b"]
  load_balancer_subnet_ids = ["subnet-0c", "subnet-0d"]
  cluster_arn              = "arn:aws-us-gov:ecs:us-gov-west-1:123456789012:cluster/shop"
  image                    = "registry.example.com/mesh:0.1.0"
}

run "proxy_protocol" {
  override_data {
    target = data.aws_subnet.load_balancer[1]
    values = { cidr_block = "10.20.2.0/24" }
  }

  assert {
    condition     = alltrue([for group in aws_lb_target_group.this : group.proxy_protocol_v2 && group.preserve_client_ip == "false" && group.target_type == "ip"])
    error_message = "Every target group sends PROXY headers, from addresses of the load balancer."
  }

  assert {
    condition = alltrue([
      for name in ["WEB", "MESH"] : local.environment["MESH_ENTRYPOINTS_${name}_PROXYPROTOCOL_TRUSTEDIPS"] == "10.20.1.0/24,10.20.2.0/24"
    ])
    error_message = "Mesh believes the subnets of the load balancer, on the port of health checks too."
  }

  assert {
    condition     = alltrue([for group in aws_lb_target_group.this : group.health_check[0].port == "8080" && group.health_check[0].path == "/ready" && group.health_check[0].protocol == "HTTP"])
    error_message = "The load balancer asks whether Mesh is ready."
  }

  assert {
    condition     = alltrue([for group in aws_lb_target_group.this : tonumber(group.deregistration_delay) < local.container.stopTimeout])
    error_message = "A task outlives the load balancer's patience."
  }

  assert {
    condition     = toset([for rule in aws_vpc_security_group_ingress_rule.tasks : rule.from_port]) == toset([8000, 8080]) && alltrue([for rule in aws_vpc_security_group_ingress_rule.tasks : rule.referenced_security_group_id == aws_security_group.load_balancer.id])
    error_message = "Only the load balancer reaches tasks."
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.upstream[*].cidr_ipv4 == ["10.20.0.0/16"]
    error_message = "Servers are in the VPC."
  }
}

run "tls_of_mesh" {
  variables {
    tls           = {}
    drain_seconds = 60
  }

  assert {
    condition     = aws_lb_listener.websecure[0].protocol == "TCP" && aws_lb_target_group.this["websecure"].protocol == "TCP"
    error_message = "The load balancer passes TLS on."
  }

  assert {
    condition     = local.environment.MESH_ENTRYPOINTS_WEBSECURE_HTTP_TLS == "true" && local.environment.MESH_ENTRYPOINTS_WEB_HTTP_REDIRECTIONS_ENTRYPOINT_TO == ":443" && contains(keys(local.environment), "MESH_ENTRYPOINTS_WEBSECURE_PROXYPROTOCOL_TRUSTEDIPS")
    error_message = "Port 80 redirects to 443, where Mesh speaks TLS."
  }

  assert {
    condition     = local.container.stopTimeout == 70 && local.environment.MESH_ENTRYPOINTS_WEBSECURE_TRANSPORT_LIFECYCLE_GRACETIMEOUT == "60s"
    error_message = "drain_seconds reaches Mesh and ECS."
  }
}

run "tls_of_the_load_balancer" {
  variables {
    ip_address_type = "dualstack"
    dns             = { zone_id = "Z0123456789", names = ["shop.example.com", "*.example.com"] }
    tls             = { terminated_by = "load_balancer", certificate_names = ["shop.example.com"] }
  }

  assert {
    condition     = aws_lb_listener.websecure[0].protocol == "TLS" && aws_lb_listener.websecure[0].certificate_arn == aws_acm_certificate_validation.this[0].certificate_arn
    error_message = "The listener waits for the certificate to be validated."
  }

  assert {
    condition     = aws_lb_target_group.this["websecure"].protocol == "TLS"
    error_message = "From load balancer to Mesh there is TLS again."
  }

  assert {
    condition     = keys(aws_route53_record.this) == ["*.example.com A", "*.example.com AAAA", "shop.example.com A", "shop.example.com AAAA"]
    error_message = "Names lead to both kinds of addresses."
  }

  assert {
    condition     = aws_route53_record.validation["shop.example.com"].name == "_proof.shop.example.com"
    error_message = "The certificate is proved in the zone."
  }
}

run "clients_of_the_company" {
  variables {
    internal       = true
    client_cidrs   = ["10.0.0.0/8", "fd00::/8"]
    upstream_cidrs = ["10.20.0.0/16", "10.30.0.0/16"]
  }

  assert {
    condition     = aws_lb.this.internal && keys(aws_vpc_security_group_ingress_rule.clients) == ["10.0.0.0/8 80", "fd00::/8 80"]
    error_message = "Only these ranges reach the load balancer."
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.upstream[*].cidr_ipv4 == ["10.20.0.0/16", "10.30.0.0/16"]
    error_message = "Servers may be where they are said to be."
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.clients["fd00::/8 80"].cidr_ipv6 == "fd00::/8"
    error_message = "IPv6 is IPv6."
  }
}
