# What Mesh reads, for its workload identity:
#   nomad acl policy apply -namespace=default -job=mesh mesh deploy/nomad/mesh.policy.hcl
namespace "default" {
  capabilities = ["read-job"]
}
