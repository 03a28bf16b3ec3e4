//! Mesh and an AWS that a script of the tests emulates.

use mesh_integration::aws::{Aws, CLUSTER, REGION};

mod events;
mod failure;
mod lifecycle;
mod rights;
mod rolling;
mod traffic;

/// Settings of an ECS provider that reads `aws` every second.
fn ecs_at(aws: &Aws, more: &str) -> String {
    format!(
        "  ecs: {{clusters: [{CLUSTER}], region: {REGION}, endpoint: '{}', accessKeyID: test, secretAccessKey: test, \
         refreshSeconds: 1s{more}}}\n",
        aws.endpoint()
    )
}
