# Two roles: ECS starts a task with the first, Mesh reads with the second. Neither can change what runs.

locals {
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
      # Not for tasks of other accounts that name this role.
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:ecs:${local.region}:${local.account}:*" }
      }
    }]
  })

  # Without the key of its JSON, stage and version: arn:...:secret:NAME:KEY:STAGE:VERSION is the secret arn:...:secret:NAME.
  secrets    = distinct([for arn in values(var.secrets) : join(":", slice(split(":", arn), 0, 7)) if strcontains(arn, ":secretsmanager:")])
  parameters = distinct([for arn in values(var.secrets) : arn if strcontains(arn, ":ssm:")])
}

resource "aws_iam_role" "execution" {
  name                 = "${var.name}-execution"
  description          = "Starts tasks of ${var.name}: image, secrets, logs"
  assume_role_policy   = local.assume_role_policy
  permissions_boundary = var.permissions_boundary_arn
  tags                 = local.tags
}

resource "aws_iam_role_policy" "execution" {
  name = "start"
  role = aws_iam_role.execution.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid      = "Log"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.this.arn}:*"
      }],
      length(var.image_repository_arns) == 0 ? [] : [
        {
          # Knows no narrower resource.
          Sid      = "PullLogin"
          Effect   = "Allow"
          Action   = ["ecr:GetAuthorizationToken"]
          Resource = ["*"]
        },
        {
          Sid      = "Pull"
          Effect   = "Allow"
          Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
          Resource = var.image_repository_arns
        },
      ],
      length(local.secrets) == 0 ? [] : [{
        Sid      = "Secrets"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = local.secrets
      }],
      length(local.parameters) == 0 ? [] : [{
        Sid      = "Parameters"
        Effect   = "Allow"
        Action   = ["ssm:GetParameters"]
        Resource = local.parameters
      }],
    )
  })
}

resource "aws_iam_role" "task" {
  name                 = "${var.name}-task"
  description          = "What ${var.name} may read while it runs"
  assume_role_policy   = local.assume_role_policy
  permissions_boundary = var.permissions_boundary_arn
  tags                 = local.tags
}

# What each call is for: docs/ecs.md, Rights.
locals {
  describe_actions = concat(
    ["ecs:DescribeTaskDefinition"],
    local.discover_instances ? ["ec2:DescribeInstances"] : [],
    var.discover_anywhere ? ["ssm:DescribeInstanceInformation"] : [],
  )
  cluster_actions = concat(
    ["ecs:ListTasks", "ecs:DescribeTasks", "ecs:DescribeServices"],
    local.discover_instances || var.discover_anywhere ? ["ecs:DescribeContainerInstances"] : [],
  )
}

resource "aws_iam_role_policy" "discovery" {
  name = "discovery"
  role = aws_iam_role.task.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # None of these knows a narrower resource.
        Sid      = "Describe"
        Effect   = "Allow"
        Action   = local.describe_actions
        Resource = "*"
      },
      {
        Sid      = "Clusters"
        Effect   = "Allow"
        Action   = ["ecs:DescribeClusters"]
        Resource = local.clusters
      },
      {
        # With an ARN for its resource, ListTasks refuses the list of a whole cluster: the condition is the bound.
        Sid       = "Discover"
        Effect    = "Allow"
        Action    = local.cluster_actions
        Resource  = "*"
        Condition = { ArnEquals = { "ecs:cluster" = local.clusters } }
      },
    ]
  })
}

locals {
  queue_prefix = "${var.name}-events-"
}

resource "aws_iam_role_policy" "events" {
  count = var.push_discovery ? 1 : 0

  name = "events"
  role = aws_iam_role.task.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "OwnQueues"
        Effect = "Allow"
        Action = [
          "sqs:CreateQueue", "sqs:DeleteQueue", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ListQueueTags",
          "sqs:ReceiveMessage", "sqs:SetQueueAttributes", "sqs:TagQueue",
        ]
        Resource = "arn:${local.partition}:sqs:${local.region}:${local.account}:${local.queue_prefix}*"
      },
      {
        # To find those that were made and never subscribed. Knows no narrower resource.
        Sid      = "LeftQueues"
        Effect   = "Allow"
        Action   = ["sqs:ListQueues"]
        Resource = "*"
      },
      {
        # Subscribes queues, and nothing that could carry events out of the account.
        Sid       = "Subscribe"
        Effect    = "Allow"
        Action    = ["sns:Subscribe"]
        Resource  = aws_sns_topic.events[0].arn
        Condition = { StringEquals = { "sns:Protocol" = "sqs" }, ArnLike = { "sns:Endpoint" = "arn:${local.partition}:sqs:${local.region}:${local.account}:${local.queue_prefix}*" } }
      },
      {
        Sid      = "Unsubscribe"
        Effect   = "Allow"
        Action   = ["sns:ListSubscriptionsByTopic", "sns:Unsubscribe"]
        Resource = [aws_sns_topic.events[0].arn, "${aws_sns_topic.events[0].arn}:*"]
      },
    ]
  })
}

resource "aws_iam_role_policy" "storage" {
  count = var.storage.enabled ? 1 : 0

  name = "storage"
  role = aws_iam_role.task.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "State"
        Effect    = "Allow"
        Action    = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
        Resource  = aws_efs_file_system.this[0].arn
        Condition = { StringEquals = { "elasticfilesystem:AccessPointArn" = aws_efs_access_point.this["state"].arn } }
      },
      {
        Sid       = "Config"
        Effect    = "Allow"
        Action    = ["elasticfilesystem:ClientMount"]
        Resource  = aws_efs_file_system.this[0].arn
        Condition = { StringEquals = { "elasticfilesystem:AccessPointArn" = aws_efs_access_point.this["config"].arn } }
      },
    ]
  })
}
