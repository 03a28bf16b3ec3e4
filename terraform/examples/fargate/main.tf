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

resource "aws_ecs_cluster" "this" {
  name = var.name
}

module "network" {
  source = "../network"

  name = var.name
}

module "mesh" {
  source = "../.."

  name                     = var.name
  vpc_id                   = module.network.vpc_id
  subnet_ids               = module.network.private_subnet_ids
  load_balancer_subnet_ids = module.network.public_subnet_ids
  cluster_arn              = aws_ecs_cluster.this.arn
  image                    = var.image
  image_repository_arns    = var.image_repository_arns
  # So that a trial can be destroyed again.
  deletion_protection = false

  # With a zone of Route 53: names, and a certificate for them.
  dns = var.zone_id == null ? null : { zone_id = var.zone_id, names = [var.hello_host] }
  tls = var.zone_id == null ? null : { terminated_by = "load_balancer", certificate_names = [var.hello_host] }
}

output "try" {
  description = "A request to the sample service, once its tasks run."
  value       = "curl -H 'Host: ${var.hello_host}' http://${module.mesh.load_balancer_dns_name}/"
}
