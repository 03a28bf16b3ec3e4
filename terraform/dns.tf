# Names and certificates; each only if it is asked for.

locals {
  at_load_balancer  = try(var.tls.terminated_by, "mesh") == "load_balancer"
  certificate_names = local.at_load_balancer ? var.tls.certificate_names : []
  makes_certificate = length(local.certificate_names) > 0
  # Only once it is validated can a listener use it.
  certificate_arn = local.makes_certificate ? aws_acm_certificate_validation.this[0].certificate_arn : try(var.tls.certificate_arn, null)
}

resource "aws_acm_certificate" "this" {
  count = local.makes_certificate ? 1 : 0

  domain_name               = local.certificate_names[0]
  subject_alternative_names = slice(local.certificate_names, 1, length(local.certificate_names))
  validation_method         = "DNS"
  tags                      = local.tags

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_route53_record" "validation" {
  for_each = toset(local.certificate_names)

  zone_id = var.dns.zone_id
  name    = one([for option in aws_acm_certificate.this[0].domain_validation_options : option.resource_record_name if option.domain_name == each.key])
  type    = one([for option in aws_acm_certificate.this[0].domain_validation_options : option.resource_record_type if option.domain_name == each.key])
  records = [for option in aws_acm_certificate.this[0].domain_validation_options : option.resource_record_value if option.domain_name == each.key]
  ttl     = 300
  # example.com and *.example.com are proved by the same record.
  allow_overwrite = true
}

resource "aws_acm_certificate_validation" "this" {
  count = local.makes_certificate ? 1 : 0

  certificate_arn         = aws_acm_certificate.this[0].arn
  validation_record_fqdns = [for record in aws_route53_record.validation : record.fqdn]
}

resource "aws_route53_record" "this" {
  for_each = {
    for pair in setproduct(try(var.dns.names, []), var.ip_address_type == "dualstack" ? ["A", "AAAA"] : ["A"]) :
    "${pair[0]} ${pair[1]}" => { name = pair[0], type = pair[1] }
  }

  zone_id = var.dns.zone_id
  name    = each.value.name
  type    = each.value.type

  alias {
    name                   = aws_lb.this.dns_name
    zone_id                = aws_lb.this.zone_id
    evaluate_target_health = true
  }
}
