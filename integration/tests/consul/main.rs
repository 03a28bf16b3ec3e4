//! Mesh and a real Consul.

mod failure;
mod faults;
mod gateway;
mod health;
mod propagation;
mod rights;
mod rolling;
mod traffic;
mod transport;

/// Settings of a Consul provider at `address`.
fn consul_at(address: &str) -> String {
    format!("  consulCatalog: {{endpoint: {{address: '{address}'}}}}\n")
}
