# Mesh on every node, on ports 80 and 443 of the node:
#   nomad job run -var image=registry.example.com/mesh:0.1.0 deploy/nomad/mesh.nomad.hcl

variable "image" {
  type        = string
  description = "Image of Mesh (deploy/Dockerfile)."
}

variable "namespaces" {
  type        = string
  description = "Namespaces whose services are routed, separated by commas. The policy of the job has to name each."
  default     = "default"
}

job "mesh" {
  type     = "system"
  priority = 90

  # One node at a time. From Nomad 1.11 on it has to answer first; before, system jobs wait for stagger and nothing else.
  update {
    max_parallel     = 1
    stagger          = "60s"
    min_healthy_time = "10s"
    healthy_deadline = "2m"
    auto_revert      = true
  }

  group "mesh" {
    network {
      port "web" {
        static = 80
        to     = 8000
      }
      port "websecure" {
        static = 443
        to     = 8443
      }
      port "admin" {
        to = 8080
      }
    }

    # For what looks for Mesh itself, as a load balancer in front of the nodes.
    service {
      name     = "mesh"
      port     = "web"
      provider = "nomad"
      tags     = ["mesh.enable=false"]

      check {
        type     = "http"
        port     = "admin"
        path     = "/ready"
        interval = "5s"
        timeout  = "2s"
      }
    }

    # What was discovered is there again when the task starts anew on its node.
    ephemeral_disk {
      size   = 300
      sticky = true
    }

    task "mesh" {
      driver = "docker"

      # Its own token, and with it the Task API, through which it reads.
      identity {
        env  = true
        file = true
      }

      config {
        image           = var.image
        ports           = ["web", "websecure", "admin"]
        readonly_rootfs = true
        cap_drop        = ["all"]
      }

      # That of the image.
      user = "65532:65532"

      env {
        MESH_ENTRYPOINTS_WEB_ADDRESS                                = ":8000"
        MESH_ENTRYPOINTS_WEB_TRANSPORT_LIFECYCLE_GRACETIMEOUT       = "20s"
        MESH_ENTRYPOINTS_WEBSECURE_ADDRESS                          = ":8443"
        MESH_ENTRYPOINTS_WEBSECURE_HTTP_TLS                         = "true"
        MESH_ENTRYPOINTS_WEBSECURE_TRANSPORT_LIFECYCLE_GRACETIMEOUT = "20s"
        MESH_ENTRYPOINTS_MESH_ADDRESS                               = ":8080"
        MESH_PING                                                   = "true"
        MESH_PROVIDERS_NOMAD_NAMESPACES                             = var.namespaces
        MESH_PROVIDERS_NOMAD_EXPOSEDBYDEFAULT                       = "false"
        # In the task's own directory, which moves with ephemeral_disk.
        MESH_SNAPSHOT_PATH = "/alloc/data/snapshot.json"
      }

      # Longer than Mesh waits for requests in flight.
      kill_timeout = "30s"

      resources {
        cpu    = 500
        memory = 256
      }
    }
  }
}
