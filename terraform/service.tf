# The task and its service.

resource "aws_cloudwatch_log_group" "this" {
  name              = "/ecs/${var.name}"
  retention_in_days = var.logs.retention_days
  kms_key_id        = var.logs.kms_key_arn
  tags              = local.tags
}

locals {
  # The health check is a process of its own: variables reach it, flags would not.
  environment = merge(
    {
      MESH_LOG_LEVEL                      = var.logs.level
      MESH_LOG_FORMAT                     = "json"
      MESH_PING                           = "true"
      MESH_PROVIDERS_ECS_CLUSTERS         = join(",", local.clusters)
      MESH_PROVIDERS_ECS_REGION           = local.region
      MESH_PROVIDERS_ECS_EXPOSEDBYDEFAULT = tostring(var.exposed_by_default)
      # The load balancer's checks come with a PROXY header, mesh healthcheck from within without.
      MESH_ENTRYPOINTS_MESH_ADDRESS                  = ":${local.admin}"
      MESH_ENTRYPOINTS_MESH_PROXYPROTOCOL_TRUSTEDIPS = join(",", local.load_balancer_cidrs)
    },
    merge([
      for name, port in local.ports : {
        "MESH_ENTRYPOINTS_${upper(name)}_ADDRESS"                          = ":${port}"
        "MESH_ENTRYPOINTS_${upper(name)}_PROXYPROTOCOL_TRUSTEDIPS"         = join(",", local.load_balancer_cidrs)
        "MESH_ENTRYPOINTS_${upper(name)}_TRANSPORT_LIFECYCLE_GRACETIMEOUT" = "${var.drain_seconds}s"
      }
    ]...),
    var.tls == null ? {} : {
      MESH_ENTRYPOINTS_WEBSECURE_HTTP_TLS = "true"
      # Where clients see it, which is not where the container listens.
      MESH_ENTRYPOINTS_WEB_HTTP_REDIRECTIONS_ENTRYPOINT_TO = ":443"
    },
    var.logs.access ? { MESH_ACCESSLOG_FORMAT = "json" } : {},
    var.discover_anywhere ? { MESH_PROVIDERS_ECS_ECSANYWHERE = "true" } : {},
    var.push_discovery ? {
      MESH_PROVIDERS_ECS_EVENTS_TOPIC       = aws_sns_topic.events[0].arn
      MESH_PROVIDERS_ECS_EVENTS_QUEUEPREFIX = local.queue_prefix
    } : {},
    var.storage.enabled ? {
      MESH_SNAPSHOT_PATH            = "/state/snapshot.json"
      MESH_PROVIDERS_FILE_DIRECTORY = "/config"
      } : {
      MESH_SNAPSHOT_ENABLED = "false"
    },
    var.settings,
  )

  container = {
    name                   = "mesh"
    image                  = var.image
    essential              = true
    privileged             = false
    user                   = "${local.user}:${local.user}"
    readonlyRootFilesystem = true
    linuxParameters        = { capabilities = { drop = ["ALL"] } }
    ulimits                = [{ name = "nofile", softLimit = 65536, hardLimit = 65536 }]
    # Longer than Mesh waits for requests in flight.
    stopTimeout = var.drain_seconds + 10

    portMappings = [for port in concat(values(local.ports), [local.admin]) : { containerPort = port, hostPort = port, protocol = "tcp" }]
    # ECS takes a name once.
    environment = [for name, value in local.environment : { name = name, value = value } if !contains(keys(var.secrets), name)]
    secrets     = [for name, arn in var.secrets : { name = name, valueFrom = arn }]
    mountPoints = [for name, directory in local.directories : { sourceVolume = name, containerPath = "/${name}", readOnly = directory.read_only }]

    healthCheck = {
      command     = ["CMD", "/usr/local/bin/mesh", "healthcheck"]
      interval    = 10
      timeout     = 5
      retries     = 3
      startPeriod = 10
    }

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = aws_cloudwatch_log_group.this.name
        "awslogs-region"        = local.region
        "awslogs-stream-prefix" = "mesh"
      }
    }
  }
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.name
  requires_compatibilities = [var.launch_type]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn
  tags                     = local.tags

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }

  container_definitions = jsonencode([local.container])

  dynamic "volume" {
    for_each = local.directories

    content {
      name = volume.key

      efs_volume_configuration {
        file_system_id     = aws_efs_file_system.this[0].id
        transit_encryption = "ENABLED"

        authorization_config {
          access_point_id = aws_efs_access_point.this[volume.key].id
          iam             = "ENABLED"
        }
      }
    }
  }
}

resource "aws_ecs_service" "this" {
  name            = var.name
  cluster         = var.cluster_arn
  task_definition = aws_ecs_task_definition.this.arn
  desired_count   = var.autoscaling.min

  # One of the two; a change between them makes the service anew.
  launch_type = length(var.capacity_providers) == 0 ? var.launch_type : null

  dynamic "capacity_provider_strategy" {
    for_each = var.capacity_providers

    content {
      capacity_provider = capacity_provider_strategy.key
      weight            = capacity_provider_strategy.value.weight
      base              = capacity_provider_strategy.value.base
    }
  }

  # New tasks first: a deploy takes nothing away.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = 60
  availability_zone_rebalancing      = "ENABLED"
  wait_for_steady_state              = var.wait_for_steady_state

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.tasks.id]
    assign_public_ip = var.assign_public_ip
  }

  dynamic "load_balancer" {
    for_each = local.ports

    content {
      target_group_arn = aws_lb_target_group.this[load_balancer.key].arn
      container_name   = "mesh"
      container_port   = load_balancer.value
    }
  }

  # Without propagate_tags: copies on tasks freeze when these start.
  tags = local.tags

  lifecycle {
    # Autoscaling's.
    ignore_changes = [desired_count]
  }

  # A target group takes tasks once a listener uses it; and tasks need their rights and file system when they start.
  depends_on = [
    aws_lb_listener.web,
    aws_lb_listener.websecure,
    aws_iam_role_policy.execution,
    aws_iam_role_policy.discovery,
    aws_iam_role_policy.events,
    aws_iam_role_policy.storage,
    aws_efs_mount_target.this,
    aws_vpc_security_group_ingress_rule.tasks,
    aws_vpc_security_group_ingress_rule.storage,
    aws_vpc_security_group_egress_rule.upstream,
    aws_vpc_security_group_egress_rule.https,
    aws_vpc_security_group_egress_rule.storage,
  ]
}
