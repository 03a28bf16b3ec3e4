# A service that is routed by its tags: nomad job run deploy/nomad/shop.nomad.hcl

job "shop" {
  group "shop" {
    count = 2

    network {
      port "http" {
        to = 80
      }
    }

    service {
      name     = "shop"
      port     = "http"
      provider = "nomad"
      tags     = ["mesh.enable=true", "mesh.rule=Host(`shop.localhost`) && PathPrefix(`/`)"]

      check {
        type     = "http"
        path     = "/"
        interval = "5s"
        timeout  = "1s"
      }
    }

    # Time for Mesh, and for requests in flight, before the task gets its signal.
    shutdown_delay = "5s"

    task "shop" {
      driver = "docker"

      config {
        image = "docker.io/library/httpd:2.4-alpine"
        ports = ["http"]
      }

      resources {
        cpu    = 100
        memory = 64
      }
    }
  }
}
