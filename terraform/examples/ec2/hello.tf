# A service that is routed by its tags alone: change them, and routing follows without a deploy.

resource "aws_ecs_service" "hello" {
  name            = "hello"
  cluster         = aws_ecs_cluster.this.arn
  task_definition = aws_ecs_task_definition.hello.arn
  desired_count   = 2

  capacity_provider_strategy {
    capacity_provider = module.capacity.capacity_provider_name
    weight            = 1
  }

  network_configuration {
    subnets         = module.network.private_subnet_ids
    security_groups = [aws_security_group.hello.id]
  }

  tags = {
    "mesh.enable" = "true"
    "mesh.host"   = var.hello_host
    "mesh.port"   = "80"
  }

  depends_on = [aws_ecs_cluster_capacity_providers.this]
}

resource "aws_ecs_task_definition" "hello" {
  family                   = "${var.name}-hello"
  requires_compatibilities = ["EC2"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 512

  container_definitions = jsonencode([{
    name         = "hello"
    image        = var.hello_image
    essential    = true
    portMappings = [{ containerPort = 80, hostPort = 80, protocol = "tcp" }]
  }])
}

resource "aws_security_group" "hello" {
  name        = "${var.name}-hello"
  description = "Tasks of hello"
  vpc_id      = module.network.vpc_id
}

# Only from Mesh.
resource "aws_vpc_security_group_ingress_rule" "hello" {
  security_group_id            = aws_security_group.hello.id
  description                  = "Mesh"
  referenced_security_group_id = module.mesh.security_group_id
  from_port                    = 80
  to_port                      = 80
  ip_protocol                  = "tcp"
}

resource "aws_vpc_security_group_egress_rule" "hello" {
  security_group_id = aws_security_group.hello.id
  description       = "The registry of its image"
  cidr_ipv4         = "0.0.0.0/0"
  from_port         = 443
  to_port           = 443
  ip_protocol       = "tcp"
}
