//! The edge router that finds out by itself what runs in your infrastructure.
fn main() {}
