variable "region" {
  description = "Where everything is."
  type        = string
}

variable "name" {
  description = "Name of everything that is made."
  type        = string
  default     = "mesh"
}

variable "image" {
  description = "Image of Mesh (deploy/Dockerfile), with tag or digest."
  type        = string
}

variable "image_repository_arns" {
  description = "The ECR repository of that image, if it is in ECR."
  type        = list(string)
  default     = []
}

variable "hello_image" {
  description = "Image of the sample service: anything that serves HTTP on port 80."
  type        = string
  default     = "public.ecr.aws/docker/library/httpd:2.4"
}

variable "hello_host" {
  description = "Name that the sample service is reached by."
  type        = string
  default     = "hello.example.com"
}

variable "cluster_name" {
  description = "The ECS cluster that is there."
  type        = string
}

variable "vpc_id" {
  description = "The VPC that is there."
  type        = string
}

variable "subnet_ids" {
  description = "Its subnets for tasks."
  type        = list(string)
}

variable "load_balancer_subnet_ids" {
  description = "Its subnets for the load balancer."
  type        = list(string)
}

variable "client_cidrs" {
  description = "Who may connect."
  type        = list(string)
  default     = ["10.0.0.0/8"]
}

variable "kms_key_arn" {
  description = "Key that the file system is encrypted with. Absent: one of AWS."
  type        = string
  default     = null
}

variable "permissions_boundary_arn" {
  description = "Boundary of roles in this account."
  type        = string
  default     = null
}
