# An AWS that answers with what looks like its own; nothing is called.

mock_data "aws_partition" {
  defaults = {
    partition  = "aws-us-gov"
    dns_suffix = "amazonaws.com"
  }
}

mock_data "aws_region" {
  defaults = { name = "us-gov-west-1" }
}

mock_data "aws_caller_identity" {
  defaults = { account_id = "123456789012" }
}

mock_data "aws_vpc" {
  defaults = { cidr_block = "10.20.0.0/16" }
}

mock_data "aws_subnet" {
  defaults = { cidr_block = "10.20.1.0/24" }
}

mock_data "aws_iam_policy_document" {
  defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
}

mock_data "aws_ecs_cluster" {
  defaults = { arn = "arn:aws-us-gov:ecs:us-gov-west-1:123456789012:cluster/shop" }
}

mock_data "aws_availability_zones" {
  defaults = { names = ["us-gov-west-1a", "us-gov-west-1b", "us-gov-west-1c"] }
}

mock_resource "aws_vpc" {
  defaults = { id = "vpc-0123456789abcdef0" }
}

mock_resource "aws_subnet" {
  defaults = { id = "subnet-0123456789abcdef0" }
}

mock_resource "aws_lb" {
  defaults = {
    arn      = "arn:aws-us-gov:elasticloadbalancing:us-gov-west-1:123456789012:loadbalancer/net/mesh/0123456789abcdef"
    dns_name = "mesh-0123456789abcdef.elb.us-gov-west-1.amazonaws.com"
    zone_id  = "ZMG1MZ2THAWF1"
  }
}

mock_resource "aws_lb_target_group" {
  defaults = { arn = "arn:aws-us-gov:elasticloadbalancing:us-gov-west-1:123456789012:targetgroup/mesh-web/0123456789abcdef" }
}

mock_resource "aws_iam_role" {
  defaults = { arn = "arn:aws-us-gov:iam::123456789012:role/mesh" }
}

mock_resource "aws_iam_instance_profile" {
  defaults = { arn = "arn:aws-us-gov:iam::123456789012:instance-profile/mesh" }
}

mock_resource "aws_cloudwatch_log_group" {
  defaults = { arn = "arn:aws-us-gov:logs:us-gov-west-1:123456789012:log-group:/ecs/mesh" }
}

mock_resource "aws_sns_topic" {
  defaults = { arn = "arn:aws-us-gov:sns:us-gov-west-1:123456789012:mesh-events" }
}

mock_resource "aws_cloudwatch_event_rule" {
  defaults = { arn = "arn:aws-us-gov:events:us-gov-west-1:123456789012:rule/mesh-tasks" }
}

mock_resource "aws_efs_file_system" {
  defaults = {
    id  = "fs-0123456789abcdef0"
    arn = "arn:aws-us-gov:elasticfilesystem:us-gov-west-1:123456789012:file-system/fs-0123456789abcdef0"
  }
}

mock_resource "aws_efs_access_point" {
  defaults = {
    id  = "fsap-0123456789abcdef0"
    arn = "arn:aws-us-gov:elasticfilesystem:us-gov-west-1:123456789012:access-point/fsap-0123456789abcdef0"
  }
}

mock_resource "aws_ecs_cluster" {
  defaults = {
    id  = "arn:aws-us-gov:ecs:us-gov-west-1:123456789012:cluster/mesh"
    arn = "arn:aws-us-gov:ecs:us-gov-west-1:123456789012:cluster/mesh"
  }
}

mock_resource "aws_ecs_task_definition" {
  defaults = { arn = "arn:aws-us-gov:ecs:us-gov-west-1:123456789012:task-definition/mesh:1" }
}

mock_resource "aws_ecs_service" {
  defaults = { id = "arn:aws-us-gov:ecs:us-gov-west-1:123456789012:service/shop/mesh" }
}

mock_resource "aws_acm_certificate" {
  defaults = {
    arn = "arn:aws-us-gov:acm:us-gov-west-1:123456789012:certificate/01234567-89ab-cdef-0123-456789abcdef"
    domain_validation_options = [
      {
        domain_name           = "shop.example.com"
        resource_record_name  = "_proof.shop.example.com"
        resource_record_type  = "CNAME"
        resource_record_value = "_answer.acm-validations.aws"
      },
    ]
  }
}

mock_resource "aws_acm_certificate_validation" {
  defaults = { certificate_arn = "arn:aws-us-gov:acm:us-gov-west-1:123456789012:certificate/01234567-89ab-cdef-0123-456789abcdef" }
}

mock_resource "aws_autoscaling_group" {
  defaults = { arn = "arn:aws-us-gov:autoscaling:us-gov-west-1:123456789012:autoScalingGroup:01234567-89ab-cdef-0123-456789abcdef:autoScalingGroupName/mesh" }
}

mock_resource "aws_launch_template" {
  defaults = { id = "lt-0123456789abcdef0", latest_version = 1 }
}
