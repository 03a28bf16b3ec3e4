# What the roles may do, to the letter.

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

run "roles" {
  assert {
    condition     = aws_ecs_task_definition.this.execution_role_arn == aws_iam_role.execution.arn && aws_iam_role.execution.name != aws_iam_role.task.name
    error_message = "Starting a task and reading AWS are two roles."
  }

  assert {
    condition = alltrue([
      for role in [aws_iam_role.execution, aws_iam_role.task] : jsondecode(role.assume_role_policy).Statement[0].Condition == {
        StringEquals = { "aws:SourceAccount" = "123456789012" }
        ArnLike      = { "aws:SourceArn" = "arn:aws-us-gov:ecs:us-gov-west-1:123456789012:*" }
      }
    ])
    error_message = "Only tasks of this account get them."
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.discovery.policy).Statement == [
      { Sid = "Describe", Effect = "Allow", Action = ["ecs:DescribeTaskDefinition"], Resource = "*" },
      { Sid = "Clusters", Effect = "Allow", Action = ["ecs:DescribeClusters"], Resource = [var.cluster_arn] },
      {
        Sid       = "Discover", Effect = "Allow", Action = ["ecs:ListTasks", "ecs:DescribeTasks", "ecs:DescribeServices"], Resource = "*"
        Condition = { ArnEquals = { "ecs:cluster" = [var.cluster_arn] } }
      },
    ]
    error_message = "On Fargate Mesh reads the tasks of this cluster, and nothing else."
  }

  assert {
    condition     = [for statement in jsondecode(aws_iam_role_policy.execution.policy).Statement : statement.Action] == [["logs:CreateLogStream", "logs:PutLogEvents"]]
    error_message = "Without ECR and secrets, starting a task means logging."
  }

  assert {
    condition = one([
      for statement in jsondecode(aws_iam_role_policy.events[0].policy).Statement : statement.Resource if contains(statement.Action, "sqs:CreateQueue")
    ]) == "arn:aws-us-gov:sqs:us-gov-west-1:123456789012:mesh-events-*"
    error_message = "Replicas make and read queues of this name alone."
  }

  assert {
    condition = sort(flatten([for statement in jsondecode(aws_iam_role_policy.events[0].policy).Statement : statement.Action])) == sort([
      "sns:ListSubscriptionsByTopic", "sns:Subscribe", "sns:Unsubscribe", "sqs:CreateQueue", "sqs:DeleteMessage", "sqs:DeleteQueue",
      "sqs:GetQueueAttributes", "sqs:ListQueueTags", "sqs:ListQueues", "sqs:ReceiveMessage", "sqs:SetQueueAttributes", "sqs:TagQueue",
    ])
    error_message = "The policy for events is the one in docs/ecs.md."
  }

  assert {
    condition = one([
      for statement in jsondecode(aws_iam_role_policy.events[0].policy).Statement : statement if contains(statement.Action, "sns:Subscribe")
      ]) == {
      Sid      = "Subscribe"
      Effect   = "Allow"
      Action   = ["sns:Subscribe"]
      Resource = aws_sns_topic.events[0].arn
      Condition = {
        StringEquals = { "sns:Protocol" = "sqs" }
        ArnLike      = { "sns:Endpoint" = "arn:aws-us-gov:sqs:us-gov-west-1:123456789012:mesh-events-*" }
      }
    }
    error_message = "They subscribe queues of this name to this topic alone."
  }

  assert {
    condition = length([
      for action in flatten([
        for policy in concat([aws_iam_role_policy.discovery, aws_iam_role_policy.execution], aws_iam_role_policy.events, aws_iam_role_policy.storage) :
        [for statement in jsondecode(policy.policy).Statement : statement.Action]
      ]) : action if strcontains(action, "*")
    ]) == 0
    error_message = "Each action is named."
  }
}

run "several_clusters_and_machines_elsewhere" {
  variables {
    discover_cluster_arns = [
      "arn:aws-us-gov:ecs:us-gov-west-1:123456789012:cluster/shop",
      "arn:aws-us-gov:ecs:us-gov-west-1:123456789012:cluster/blog",
    ]
    discover_anywhere = true
  }

  assert {
    condition     = local.environment.MESH_PROVIDERS_ECS_CLUSTERS == join(",", var.discover_cluster_arns) && local.environment.MESH_PROVIDERS_ECS_ECSANYWHERE == "true"
    error_message = "Mesh reads both clusters."
  }

  assert {
    condition     = contains(local.describe_actions, "ssm:DescribeInstanceInformation") && contains(local.cluster_actions, "ecs:DescribeContainerInstances") && !contains(local.describe_actions, "ec2:DescribeInstances")
    error_message = "ECS Anywhere is granted, EC2 is not."
  }

  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.this["tasks"].event_pattern).detail.clusterArn == [for arn in var.discover_cluster_arns : arn]
    error_message = "Events of both clusters count."
  }

  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.this["tags"].event_pattern).resources[1].prefix == "arn:aws-us-gov:ecs:us-gov-west-1:123456789012:service/blog/"
    error_message = "Changed tags of services count, too."
  }

  assert {
    condition = jsondecode(aws_sns_topic_policy.events[0].policy).Statement == [{
      Sid       = "Rules"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.events[0].arn
    }]
    error_message = "EventBridge publishes, on no condition: it would meet none."
  }
}
