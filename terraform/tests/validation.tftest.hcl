# What is refused, before anything is made.

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

run "a_name_that_target_groups_cannot_have" {
  command = plan

  variables {
    name = "a-name-that-is-by-far-too-long"
  }

  expect_failures = [var.name]
}

run "a_vpc_by_name" {
  command = plan

  variables {
    vpc_id = "main"
  }

  expect_failures = [var.vpc_id]
}

run "one_subnet" {
  command = plan

  variables {
    subnet_ids = ["subnet-0a"]
  }

  expect_failures = [var.subnet_ids]
}

run "one_subnet_twice" {
  command = plan

  variables {
    load_balancer_subnet_ids = ["subnet-0c", "subnet-0c"]
  }

  expect_failures = [var.load_balancer_subnet_ids]
}

run "a_cluster_by_name" {
  command = plan

  variables {
    cluster_arn = "shop"
  }

  expect_failures = [var.cluster_arn]
}

run "discovered_clusters_by_name" {
  command = plan

  variables {
    discover_cluster_arns = ["shop"]
  }

  expect_failures = [var.discover_cluster_arns]
}

run "an_image_without_version" {
  command = plan

  variables {
    image = "registry.example.com/mesh"
  }

  expect_failures = [var.image]
}

run "the_latest_image" {
  command = plan

  variables {
    image = "registry.example.com/mesh:latest"
  }

  expect_failures = [var.image]
}

run "a_repository_by_name" {
  command = plan

  variables {
    image_repository_arns = ["mesh"]
  }

  expect_failures = [var.image_repository_arns]
}

run "an_unknown_launch_type" {
  command = plan

  variables {
    launch_type = "EXTERNAL"
  }

  expect_failures = [var.launch_type]
}

run "fargate_spot_on_ec2" {
  command = plan

  variables {
    launch_type        = "EC2"
    capacity_providers = { FARGATE_SPOT = {} }
  }

  expect_failures = [var.capacity_providers]
}

run "instances_for_fargate" {
  command = plan

  variables {
    capacity_providers = { mesh-capacity = {} }
  }

  expect_failures = [var.capacity_providers]
}

run "two_bases" {
  command = plan

  variables {
    capacity_providers = { FARGATE = { base = 1 }, FARGATE_SPOT = { base = 1 } }
  }

  expect_failures = [var.capacity_providers]
}

run "a_size_that_fargate_lacks" {
  command = plan

  variables {
    cpu    = 1500
    memory = 2048
  }

  expect_failures = [var.cpu]
}

run "memory_that_does_not_go_with_the_cpu" {
  command = plan

  variables {
    cpu    = 256
    memory = 4096
  }

  expect_failures = [var.memory]
}

run "an_unknown_architecture" {
  command = plan

  variables {
    cpu_architecture = "RISCV"
  }

  expect_failures = [var.cpu_architecture]
}

run "public_addresses_on_ec2" {
  command = plan

  variables {
    launch_type      = "EC2"
    assign_public_ip = true
  }

  expect_failures = [var.assign_public_ip]
}

run "more_at_least_than_at_most" {
  command = plan

  variables {
    autoscaling = { min = 4, max = 2 }
  }

  expect_failures = [var.autoscaling]
}

run "a_load_that_cannot_be_kept" {
  command = plan

  variables {
    autoscaling = { cpu_percent = 99 }
  }

  expect_failures = [var.autoscaling]
}

run "settings_that_are_none_of_mesh" {
  command = plan

  variables {
    settings = { LOG_LEVEL = "DEBUG" }
  }

  expect_failures = [var.settings]
}

run "a_secret_in_clear" {
  command = plan

  variables {
    secrets = { CONSUL_HTTP_TOKEN = "hunter2" }
  }

  expect_failures = [var.secrets]
}

run "a_task_that_ecs_would_kill" {
  command = plan

  variables {
    drain_seconds = 300
  }

  expect_failures = [var.drain_seconds]
}

run "a_retention_that_cloudwatch_lacks" {
  command = plan

  variables {
    logs = { retention_days = 10 }
  }

  expect_failures = [var.logs]
}

run "an_unknown_log_level" {
  command = plan

  variables {
    logs = { level = "LOUD" }
  }

  expect_failures = [var.logs]
}

run "ipv6_alone" {
  command = plan

  variables {
    ip_address_type = "ipv6"
  }

  expect_failures = [var.ip_address_type]
}

run "clients_that_are_no_range" {
  command = plan

  variables {
    client_cidrs = ["office"]
  }

  expect_failures = [var.client_cidrs]
}

run "servers_that_are_no_range" {
  command = plan

  variables {
    upstream_cidrs = ["2001:db8::/32"]
  }

  expect_failures = [var.upstream_cidrs]
}

run "tls_that_ends_elsewhere" {
  command = plan

  variables {
    tls = { terminated_by = "cloudfront" }
  }

  expect_failures = [var.tls]
}

run "a_load_balancer_without_certificate" {
  command = plan

  variables {
    tls = { terminated_by = "load_balancer" }
  }

  expect_failures = [var.tls]
}

run "two_certificates" {
  command = plan

  variables {
    dns = { zone_id = "Z0123456789" }
    tls = { terminated_by = "load_balancer", certificate_names = ["a.example.com"], certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/0" }
  }

  expect_failures = [var.tls]
}

run "a_certificate_of_acm_for_mesh" {
  command = plan

  variables {
    tls = { certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/0" }
  }

  expect_failures = [var.tls]
}

run "tls_of_mesh_without_files" {
  command = plan

  variables {
    storage = { enabled = false }
    tls     = {}
  }

  expect_failures = [var.tls]
}

run "a_certificate_without_a_zone" {
  command = plan

  variables {
    tls = { terminated_by = "load_balancer", certificate_names = ["a.example.com"] }
  }

  expect_failures = [var.tls]
}

run "half_a_name" {
  command = plan

  variables {
    dns = { zone_id = "Z0123456789", names = ["shop"] }
  }

  expect_failures = [var.dns]
}
