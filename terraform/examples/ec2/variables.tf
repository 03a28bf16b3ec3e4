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

variable "instance_type" {
  description = "Type of the instances."
  type        = string
  default     = "c7i.xlarge"
}

variable "cpu_architecture" {
  description = "X86_64 or ARM64, as instances and images."
  type        = string
  default     = "X86_64"
}
