# What AWS would refuse, some of it minutes into an apply, and what would not do what it says: in each run one value of
# several variables, for each of which that has to fail.

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

run "names_of_what_is_known_by_id" {
  command = plan

  variables {
    name                     = "internal-mesh"
    subnet_ids               = ["private-a", "private-b"]
    load_balancer_subnet_ids = ["arn:aws:ec2:eu-central-1:123456789012:subnet/subnet-0c", "subnet-0d"]
    cluster_arn              = "arn:aws-us-gov:ecs:us-gov-east-1:123456789012:cluster/shop"
    discover_cluster_arns    = ["arn:aws-us-gov:ecs:us-gov-west-1:210987654321:cluster/shop"]
    image_repository_arns    = ["arn:aws-us-gov:ecr:us-gov-west-1:123456789012:repository/*"]
    logs                     = { kms_key_arn = "alias/logs" }
    storage                  = { kms_key_arn = "0123" }
    permissions_boundary_arn = "boundary"
    dns                      = { zone_id = "example.com", names = ["shop.example.com"] }
  }

  expect_failures = [var.name, var.subnet_ids, var.load_balancer_subnet_ids, var.cluster_arn, var.discover_cluster_arns, var.image_repository_arns, var.logs, var.storage, var.permissions_boundary_arn, var.dns]
}

run "nothing_and_too_little" {
  command = plan

  variables {
    subnet_ids               = []
    load_balancer_subnet_ids = []
    client_cidrs             = []
    autoscaling              = { min = 0 }
    capacity_providers       = { FARGATE = { weight = 0 }, FARGATE_SPOT = { weight = 0 } }
    drain_seconds            = 0
    tls                      = { terminated_by = "load_balancer" }
    image                    = "registry.example.com/mesh@sha256:0123"
  }

  expect_failures = [var.subnet_ids, var.load_balancer_subnet_ids, var.client_cidrs, var.autoscaling, var.capacity_providers, var.drain_seconds, var.tls, var.image]
}

run "too_much" {
  command = plan

  variables {
    autoscaling        = { max = 5001 }
    capacity_providers = { FARGATE = { weight = 1001 } }
    tags               = { for place in range(49) : "tag-${place}" => "x" }
    dns                = { zone_id = "Z0123456789" }
    tls                = { terminated_by = "load_balancer", certificate_names = ["a-name-of-more-than-sixty-four-characters.in-a-zone-of.example.com"] }
    client_cidrs       = ["10.0.0.0/33"]
    upstream_cidrs     = ["10.0.0.0"]
    image              = "registry.example.com:5000/mesh"
  }

  expect_failures = [var.autoscaling, var.capacity_providers, var.tags, var.tls, var.client_cidrs, var.upstream_cidrs, var.image]
}

run "the_same_twice" {
  command = plan

  variables {
    discover_cluster_arns = ["arn:aws-us-gov:ecs:us-gov-west-1:123456789012:cluster/shop", "arn:aws-us-gov:ecs:us-gov-west-1:123456789012:cluster/shop"]
    client_cidrs          = ["10.0.0.0/8", "10.0.0.0/8"]
    upstream_cidrs        = ["10.0.0.0/8", "10.0.0.0/8"]
    dns                   = { zone_id = "Z0123456789", names = ["shop.example.com", "shop.example.com"] }
    settings              = { CONSUL_HTTP_TOKEN = "x" }
    secrets               = { CONSUL_HTTP_TOKEN = "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:consul-AbCdEf" }
  }

  expect_failures = [var.discover_cluster_arns, var.client_cidrs, var.upstream_cidrs, var.dns, var.secrets]
}

run "a_certificate_with_a_name_twice" {
  command = plan

  variables {
    dns = { zone_id = "Z0123456789" }
    tls = { terminated_by = "load_balancer", certificate_names = ["a.example.com", "a.example.com"] }
  }

  expect_failures = [var.tls]
}

run "halves" {
  command = plan

  variables {
    autoscaling        = { min = 2.5 }
    drain_seconds      = 30.5
    capacity_providers = { FARGATE = { base = 1.5 } }
    client_cidrs       = ["10.1.2.3/8"]
    upstream_cidrs     = ["10.1.2.3/16"]
    secrets            = { CONSUL_HTTP_TOKEN = "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:consul-AbCdEf:token" }
    tags               = { owner = join("", [for _ in range(257) : "x"]) }
    dns                = { zone_id = "Z0123456789" }
    tls                = { terminated_by = "load_balancer", certificate_names = ["shop"] }
  }

  expect_failures = [var.autoscaling, var.drain_seconds, var.capacity_providers, var.client_cidrs, var.upstream_cidrs, var.secrets, var.tags, var.tls]
}

run "characters_that_are_not_taken" {
  command = plan

  variables {
    tags         = { owner = "shop & blog" }
    client_cidrs = ["2001:0db8::/32"]
    secrets      = { "consul-token" = "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:consul-AbCdEf" }
    tls          = { terminated_by = "load_balancer", certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/0", ssl_policy = "TLSv1.2" }
  }

  expect_failures = [var.tags, var.client_cidrs, var.secrets, var.tls]
}

run "all_of_a_kind" {
  command = plan

  variables {
    tags    = { "AWS:owner" = "shop" }
    secrets = { CONSUL_HTTP_TOKEN = "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:*" }
    tls     = { terminated_by = "load_balancer", certificate_arn = "shop.example.com" }
  }

  expect_failures = [var.tags, var.secrets, var.tls]
}

run "an_image_in_ecr_that_nobody_may_pull" {
  command = plan

  variables {
    image                 = "123456789012.dkr.ecr.us-gov-west-1.amazonaws.com/mesh:0.1.0"
    image_repository_arns = []
  }

  expect_failures = [var.image_repository_arns]
}

run "a_zone_in_which_nothing_is_made" {
  command = plan

  variables {
    dns = { zone_id = "Z0123456789" }
    tls = null
  }

  expect_failures = [var.tls]
}

run "capacity_by_arn_and_half_a_unit" {
  command = plan

  variables {
    launch_type        = "EC2"
    capacity_providers = { "arn:aws-us-gov:ecs:us-gov-west-1:123456789012:capacity-provider/mesh" = {} }
    cpu                = 1024.5
  }

  expect_failures = [var.capacity_providers, var.cpu]
}

run "too_little_memory_on_ec2" {
  command = plan

  variables {
    launch_type = "EC2"
    memory      = 64
  }

  expect_failures = [var.memory]
}

run "nothing_said" {
  command = plan

  variables {
    name                  = null
    tags                  = null
    discover_cluster_arns = null
    exposed_by_default    = null
    push_discovery        = null
    image_repository_arns = null
    launch_type           = null
    capacity_providers    = null
    cpu                   = null
    memory                = null
    settings              = null
    secrets               = null
    drain_seconds         = null
    client_cidrs          = null
    upstream_cidrs        = null
    deletion_protection   = null
  }
}

run "what_is_allowed" {
  command = plan

  variables {
    client_cidrs             = ["192.0.2.7/32", "2001:db8::/32", "0.0.0.0/0", "::/0"]
    tags                     = { "cost center" = "Straße @ 7", empty = "" }
    image                    = "registry.example.com:5000/team/mesh:0.1.0@sha256:${sha256("mesh")}"
    dns                      = { zone_id = "Z0123456789", names = ["*.example.com"] }
    logs                     = { kms_key_arn = "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef" }
    permissions_boundary_arn = "arn:aws-us-gov:iam::123456789012:policy/team/boundary"
    capacity_providers       = { FARGATE = { base = 1, weight = 0 }, FARGATE_SPOT = {} }
  }
}
