# A service whose next version gets a tenth of the requests first:
#   nomad job run deploy/nomad/canary.nomad.hcl
#   nomad job run -var version=2.4.65-alpine deploy/nomad/canary.nomad.hcl     the canary
#   nomad deployment promote ID                                                everybody, or
#   nomad deployment fail ID                                                   nobody

variable "version" {
  type        = string
  description = "Version of the image."
  default     = "2.4-alpine"
}

job "blog" {
  group "blog" {
    count = 3

    update {
      canary           = 1
      max_parallel     = 1
      min_healthy_time = "10s"
      auto_revert      = true
      auto_promote     = false
    }

    network {
      port "http" {
        to = 80
      }
    }

    service {
      name        = "blog"
      port        = "http"
      provider    = "nomad"
      tags        = ["mesh.enable=true", "mesh.host=blog.localhost"]
      canary_tags = ["mesh.enable=true", "mesh.host=blog.localhost", "mesh.canary.weight=10"]

      check {
        type     = "http"
        path     = "/"
        interval = "5s"
        timeout  = "1s"
      }
    }

    shutdown_delay = "5s"

    task "blog" {
      driver = "docker"

      config {
        image = "docker.io/library/httpd:${var.version}"
        ports = ["http"]
      }

      resources {
        cpu    = 100
        memory = 64
      }
    }
  }
}
