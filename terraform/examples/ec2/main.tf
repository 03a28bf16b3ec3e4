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

module "capacity" {
  source = "../../modules/ec2-capacity"

  name             = "${var.name}-capacity"
  cluster_name     = aws_ecs_cluster.this.name
  vpc_id           = module.network.vpc_id
  subnet_ids       = module.network.private_subnet_ids
  instance_type    = var.instance_type
  cpu_architecture = var.cpu_architecture
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = [module.capacity.capacity_provider_name]
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
  launch_type              = "EC2"
  capacity_providers       = { "${var.name}-capacity" = {} }
  cpu_architecture         = var.cpu_architecture
  # So that a trial can be destroyed again.
  deletion_protection = false

  depends_on = [aws_ecs_cluster_capacity_providers.this]
}

output "try" {
  description = "A request to the sample service, once its tasks run."
  value       = "curl -H 'Host: ${var.hello_host}' http://${module.mesh.load_balancer_dns_name}/"
}
