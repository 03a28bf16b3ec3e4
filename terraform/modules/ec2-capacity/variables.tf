variable "name" {
  description = "Name of everything that is made, the capacity provider included."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}[a-z0-9]$", var.name)) && !can(regex("^(aws|ecs|fargate)", var.name))
    error_message = "name: 2 to 32 lower-case letters, digits and hyphens, not beginning with aws, ecs or fargate (ECS refuses these)."
  }
}

variable "cluster_name" {
  description = "The cluster that the instances join; attach the capacity provider to it (aws_ecs_cluster_capacity_providers)."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,255}$", var.cluster_name))
    error_message = "cluster_name: the name of the cluster, without its ARN."
  }
}

variable "vpc_id" {
  description = "The VPC of the instances."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^vpc-[0-9a-f]+$", var.vpc_id))
    error_message = "vpc_id: the id of a VPC, as vpc-0a1b2c3d."
  }
}

variable "subnet_ids" {
  description = "Subnets of the instances, with a way to ECS and registries of images."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.subnet_ids) >= 2 && length(distinct(var.subnet_ids)) == length(var.subnet_ids)
    error_message = "subnet_ids: at least two different subnets, so that one zone may fail."
  }

  validation {
    condition     = alltrue([for id in var.subnet_ids : can(regex("^subnet-[0-9a-f]+$", id))])
    error_message = "subnet_ids: ids of subnets, as subnet-0a1b2c3d; names and ARNs are none."
  }
}

variable "instance_type" {
  description = "Type of the instances. Each task in awsvpc mode takes one of its network interfaces: a t3.large has room for two, a c7g.large for two, with trunking (awsvpcTrunking) for ten."
  type        = string
  default     = "c7i.large"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9-]+\\.[a-z0-9-]+$", var.instance_type))
    error_message = "instance_type: one of EC2, as c7i.large."
  }

  validation {
    condition     = can(regex("^(a1|[a-z]+[0-9]+g[a-z]*)\\.", var.instance_type)) == (var.cpu_architecture == "ARM64")
    error_message = "instance_type: Graviton (a g behind the number, as c7g.large) goes with cpu_architecture ARM64, all others with X86_64."
  }
}

variable "cpu_architecture" {
  description = "X86_64 or ARM64, as the instance type."
  type        = string
  default     = "X86_64"
  nullable    = false

  validation {
    condition     = contains(["X86_64", "ARM64"], var.cpu_architecture)
    error_message = "cpu_architecture: X86_64 or ARM64."
  }
}

variable "min_instances" {
  description = "Instances at least."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = var.min_instances >= 0 && var.min_instances <= var.max_instances && floor(var.min_instances) == var.min_instances
    error_message = "min_instances: a whole number from 0 to max_instances."
  }
}

variable "max_instances" {
  description = "Instances at most."
  type        = number
  default     = 6
  nullable    = false

  validation {
    condition     = var.max_instances >= 1 && var.max_instances <= 5000 && floor(var.max_instances) == var.max_instances
    error_message = "max_instances: a whole number from 1 to 5000."
  }
}

variable "disk_gib" {
  description = "Disk of an instance, at least the 30 GiB of the image."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.disk_gib >= 30 && var.disk_gib <= 16384 && floor(var.disk_gib) == var.disk_gib
    error_message = "disk_gib: a whole number from 30, the size of the image, to 16384."
  }
}

variable "permissions_boundary_arn" {
  description = "Boundary of the role that is made."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:[a-z-]+:iam::(aws|[0-9]{12}):policy/.+$", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn: the ARN of a policy, as arn:aws:iam::ACCOUNT:policy/NAME."
  }
}

variable "tags" {
  description = "Tags of everything that is made."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(var.tags) <= 48
    error_message = "tags: at most 48 (AWS takes 50, and the module adds up to two)."
  }

  validation {
    condition     = alltrue([for key, value in var.tags : length(key) >= 1 && length(key) <= 128 && length(coalesce(value, " ")) <= 256])
    error_message = "tags: keys of 1 to 128 characters, values of up to 256."
  }

  validation {
    condition     = alltrue([for key, value in var.tags : !startswith(lower(key), "aws:") && can(regex("^[\\p{L}\\p{Z}\\p{N}_.:/=+@-]*$", "${key}${coalesce(value, " ")}"))])
    error_message = "tags: letters, digits, blanks and _ . : / = + - @, and no key that begins with aws:, which is reserved."
  }
}
