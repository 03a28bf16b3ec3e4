output "load_balancer_dns_name" {
  description = "Where clients connect, if dns gives no names."
  value       = aws_lb.this.dns_name
}

output "load_balancer_zone_id" {
  description = "The zone of that name, for alias records elsewhere."
  value       = aws_lb.this.zone_id
}

output "load_balancer_arn" {
  description = "The load balancer."
  value       = aws_lb.this.arn
}

output "target_group_arns" {
  description = "Target groups by entrypoint: web and, with tls, websecure."
  value       = { for name, group in aws_lb_target_group.this : name => group.arn }
}

output "security_group_id" {
  description = "Where requests to servers come from: let it in to their ports."
  value       = aws_security_group.tasks.id
}

output "service_arn" {
  description = "The service that runs Mesh."
  value       = aws_ecs_service.this.id
}

output "task_definition_arn" {
  description = "What its tasks are made of, with revision."
  value       = aws_ecs_task_definition.this.arn
}

output "task_role_arn" {
  description = "The role that Mesh reads AWS with; the side to trust when further accounts are read (providers.ecs.roleArn)."
  value       = aws_iam_role.task.arn
}

output "execution_role_arn" {
  description = "The role that ECS starts tasks with."
  value       = aws_iam_role.execution.arn
}

output "log_group_name" {
  description = "Where Mesh logs."
  value       = aws_cloudwatch_log_group.this.name
}

output "events_topic_arn" {
  description = "The topic of changes in ECS; null without push_discovery."
  value       = one(aws_sns_topic.events[*].arn)
}

output "file_system_id" {
  description = "The file system of snapshot and files; null without storage."
  value       = one(aws_efs_file_system.this[*].id)
}

output "config_access_point_id" {
  description = "The access point of the directory that Mesh reads: certificates and configuration; null without storage."
  value       = one([for name, point in aws_efs_access_point.this : point.id if name == "config"])
}
