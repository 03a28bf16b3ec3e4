# What the files of this module share.

data "aws_partition" "this" {}

data "aws_region" "this" {}

data "aws_caller_identity" "this" {}

data "aws_vpc" "this" {
  id = var.vpc_id
}

# By place, because the ids may not be known before they are made.
data "aws_subnet" "load_balancer" {
  count = length(var.load_balancer_subnet_ids)
  id    = var.load_balancer_subnet_ids[count.index]
}

locals {
  partition = data.aws_partition.this.partition
  region    = data.aws_region.this.name
  account   = data.aws_caller_identity.this.account_id

  clusters           = length(var.discover_cluster_arns) > 0 ? var.discover_cluster_arns : [var.cluster_arn]
  discover_instances = coalesce(var.discover_instances, var.launch_type == "EC2")

  # Peers whose PROXY headers count: the load balancer's own addresses.
  load_balancer_cidrs = data.aws_subnet.load_balancer[*].cidr_block
  upstream_cidrs      = length(var.upstream_cidrs) > 0 ? var.upstream_cidrs : [data.aws_vpc.this.cidr_block]

  # Ports of the container; a user that is not root takes none below 1024.
  ports = merge({ web = 8000 }, var.tls == null ? {} : { websecure = 8443 })
  admin = 8080

  tags = merge({ "mesh:module" = var.name }, var.tags)
}
