# What the module of instances refuses, before anything is made.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name         = "mesh-capacity"
  cluster_name = "shop"
  vpc_id       = "vpc-0123456789abcdef0"
  subnet_ids   = ["subnet-0a", "subnet-0b"]
}

run "names_that_are_none" {
  command = plan

  module {
    source = "./modules/ec2-capacity"
  }

  variables {
    name                     = "aws-capacity"
    cluster_name             = "arn:aws-us-gov:ecs:us-gov-west-1:123456789012:cluster/shop"
    vpc_id                   = "main"
    subnet_ids               = ["private-a", "private-b"]
    instance_type            = "large"
    permissions_boundary_arn = "boundary"
    tags                     = { "aws:owner" = "shop" }
    disk_gib                 = 20
    min_instances            = 7
  }

  expect_failures = [var.name, var.cluster_name, var.vpc_id, var.subnet_ids, var.instance_type, var.permissions_boundary_arn, var.tags, var.disk_gib, var.min_instances]
}

run "graviton_with_images_for_others" {
  command = plan

  module {
    source = "./modules/ec2-capacity"
  }

  variables {
    instance_type = "c7gn.large"
    subnet_ids    = ["subnet-0a", "subnet-0a"]
    min_instances = 1.5
  }

  expect_failures = [var.instance_type, var.subnet_ids, var.min_instances]
}

run "others_with_images_for_graviton" {
  command = plan

  module {
    source = "./modules/ec2-capacity"
  }

  variables {
    instance_type    = "g4dn.xlarge"
    cpu_architecture = "ARM64"
    min_instances    = 0
    max_instances    = 0
  }

  expect_failures = [var.instance_type, var.max_instances]
}

run "an_unknown_architecture_of_instances" {
  command = plan

  module {
    source = "./modules/ec2-capacity"
  }

  variables {
    cpu_architecture = "RISCV"
  }

  expect_failures = [var.cpu_architecture]
}

run "instances_of_graviton" {
  command = plan

  module {
    source = "./modules/ec2-capacity"
  }

  variables {
    instance_type    = "c7g.large"
    cpu_architecture = "ARM64"
    tags             = null
  }
}
