# Two directories of one file system: what Mesh writes (the snapshot) and what it only reads (certificates, configuration).

locals {
  # The user of the image.
  user = 65532
  # By name: the volume, and where the container sees it.
  directories = var.storage.enabled ? { state = { read_only = false }, config = { read_only = true } } : {}
}

resource "aws_efs_file_system" "this" {
  count = var.storage.enabled ? 1 : 0

  encrypted       = true
  kms_key_id      = var.storage.kms_key_arn
  throughput_mode = "elastic"
  tags            = merge(local.tags, { Name = var.name })
}

resource "aws_efs_access_point" "this" {
  for_each = local.directories

  file_system_id = aws_efs_file_system.this[0].id
  tags           = merge(local.tags, { Name = "${var.name}-${each.key}" })

  posix_user {
    uid = local.user
    gid = local.user
  }

  root_directory {
    path = "/${each.key}"
    creation_info {
      owner_uid   = local.user
      owner_gid   = local.user
      permissions = "0750"
    }
  }
}

resource "aws_efs_mount_target" "this" {
  count = var.storage.enabled ? length(var.subnet_ids) : 0

  file_system_id  = aws_efs_file_system.this[0].id
  subnet_id       = var.subnet_ids[count.index]
  security_groups = [aws_security_group.storage[0].id]
}

# Without a policy of its own, a file system is open to whoever reaches it; with this one, to roles that are granted it.
resource "aws_efs_file_system_policy" "this" {
  count = var.storage.enabled ? 1 : 0

  file_system_id = aws_efs_file_system.this[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyOverTls"
      Effect    = "Deny"
      Principal = { AWS = "*" }
      Action    = "*"
      Resource  = aws_efs_file_system.this[0].arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

resource "aws_security_group" "storage" {
  count = var.storage.enabled ? 1 : 0

  name        = "${var.name}-storage"
  description = "File system of ${var.name}"
  vpc_id      = var.vpc_id
  tags        = merge(local.tags, { Name = "${var.name}-storage" })
}

resource "aws_vpc_security_group_ingress_rule" "storage" {
  count = var.storage.enabled ? 1 : 0

  security_group_id            = aws_security_group.storage[0].id
  description                  = "Tasks"
  referenced_security_group_id = aws_security_group.tasks.id
  from_port                    = 2049
  to_port                      = 2049
  ip_protocol                  = "tcp"
}

resource "aws_vpc_security_group_egress_rule" "storage" {
  count = var.storage.enabled ? 1 : 0

  security_group_id            = aws_security_group.tasks.id
  description                  = "File system"
  referenced_security_group_id = aws_security_group.storage[0].id
  from_port                    = 2049
  to_port                      = 2049
  ip_protocol                  = "tcp"
}
