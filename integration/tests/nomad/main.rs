//! Mesh and a real Nomad.

mod failure;
mod lifecycle;
mod propagation;
mod rights;
mod rolling;
mod traffic;

use mesh_integration::Nomad;

/// Settings of a Nomad provider, with `more` options.
fn provider(nomad: &Nomad, more: &str) -> String {
    format!(
        "  nomad: {{endpoint: {{address: '{}'}}{more}}}\n",
        nomad.address()
    )
}
