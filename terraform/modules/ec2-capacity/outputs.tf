output "capacity_provider_name" {
  description = "The capacity provider, for capacity_providers of services."
  value       = aws_ecs_capacity_provider.this.name
}

output "security_group_id" {
  description = "The group of the instances, for rules of tasks in bridge or host mode."
  value       = aws_security_group.instance.id
}

output "instance_role_name" {
  description = "The role of the instances, to attach more to."
  value       = aws_iam_role.instance.name
}
