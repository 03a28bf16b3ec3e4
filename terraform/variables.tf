# What there is already

variable "name" {
  description = "Name of everything that is made, and the first part of the names of queues that replicas make."
  type        = string
  default     = "mesh"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,22}[a-z0-9]$", var.name)) && !startswith(var.name, "internal-")
    error_message = "name: 2 to 24 lower-case letters, digits and hyphens, beginning with a letter and not ending with a hyphen, and not internal-… (target groups add up to 8 characters, and may have 32)."
  }
}

variable "vpc_id" {
  description = "The VPC of load balancer and tasks."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^vpc-[0-9a-f]+$", var.vpc_id))
    error_message = "vpc_id: the id of a VPC, as vpc-0a1b2c3d."
  }
}

variable "subnet_ids" {
  description = "Subnets of the tasks, best private ones, each in a zone of its own (a file system has one door per zone). They need a way to ECS, CloudWatch Logs, SNS, SQS and the registry of the image: NAT or VPC endpoints."
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

variable "load_balancer_subnet_ids" {
  description = "Subnets of the load balancer, in the same zones as the tasks; public ones unless it is internal. Their ranges are the only peers whose PROXY headers Mesh believes: let nobody else live in them."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.load_balancer_subnet_ids) >= 2 && length(distinct(var.load_balancer_subnet_ids)) == length(var.load_balancer_subnet_ids)
    error_message = "load_balancer_subnet_ids: at least two different subnets, so that one zone may fail."
  }

  validation {
    condition     = alltrue([for id in var.load_balancer_subnet_ids : can(regex("^subnet-[0-9a-f]+$", id))])
    error_message = "load_balancer_subnet_ids: ids of subnets, as subnet-0a1b2c3d; names and ARNs are none."
  }
}

variable "cluster_arn" {
  description = "The ECS cluster that Mesh runs in."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z-]+:ecs:[a-z0-9-]+:[0-9]{12}:cluster/[A-Za-z0-9_-]+$", var.cluster_arn))
    error_message = "cluster_arn: the ARN of an ECS cluster, as arn:aws:ecs:REGION:ACCOUNT:cluster/NAME; a name is not enough."
  }

  validation {
    condition     = try(slice(split(":", var.cluster_arn), 3, 5), []) == tolist([local.region, local.account]) || !can(regex("^arn:[^:]+:ecs:[^:]+:[0-9]{12}:cluster/", var.cluster_arn))
    error_message = "cluster_arn: a cluster of the region and account of the provider; give the module a provider of that region (providers = { aws = aws.REGION })."
  }
}

variable "tags" {
  description = "Tags of everything that is made. They are not propagated to tasks: a task's copies freeze when it starts."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(var.tags) <= 48 && alltrue([for key, value in var.tags : length(key) >= 1 && length(key) <= 128 && length(coalesce(value, " ")) <= 256])
    error_message = "tags: at most 48 (AWS takes 50, and the module adds two), keys of 1 to 128 characters, values of up to 256."
  }

  validation {
    condition     = alltrue([for key, value in var.tags : !startswith(lower(key), "aws:") && can(regex("^[\\p{L}\\p{Z}\\p{N}_.:/=+@-]*$", "${key}${coalesce(value, " ")}"))])
    error_message = "tags: letters, digits, blanks and _ . : / = + - @, and no key that begins with aws:, which is reserved."
  }
}

# What is routed

variable "discover_cluster_arns" {
  description = "The ECS clusters of this account and region whose services are routed. Empty: the one that Mesh runs in."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition = alltrue([
      for arn in var.discover_cluster_arns :
      can(regex("^arn:[a-z-]+:ecs:[a-z0-9-]+:[0-9]{12}:cluster/[A-Za-z0-9_-]+$", arn))
    ])
    error_message = "discover_cluster_arns: ARNs of ECS clusters, as arn:aws:ecs:REGION:ACCOUNT:cluster/NAME."
  }

  validation {
    condition     = alltrue([for arn in var.discover_cluster_arns : try(slice(split(":", arn), 3, 5), []) == tolist([local.region, local.account]) || !can(regex("^arn:[^:]+:ecs:[^:]+:[0-9]{12}:cluster/", arn))])
    error_message = "discover_cluster_arns: clusters of the region and account of the provider; for others add settings (providers.ecs.instances, docs/ecs.md)."
  }

  validation {
    condition     = length(distinct(var.discover_cluster_arns)) == length(var.discover_cluster_arns)
    error_message = "discover_cluster_arns: each cluster once."
  }
}

variable "exposed_by_default" {
  description = "Route to services that do not say mesh.enable, too."
  type        = bool
  default     = false
  nullable    = false
}

variable "discover_instances" {
  description = "Grant what finds tasks in bridge and host mode on EC2: reading container instances and the addresses of instances. Absent: with launch_type EC2."
  type        = bool
  default     = null
}

variable "discover_anywhere" {
  description = "Find tasks on machines of ECS Anywhere, and grant it."
  type        = bool
  default     = false
  nullable    = false
}

variable "push_discovery" {
  description = "Let ECS tell of changes (EventBridge, SNS, a queue for each replica), so that they count within a second. What ECS is read for every 15 seconds stays the truth."
  type        = bool
  default     = true
  nullable    = false
}

# How Mesh runs

variable "image" {
  description = "Image of Mesh, as deploy/Dockerfile builds it. Best by digest."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9][^\\s@]*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}|@sha256:[0-9a-f]{64})$", var.image)) && !endswith(var.image, ":latest")
    error_message = "image: with a tag or digest, as registry.example.com/mesh:0.1.0 (a port of the registry is none), and not :latest, which differs from task to task."
  }
}

variable "image_repository_arns" {
  description = "ECR repositories that the image may be pulled from. Empty for other registries."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.image_repository_arns : can(regex("^arn:[a-z-]+:ecr:[a-z0-9-]+:[0-9]{12}:repository/[a-z0-9][a-z0-9._/-]*$", arn))])
    error_message = "image_repository_arns: ARNs of ECR repositories, as arn:aws:ecr:REGION:ACCOUNT:repository/NAME."
  }

  validation {
    condition     = length(var.image_repository_arns) > 0 || !can(regex("^[0-9]{12}\\.dkr\\.ecr\\.", var.image))
    error_message = "image_repository_arns: the image is in ECR: name its repository, or ECS may not pull it."
  }
}

variable "launch_type" {
  description = "FARGATE or EC2. With EC2 the cluster needs capacity (modules/ec2-capacity makes some)."
  type        = string
  default     = "FARGATE"
  nullable    = false

  validation {
    condition     = contains(["FARGATE", "EC2"], var.launch_type)
    error_message = "launch_type: FARGATE or EC2."
  }
}

variable "capacity_providers" {
  description = "Capacity providers of the cluster to run on, by name, instead of whatever the launch type finds: FARGATE_SPOT beside FARGATE, or those of EC2."
  type = map(object({
    weight = optional(number, 1)
    base   = optional(number, 0)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = var.launch_type == "FARGATE" || alltrue([for name in keys(var.capacity_providers) : !startswith(name, "FARGATE")])
    error_message = "capacity_providers: FARGATE and FARGATE_SPOT need launch_type FARGATE."
  }

  validation {
    condition     = var.launch_type == "EC2" || alltrue([for name in keys(var.capacity_providers) : contains(["FARGATE", "FARGATE_SPOT"], name)])
    error_message = "capacity_providers: with launch_type FARGATE they are FARGATE and FARGATE_SPOT; others need launch_type EC2."
  }

  validation {
    condition     = length([for provider in values(var.capacity_providers) : provider if provider.base > 0]) <= 1
    error_message = "capacity_providers: only one may have a base."
  }

  validation {
    condition     = alltrue([for name in keys(var.capacity_providers) : can(regex("^[A-Za-z0-9_-]{1,255}$", name))])
    error_message = "capacity_providers: names as FARGATE_SPOT; an ARN is none."
  }

  validation {
    condition     = alltrue([for provider in values(var.capacity_providers) : provider.weight >= 0 && provider.weight <= 1000 && floor(provider.weight) == provider.weight && provider.base >= 0 && provider.base <= 100000 && floor(provider.base) == provider.base])
    error_message = "capacity_providers: weight is a whole number from 0 to 1000, base one from 0 to 100000."
  }

  validation {
    condition     = length(var.capacity_providers) == 0 || sum(concat([0], [for provider in values(var.capacity_providers) : provider.weight])) > 0
    error_message = "capacity_providers: give at least one a weight above 0, or no task is placed beyond a base."
  }
}

variable "cpu" {
  description = "CPU units of a task; 1024 is one core."
  type        = number
  default     = 1024
  nullable    = false

  validation {
    condition     = var.launch_type == "EC2" || contains([256, 512, 1024, 2048, 4096, 8192, 16384], var.cpu)
    error_message = "cpu: Fargate has 256, 512, 1024, 2048, 4096, 8192 and 16384."
  }

  validation {
    condition     = var.launch_type != "EC2" || (var.cpu >= 128 && var.cpu <= 196608 && floor(var.cpu) == var.cpu)
    error_message = "cpu: on EC2 a whole number from 128 to 196608; 1024 is one core."
  }
}

variable "memory" {
  description = "Memory of a task in MiB."
  type        = number
  default     = 2048
  nullable    = false

  validation {
    condition = var.launch_type == "EC2" || contains(lookup({
      256   = [512, 1024, 2048]
      512   = range(1024, 4097, 1024)
      1024  = range(2048, 8193, 1024)
      2048  = range(4096, 16385, 1024)
      4096  = range(8192, 30721, 1024)
      8192  = range(16384, 61441, 4096)
      16384 = range(32768, 122881, 8192)
    }, var.cpu, []), var.memory)
    error_message = "memory: Fargate has for each core 2048 to 8192 MiB in steps of 1024 (from 8 cores on of 4096 and 8192); 512 to 2048 for 256 units, 1024 to 4096 for 512."
  }

  validation {
    condition     = var.launch_type != "EC2" || (var.memory >= 128 && floor(var.memory) == var.memory)
    error_message = "memory: on EC2 a whole number of MiB, at least 128."
  }
}

variable "cpu_architecture" {
  description = "X86_64 or ARM64, as the image."
  type        = string
  default     = "X86_64"
  nullable    = false

  validation {
    condition     = contains(["X86_64", "ARM64"], var.cpu_architecture)
    error_message = "cpu_architecture: X86_64 or ARM64."
  }
}

variable "assign_public_ip" {
  description = "Give tasks public addresses; for public subnets without NAT. Fargate only."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !var.assign_public_ip || var.launch_type == "FARGATE"
    error_message = "assign_public_ip: tasks on EC2 can have none."
  }
}

variable "autoscaling" {
  description = "How many tasks there are, and the average load of their CPUs that this aims at. The same min and max: no scaling."
  type = object({
    min         = optional(number, 2)
    max         = optional(number, 10)
    cpu_percent = optional(number, 50)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.autoscaling.min >= 1 && var.autoscaling.min <= var.autoscaling.max && var.autoscaling.max <= 5000
    error_message = "autoscaling: min is at least 1, max at least min, and at most 5000 (what a service of ECS may have)."
  }

  validation {
    condition     = var.autoscaling.cpu_percent >= 10 && var.autoscaling.cpu_percent <= 90
    error_message = "autoscaling.cpu_percent: from 10 to 90."
  }

  validation {
    condition     = floor(var.autoscaling.min) == var.autoscaling.min && floor(var.autoscaling.max) == var.autoscaling.max
    error_message = "autoscaling: min and max are whole numbers."
  }
}

variable "settings" {
  description = "Further static options as variables: { MESH_LOG_LEVEL = \"DEBUG\" }. They lie over those of the module."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.settings) : can(regex("^(MESH|AWS|CONSUL|NOMAD)_[A-Z0-9_]+$", name))])
    error_message = "settings: names as MESH_LOG_LEVEL, in capital letters (also AWS_, CONSUL_ and NOMAD_)."
  }
}

variable "secrets" {
  description = "Variables whose values are secrets: ARNs of Secrets Manager, whole or with a key of their JSON (arn:...:secret:NAME:KEY::), or of parameters of SSM. { CONSUL_HTTP_TOKEN = \"arn:...\" }. They lie over those of the module."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition = alltrue([
      for arn in values(var.secrets) :
      can(regex("^arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+(:[^:]*:[^:]*:[^:]*)?$", arn)) ||
      can(regex("^arn:[a-z-]+:ssm:[a-z0-9-]+:[0-9]{12}:parameter/[A-Za-z0-9/_.-]+$", arn))
    ])
    error_message = "secrets: each value is the ARN of a secret (arn:...:secretsmanager:...:secret:NAME, one key of it ...:secret:NAME:KEY:: with both colons) or of a parameter (arn:...:ssm:...:parameter/NAME)."
  }

  validation {
    condition     = alltrue([for name in keys(var.secrets) : can(regex("^(MESH|AWS|CONSUL|NOMAD)_[A-Z0-9_]+$", name))])
    error_message = "secrets: names as CONSUL_HTTP_TOKEN, in capital letters (MESH_, AWS_, CONSUL_ and NOMAD_)."
  }

  validation {
    condition     = length(setintersection(keys(var.secrets), keys(var.settings))) == 0
    error_message = "secrets: a variable is either among settings or among secrets: take it out of one."
  }
}

variable "drain_seconds" {
  description = "How long a task that ends goes on: so long the load balancer waits for its connections, then so long Mesh for its requests."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.drain_seconds >= 10 && var.drain_seconds <= 110 && floor(var.drain_seconds) == var.drain_seconds
    error_message = "drain_seconds: from 10 to 110 (ECS kills a task after 120)."
  }
}

variable "logs" {
  description = "The log group: how long it keeps what Mesh says, and the key it is encrypted with (absent: one of CloudWatch's own). level is that of Mesh; access adds a line for each request."
  type = object({
    retention_days = optional(number, 30)
    kms_key_arn    = optional(string)
    level          = optional(string, "INFO")
    access         = optional(bool, false)
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains([0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.logs.retention_days)
    error_message = "logs.retention_days: one that CloudWatch has, as 1, 7, 14, 30, 90, 365; 0 keeps all."
  }

  validation {
    condition     = contains(["TRACE", "DEBUG", "INFO", "WARN", "ERROR"], var.logs.level)
    error_message = "logs.level: TRACE, DEBUG, INFO, WARN or ERROR."
  }

  validation {
    condition     = var.logs.kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.logs.kms_key_arn))
    error_message = "logs.kms_key_arn: the ARN of a key, as arn:aws:kms:REGION:ACCOUNT:key/ID; an id or alias is not enough."
  }
}

variable "storage" {
  description = "A file system (EFS) for the snapshot and for files: certificates and further configuration. Without it a task starts with nothing while ECS cannot be read, and TLS of Mesh itself has no certificates."
  type = object({
    enabled     = optional(bool, true)
    kms_key_arn = optional(string)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.storage.kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.storage.kms_key_arn))
    error_message = "storage.kms_key_arn: the ARN of a key, as arn:aws:kms:REGION:ACCOUNT:key/ID; an id or alias is not enough."
  }
}

variable "permissions_boundary_arn" {
  description = "Boundary of the roles that are made."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:[a-z-]+:iam::(aws|[0-9]{12}):policy/.+$", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn: the ARN of a policy, as arn:aws:iam::ACCOUNT:policy/NAME."
  }
}

variable "wait_for_steady_state" {
  description = "Let an apply wait until the tasks run."
  type        = bool
  default     = false
  nullable    = false
}

# How clients come

variable "internal" {
  description = "A load balancer within the VPC."
  type        = bool
  default     = false
  nullable    = false
}

variable "ip_address_type" {
  description = "ipv4, or dualstack for clients with IPv6; the subnets of the load balancer need IPv6 then. Between load balancer and tasks it is IPv4."
  type        = string
  default     = "ipv4"
  nullable    = false

  validation {
    condition     = contains(["ipv4", "dualstack"], var.ip_address_type)
    error_message = "ip_address_type: ipv4 or dualstack."
  }
}

variable "client_cidrs" {
  description = "Who may connect."
  type        = list(string)
  default     = ["0.0.0.0/0", "::/0"]
  nullable    = false

  validation {
    condition     = length(var.client_cidrs) > 0 && alltrue([for cidr in var.client_cidrs : can(cidrnetmask(cidr)) || can(regex(":", cidrhost(cidr, 0)))])
    error_message = "client_cidrs: at least one range, each as 10.0.0.0/8 or 2001:db8::/32."
  }

  validation {
    condition     = alltrue([for cidr in var.client_cidrs : !can(cidrhost(cidr, 0)) || try(cidr == "${cidrhost(cidr, 0)}/${split("/", cidr)[1]}", false)])
    error_message = "client_cidrs: ranges by their first address, as 10.1.0.0/16, not 10.1.2.3/16, and 2001:db8::/32, not 2001:0db8::/32; a single one is /32."
  }

  validation {
    condition     = length(distinct(var.client_cidrs)) == length(var.client_cidrs)
    error_message = "client_cidrs: each range once."
  }
}

variable "upstream_cidrs" {
  description = "Where servers may be that Mesh connects to, on any port. Empty: in the first range of the VPC; name its others, and those of peers."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for cidr in var.upstream_cidrs : can(cidrnetmask(cidr))])
    error_message = "upstream_cidrs: each a range of IPv4, as 10.0.0.0/8."
  }

  validation {
    condition     = alltrue([for cidr in var.upstream_cidrs : !can(cidrhost(cidr, 0)) || try(cidr == "${cidrhost(cidr, 0)}/${split("/", cidr)[1]}", false)])
    error_message = "upstream_cidrs: ranges by their first address, as 10.1.0.0/16, not 10.1.2.3/16; a single one is /32."
  }

  validation {
    condition     = length(distinct(var.upstream_cidrs)) == length(var.upstream_cidrs)
    error_message = "upstream_cidrs: each range once."
  }
}

variable "tls" {
  description = <<-TEXT
    Absent: HTTP only. With it port 443 is open, and port 80 redirects there.
    terminated_by: "mesh" (certificates in files, see storage; the load balancer passes bytes on) or "load_balancer" (a
    certificate of ACM; towards Mesh there is TLS again, so that routers see the same).
    certificate_arn: one there is. certificate_names: one that is made, and validated in dns.zone_id.
  TEXT
  type = object({
    terminated_by     = optional(string, "mesh")
    certificate_arn   = optional(string)
    certificate_names = optional(list(string), [])
    ssl_policy        = optional(string, "ELBSecurityPolicy-TLS13-1-2-2021-06")
  })
  default = null

  validation {
    condition     = var.tls == null || contains(["mesh", "load_balancer"], try(var.tls.terminated_by, "mesh"))
    error_message = "tls.terminated_by: mesh or load_balancer."
  }

  validation {
    condition = var.tls == null || try(var.tls.terminated_by, "") != "load_balancer" || (
      try(var.tls.certificate_arn != null, false) != (length(try(var.tls.certificate_names, [])) > 0)
    )
    error_message = "tls: the load balancer needs certificate_arn or certificate_names, and not both."
  }

  validation {
    condition     = var.tls == null || try(var.tls.terminated_by, "") != "mesh" || (try(var.tls.certificate_arn == null, true) && length(try(var.tls.certificate_names, [])) == 0)
    error_message = "tls: certificates of ACM never leave AWS: with terminated_by = \"mesh\" put certificates into storage instead."
  }

  validation {
    condition     = var.tls == null || try(var.tls.terminated_by, "") != "mesh" || var.storage.enabled
    error_message = "tls: with terminated_by = \"mesh\" certificates are files: leave storage.enabled true."
  }

  validation {
    condition     = var.tls == null || length(try(var.tls.certificate_names, [])) == 0 || var.dns != null
    error_message = "tls.certificate_names: a certificate is validated by records in a zone: set dns.zone_id."
  }

  validation {
    condition     = var.tls == null || try(var.tls.certificate_arn, null) == null || can(regex("^arn:[a-z-]+:acm:[a-z0-9-]+:[0-9]{12}:certificate/[A-Za-z0-9-]+$", var.tls.certificate_arn))
    error_message = "tls.certificate_arn: the ARN of a certificate of ACM, as arn:aws:acm:REGION:ACCOUNT:certificate/ID."
  }

  validation {
    condition     = alltrue([for name in try(var.tls.certificate_names, []) : can(regex("^(\\*\\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", name)) && length(name) <= 253])
    error_message = "tls.certificate_names: whole names in lower case, as shop.example.com or *.example.com."
  }

  validation {
    condition     = try(length(var.tls.certificate_names) == 0 || length(var.tls.certificate_names[0]) <= 64, true)
    error_message = "tls.certificate_names: the first one has at most 64 characters (ACM); begin with a shorter one."
  }

  validation {
    condition     = try(length(var.tls.certificate_names) <= 10 && length(distinct(var.tls.certificate_names)) == length(var.tls.certificate_names), true)
    error_message = "tls.certificate_names: each name once, and at most 10 (ACM); *.example.com covers many."
  }

  validation {
    condition     = var.tls == null || try(startswith(var.tls.ssl_policy, "ELBSecurityPolicy-"), false)
    error_message = "tls.ssl_policy: one of the load balancer's, as ELBSecurityPolicy-TLS13-1-2-2021-06."
  }

  validation {
    condition     = var.dns == null || length(try(var.dns.names, [])) > 0 || length(try(var.tls.certificate_names, [])) > 0
    error_message = "dns: a zone in which nothing is made: add dns.names, or tls.certificate_names, or leave dns out."
  }
}

variable "dns" {
  description = "Route 53: the zone, and the names in it that lead to the load balancer (\"*.example.com\" for all)."
  type = object({
    zone_id = string
    names   = optional(list(string), [])
  })
  default = null

  validation {
    condition     = var.dns == null || can(regex("^Z[A-Z0-9]{1,31}$", try(var.dns.zone_id, "")))
    error_message = "dns.zone_id: the id of a hosted zone, as Z0123456789ABC; its name is none."
  }

  validation {
    condition     = alltrue([for name in try(var.dns.names, []) : can(regex("^(\\*\\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", name)) && length(name) <= 253])
    error_message = "dns.names: whole names in lower case, as shop.example.com or *.example.com."
  }

  validation {
    condition     = try(length(distinct(var.dns.names)) == length(var.dns.names), true)
    error_message = "dns.names: each name once."
  }
}

variable "deletion_protection" {
  description = "Refuse to delete the load balancer."
  type        = bool
  default     = true
  nullable    = false
}
