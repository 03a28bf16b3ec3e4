# Mesh on EC2 capacity.

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

run "ec2" {
  variables {
    launch_type        = "EC2"
    capacity_providers = { mesh-capacity = {} }
    cpu_architecture   = "ARM64"
    # No size of Fargate.
    cpu    = 1500
    memory = 3000
  }

  assert {
    condition     = toset(aws_ecs_task_definition.this.requires_compatibilities) == toset(["EC2"]) && aws_ecs_task_definition.this.network_mode == "awsvpc"
    error_message = "Tasks run on EC2 with interfaces of their own."
  }

  assert {
    condition     = one(aws_ecs_service.this.capacity_provider_strategy).capacity_provider == "mesh-capacity"
    error_message = "They run on the capacity provider that was named."
  }

  assert {
    condition     = aws_ecs_task_definition.this.runtime_platform[0].cpu_architecture == "ARM64"
    error_message = "The architecture is the one asked for."
  }

  assert {
    condition     = contains(local.describe_actions, "ec2:DescribeInstances") && contains(local.cluster_actions, "ecs:DescribeContainerInstances")
    error_message = "Tasks in bridge mode are found, too."
  }
}

run "ec2_without_tasks_in_bridge_mode" {
  variables {
    launch_type        = "EC2"
    discover_instances = false
  }

  assert {
    condition     = aws_ecs_service.this.launch_type == "EC2" && !contains(local.describe_actions, "ec2:DescribeInstances")
    error_message = "What is not discovered is not granted."
  }
}

run "capacity" {
  module {
    source = "./modules/ec2-capacity"
  }

  variables {
    name         = "mesh-capacity"
    cluster_name = "shop"
  }

  assert {
    condition     = aws_launch_template.this.metadata_options[0].http_tokens == "required" && strcontains(base64decode(aws_launch_template.this.user_data), "\nECS_CLUSTER=shop\nECS_AWSVPC_BLOCK_IMDS=true\n")
    error_message = "Instances join the cluster, and keep their credentials from containers."
  }

  assert {
    condition     = aws_iam_role_policy_attachment.instance.policy_arn == "arn:aws-us-gov:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
    error_message = "The partition is that of the account."
  }

  assert {
    condition     = aws_autoscaling_group.this.protect_from_scale_in && aws_ecs_capacity_provider.this.auto_scaling_group_provider[0].managed_draining == "ENABLED"
    error_message = "Tasks leave an instance before it goes."
  }
}
