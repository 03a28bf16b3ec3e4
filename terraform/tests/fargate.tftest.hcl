# Mesh on Fargate as nobody has configured it, and with everything that can be asked for.

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

run "fargate_with_the_least" {
  assert {
    condition     = toset(aws_ecs_task_definition.this.requires_compatibilities) == toset(["FARGATE"]) && aws_ecs_service.this.launch_type == "FARGATE"
    error_message = "Tasks run on Fargate."
  }

  assert {
    condition     = aws_ecs_service.this.propagate_tags == null
    error_message = "Tags are not propagated to tasks."
  }

  assert {
    condition     = aws_ecs_service.this.deployment_minimum_healthy_percent == 100 && aws_ecs_service.this.deployment_circuit_breaker[0].rollback
    error_message = "A deploy takes nothing away, and goes back when it fails."
  }

  assert {
    condition     = keys(aws_lb_target_group.this) == ["web"] && length(aws_lb_listener.websecure) == 0
    error_message = "Without tls there is HTTP alone."
  }

  assert {
    condition     = length(aws_route53_record.this) == 0 && length(aws_acm_certificate.this) == 0
    error_message = "Names and certificates are made only when they are asked for."
  }

  assert {
    condition     = !local.container.privileged && local.container.readonlyRootFilesystem && local.container.user == "65532:65532" && local.container.linuxParameters.capabilities.drop == ["ALL"]
    error_message = "The container can neither write to itself nor be root."
  }

  assert {
    condition     = local.container.healthCheck.command == ["CMD", "/usr/local/bin/mesh", "healthcheck"]
    error_message = "ECS asks Mesh itself whether it lives."
  }

  assert {
    condition     = local.environment.MESH_SNAPSHOT_PATH == "/state/snapshot.json" && local.environment.MESH_PROVIDERS_FILE_DIRECTORY == "/config"
    error_message = "The snapshot is on the file system."
  }

  assert {
    condition     = aws_appautoscaling_target.this.resource_id == "service/shop/mesh" && aws_appautoscaling_target.this.min_capacity == 2
    error_message = "Autoscaling acts on the service of Mesh."
  }
}

run "fargate_without_storage_and_events" {
  variables {
    storage            = { enabled = false }
    push_discovery     = false
    capacity_providers = { FARGATE = { base = 1 }, FARGATE_SPOT = { weight = 3 } }
  }

  assert {
    condition     = length(aws_efs_file_system.this) == 0 && length(aws_ecs_task_definition.this.volume) == 0 && local.environment.MESH_SNAPSHOT_ENABLED == "false"
    error_message = "Without storage there is no file system and no snapshot."
  }

  assert {
    condition     = length(aws_sns_topic.events) == 0 && length(aws_cloudwatch_event_rule.this) == 0 && length(aws_iam_role_policy.events) == 0
    error_message = "Without push_discovery there is no topic, no rule and no right to make queues."
  }

  assert {
    condition     = length(aws_ecs_service.this.capacity_provider_strategy) == 2
    error_message = "Tasks are shared out between the capacity providers."
  }
}

run "keys_of_secrets" {
  variables {
    secrets = {
      CONSUL_HTTP_TOKEN = "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:mesh/all-AbCdEf:consul::"
      NOMAD_TOKEN       = "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:mesh/all-AbCdEf:nomad:AWSCURRENT:"
      MESH_LOG_LEVEL    = "arn:aws-us-gov:ssm:us-gov-west-1:123456789012:parameter/mesh/level"
    }
  }

  assert {
    condition     = toset([for secret in local.container.secrets : secret.valueFrom]) == toset(values(var.secrets))
    error_message = "ECS is told the key of each."
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.execution.policy).Statement : statement.Sid => statement.Resource if statement.Sid != "Log"
      } == {
      Secrets    = ["arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:mesh/all-AbCdEf"]
      Parameters = ["arn:aws-us-gov:ssm:us-gov-west-1:123456789012:parameter/mesh/level"]
    }
    error_message = "The execution role reads the secret itself, once, and the parameter."
  }

  assert {
    condition     = !contains([for variable in local.container.environment : variable.name], "MESH_LOG_LEVEL")
    error_message = "A variable that is a secret is no other one as well: ECS refuses it twice."
  }
}

run "settings_and_secrets_of_ones_own" {
  variables {
    settings              = { MESH_LOG_LEVEL = "DEBUG", MESH_WORKERS = "2" }
    secrets               = { CONSUL_HTTP_TOKEN = "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:consul-AbCdEf" }
    image_repository_arns = ["arn:aws-us-gov:ecr:us-gov-west-1:123456789012:repository/mesh"]
  }

  assert {
    condition     = local.environment.MESH_LOG_LEVEL == "DEBUG" && local.environment.MESH_WORKERS == "2"
    error_message = "Settings lie over those of the module."
  }

  assert {
    condition     = local.container.secrets == [{ name = "CONSUL_HTTP_TOKEN", valueFrom = var.secrets.CONSUL_HTTP_TOKEN }]
    error_message = "Secrets reach the container by reference."
  }

  assert {
    condition = toset(flatten([for statement in jsondecode(aws_iam_role_policy.execution.policy).Statement : statement.Action])) == toset([
      "logs:CreateLogStream", "logs:PutLogEvents", "ecr:GetAuthorizationToken", "ecr:BatchCheckLayerAvailability",
      "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "secretsmanager:GetSecretValue",
    ])
    error_message = "The execution role logs, pulls this image and reads this secret."
  }
}
