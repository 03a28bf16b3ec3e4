# ECS tells of changes: rules of EventBridge -> one topic -> a queue for each replica, which it makes and removes itself.

locals {
  # Services of a cluster by their ARN: ...:cluster/shop -> ...:service/shop/
  service_prefixes = [for arn in local.clusters : "${replace(arn, ":cluster/", ":service/")}/"]

  patterns = {
    tasks = jsonencode({
      source        = ["aws.ecs"]
      "detail-type" = ["ECS Task State Change", "ECS Container Instance State Change", "ECS Service Action"]
      detail        = { clusterArn = local.clusters }
    })
    # These name no cluster.
    deployments = jsonencode({
      source        = ["aws.ecs"]
      "detail-type" = ["ECS Deployment State Change"]
      resources     = [for prefix in local.service_prefixes : { prefix = prefix }]
    })
    tags = jsonencode({
      source        = ["aws.tag"]
      "detail-type" = ["Tag Change on Resource"]
      resources     = [for prefix in local.service_prefixes : { prefix = prefix }]
    })
  }
  rules = var.push_discovery ? local.patterns : {}
}

resource "aws_cloudwatch_event_rule" "this" {
  for_each = local.rules

  name          = "${var.name}-${each.key}"
  description   = "Changes in ECS that ${var.name} routes by"
  event_pattern = each.value
  tags          = local.tags
}

resource "aws_cloudwatch_event_target" "this" {
  for_each = local.rules

  rule      = aws_cloudwatch_event_rule.this[each.key].name
  target_id = "topic"
  arn       = aws_sns_topic.events[0].arn
}

resource "aws_sns_topic" "events" {
  count = var.push_discovery ? 1 : 0

  name = "${var.name}-events"
  tags = local.tags
}

resource "aws_sns_topic_policy" "events" {
  count = var.push_discovery ? 1 : 0

  arn = aws_sns_topic.events[0].arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Rules"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.events[0].arn
      # No condition: EventBridge names no source to topics, and one on it would keep all events out. What others could
      # publish through EventBridge is a hint where to look, no more.
    }]
  })
}
