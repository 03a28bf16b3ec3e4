# What there is to do.
default:
    @just --list

# Format, lints, crate arrows.
check: tidy
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# Crate arrows, file lengths, the map in ARCHITECTURE.md.
tidy:
    cargo xtask tidy

# All tests that need nothing but the toolchain; the others say that they are skipped.
test *arguments:
    cargo test --workspace {{arguments}}

# All tests, with real servers and containers; Nomad's where there is one on the path or in NOMAD_BIN.
integration *arguments:
    eval "$(integration/setup/docker)" && eval "$(integration/images/prepare)" && AWS_CLI="$(integration/setup/aws-cli)" CACHE_TESTS="$(integration/setup/cache-tests)" CONSUL_BIN="$(integration/setup/consul)" MOTO_PYTHON="$(integration/setup/moto)" OIDC_PROVIDER="$(integration/setup/oidc-provider)" REDIS_BIN="$(integration/setup/redis)" MESH_INTEGRATION=required cargo test --workspace {{arguments}}

# Mesh's own image among containers: integration/README.md.
containers *arguments:
    eval "$(integration/setup/docker)" && eval "$(integration/images/prepare)" && MESH_INTEGRATION=required cargo test -p mesh-integration --test containers {{arguments}}

# The Terraform module: format, validity, tests, and an apply to moto.
terraform:
    TF_CLI_CONFIG_FILE="$(integration/setup/terraform)" MOTO_PYTHON="$(integration/setup/moto)" terraform/check

# Benches, or one of them.
bench *arguments:
    cargo bench --workspace {{arguments}}

# Which functions build.rs puts together: those that run from the start until these URLs are answered. Needs valgrind.
startup-order settings *urls:
    cargo build --release --bin mesh
    xtask/startup-order target/release/mesh {{settings}} {{urls}}

# The fastest Mesh: built twice, the second time for what ran in the first. Prints where it is.
trained-build *profile:
    xtask/trained-build {{profile}}

# Mesh beside nginx and HAProxy, or some of the cases: just bench-proxy --only h1-100b-c64 --rounds 3.
bench-proxy *arguments:
    cargo build --release --bin mesh
    cargo run --release -p mesh-bench-proxy -- {{arguments}}

# Licences, advisories, duplicates, sources (cargo install cargo-deny).
deny:
    cargo deny --locked check

# A fuzz target: rule, labels, document, path, host, forwarded, proxy_protocol, chunked, frames, request or answer (cargo install cargo-fuzz; needs nightly).
fuzz target *arguments:
    cargo +nightly fuzz run {{target}} {{arguments}}

# One command, nothing else: a proxy, its API and two servers.
demo:
    cargo run --release -- demo

# What a change has to pass.
ci:
    bash .ci/run
