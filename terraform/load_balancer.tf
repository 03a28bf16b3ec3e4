# Layer 4 only. The clients' addresses come in PROXY headers, which health checks have as well (LOCAL).

resource "aws_lb" "this" {
  name                             = var.name
  load_balancer_type               = "network"
  internal                         = var.internal
  ip_address_type                  = var.ip_address_type
  subnets                          = var.load_balancer_subnet_ids
  security_groups                  = [aws_security_group.load_balancer.id]
  enable_cross_zone_load_balancing = true
  enable_deletion_protection       = var.deletion_protection
  tags                             = local.tags
}

resource "aws_lb_target_group" "this" {
  for_each = local.ports

  # web, tls: names have 32 characters.
  name        = "${var.name}-${each.key == "web" ? "web" : "tls"}"
  vpc_id      = var.vpc_id
  target_type = "ip"
  port        = each.value
  # The certificate towards Mesh is the one that it makes itself, which load balancers do not check.
  protocol = each.key == "websecure" && local.at_load_balancer ? "TLS" : "TCP"

  proxy_protocol_v2    = true
  preserve_client_ip   = "false"
  deregistration_delay = var.drain_seconds

  health_check {
    protocol            = "HTTP"
    port                = tostring(local.admin)
    path                = "/ready"
    matcher             = "200"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }

  tags = local.tags
}

resource "aws_lb_listener" "web" {
  load_balancer_arn = aws_lb.this.arn
  port              = 80
  protocol          = "TCP"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this["web"].arn
  }

  tags = local.tags
}

resource "aws_lb_listener" "websecure" {
  count = var.tls == null ? 0 : 1

  load_balancer_arn = aws_lb.this.arn
  port              = 443
  protocol          = local.at_load_balancer ? "TLS" : "TCP"
  certificate_arn   = local.at_load_balancer ? local.certificate_arn : null
  ssl_policy        = local.at_load_balancer ? var.tls.ssl_policy : null
  alpn_policy       = local.at_load_balancer ? "HTTP2Preferred" : null

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this["websecure"].arn
  }

  tags = local.tags
}
