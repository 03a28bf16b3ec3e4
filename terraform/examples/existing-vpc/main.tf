terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.80, < 6"
    }
  }
}

provider "aws" {
  region = var.region
}

data "aws_ecs_cluster" "this" {
  cluster_name = var.cluster_name
}

module "mesh" {
  source = "../.."

  name                     = var.name
  vpc_id                   = var.vpc_id
  subnet_ids               = var.subnet_ids
  load_balancer_subnet_ids = var.load_balancer_subnet_ids
  cluster_arn              = data.aws_ecs_cluster.this.arn
  image                    = var.image
  image_repository_arns    = var.image_repository_arns

  # Within the company: an internal load balancer, certificates of one's own on the file system (docs/deploy/aws.md),
  # a bound on roles, a key of one's own.
  internal                 = true
  client_cidrs             = var.client_cidrs
  tls                      = { terminated_by = "mesh" }
  storage                  = { kms_key_arn = var.kms_key_arn }
  permissions_boundary_arn = var.permissions_boundary_arn
  logs                     = { retention_days = 90, access = true }
  autoscaling              = { min = 3, max = 12 }
  capacity_providers       = { FARGATE = { base = 2 }, FARGATE_SPOT = { weight = 2 } }
}

output "load_balancer_dns_name" {
  description = "What names should be aliases of."
  value       = module.mesh.load_balancer_dns_name
}

output "file_system_id" {
  description = "Where certificates go, through the access point beside."
  value       = module.mesh.file_system_id
}

output "config_access_point_id" {
  description = "The directory of that file system that Mesh reads."
  value       = module.mesh.config_access_point_id
}
