variable "name" {
  description = "Name of everything that is made, the capacity provider included."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}[a-z0-9]$", var.name)) && !can(regex("^(aws|ecs|fargate)", var.name))
    error_message = "name: 2 to 32 lower-case letters, digits and hyphens, not beginning with aws, ecs or fargate (ECS refuses these)."
  }
}

variable "cluster_name" {
  description = "The cluster that the instances join; attach the capacity provider to it (aws_ecs_cluster_capacity_providers)."
  type        = string
}

variable "vpc_id" {
  description = "The VPC of the instances."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of the instances, with a way to ECS and registries of images."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids: at least two, so that one zone may fail."
  }
}

variable "instance_type" {
  description = "Type of the instances. Each task in awsvpc mode takes one of its network interfaces: a t3.large has room for two, a c7g.large for two, with trunking (awsvpcTrunking) for ten."
  type        = string
  default     = "c7i.large"
}

variable "cpu_architecture" {
  description = "X86_64 or ARM64, as the instance type."
  type        = string
  default     = "X86_64"

  validation {
    condition     = contains(["X86_64", "ARM64"], var.cpu_architecture)
    error_message = "cpu_architecture: X86_64 or ARM64."
  }
}

variable "min_instances" {
  description = "Instances at least."
  type        = number
  default     = 2

  validation {
    condition     = var.min_instances >= 0 && var.min_instances <= var.max_instances
    error_message = "min_instances: from 0 to max_instances."
  }
}

variable "max_instances" {
  description = "Instances at most."
  type        = number
  default     = 6
}

variable "disk_gib" {
  description = "Disk of an instance, at least the 30 GiB of the image."
  type        = number
  default     = 30

  validation {
    condition     = var.disk_gib >= 30
    error_message = "disk_gib: at least 30, the size of the image."
  }
}

variable "permissions_boundary_arn" {
  description = "Boundary of the role that is made."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of everything that is made."
  type        = map(string)
  default     = {}
}
