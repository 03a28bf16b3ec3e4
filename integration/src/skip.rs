//! What to do on a machine that lacks a server.

use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Consul's binary: named by `CONSUL_BIN`, on the path, or where `integration/setup/consul` puts it. `None` when
/// the suite is to be skipped, which is said once for each test.
///
/// # Panics
/// When there is none and `MESH_INTEGRATION=required`.
pub fn consul() -> Option<PathBuf> {
    let found = installed("CONSUL_BIN", "consul")
        .chain(cached("consul"))
        .find(|binary| runs(binary, &["version"]));
    if found.is_none() {
        skipped("consul", "run integration/setup/consul, or set CONSUL_BIN");
    }
    found
}

/// A Python that has moto: named by `MOTO_PYTHON`, or where `integration/setup/moto` puts it. `None` when the suite is
/// to be skipped, which is said once for each test.
///
/// # Panics
/// When there is none and `MESH_INTEGRATION=required`.
pub fn moto() -> Option<PathBuf> {
    let found = named("MOTO_PYTHON")
        .chain(cached("bin/python"))
        .find(|python| runs(python, &["-c", "import moto.server"]));
    if found.is_none() {
        skipped("moto", "run integration/setup/moto, or set MOTO_PYTHON");
    }
    found
}

/// The AWS CLI: named by `AWS_CLI`, on the path, or where `integration/setup/aws-cli` puts it. `None` when the suite is to
/// be skipped, which is said once for each test.
///
/// # Panics
/// When there is none and `MESH_INTEGRATION=required`.
pub fn aws_cli() -> Option<PathBuf> {
    let found = installed("AWS_CLI", "aws")
        .chain(cached("bin/aws"))
        .find(|binary| runs(binary, &["--version"]));
    if found.is_none() {
        skipped("aws", "run integration/setup/aws-cli, or set AWS_CLI");
    }
    found
}

/// A directory that has oidc-provider for Node: named by `OIDC_PROVIDER`, or where `integration/setup/oidc-provider` puts
/// it. `None` when the suite is to be skipped, which is said once for each test.
///
/// # Panics
/// When there is none and `MESH_INTEGRATION=required`.
pub fn oidc_provider() -> Option<PathBuf> {
    let has_node = runs(Path::new("node"), &["--version"]);
    let found = named("OIDC_PROVIDER")
        .chain(cached(""))
        .find(|directory| has_node && directory.join("node_modules/oidc-provider").is_dir());
    if !has_node {
        skipped(
            "node",
            "install Node.js 18 or newer, then run integration/setup/oidc-provider",
        );
    } else if found.is_none() {
        skipped(
            "oidc-provider",
            "run integration/setup/oidc-provider, or set OIDC_PROVIDER",
        );
    }
    found
}

/// A directory that has http-cache-tests for Node: named by `CACHE_TESTS`, or where `integration/setup/cache-tests` puts it.
/// `None` when the suite is to be skipped, which is said once for each test.
///
/// # Panics
/// When there is none and `MESH_INTEGRATION=required`.
pub fn cache_tests() -> Option<PathBuf> {
    let has_node = runs(Path::new("node"), &["--version"]);
    let found = named("CACHE_TESTS")
        .chain(cached(""))
        .find(|directory| has_node && directory.join("node_modules/http-cache-tests").is_dir());
    if found.is_none() {
        let remedy = match has_node {
            true => "run integration/setup/cache-tests, or set CACHE_TESTS",
            false => "install Node.js 18 or newer, then run integration/setup/cache-tests",
        };
        skipped("http-cache-tests", remedy);
    }
    found
}

/// The binary of a Redis server: named by `REDIS_BIN`, on the path, or where `integration/setup/redis` puts it. `None`
/// when the suite is to be skipped, which is said once for each test.
///
/// # Panics
/// When there is none and `MESH_INTEGRATION=required`.
pub fn redis() -> Option<PathBuf> {
    let found = installed("REDIS_BIN", "redis-server")
        .chain(cached("redis-server"))
        .find(|binary| runs(binary, &["--version"]));
    if found.is_none() {
        skipped("redis", "run integration/setup/redis, or set REDIS_BIN");
    }
    found
}

/// Whether there is a Docker engine, and a client to reach it. `false`: skip the test, which is said.
///
/// # Panics
/// When there is none and `MESH_INTEGRATION=required`, unless `MESH_CONTAINERS=none` says that this machine cannot have one.
pub fn has_docker() -> bool {
    let found = runs(Path::new("docker"), &["version"]);
    if !found && env::var("MESH_CONTAINERS").as_deref() == Ok("none") {
        say("docker engine", "this machine cannot run one");
    } else if !found {
        skipped(
            "docker engine",
            "start one, or run eval \"$(integration/setup/docker)\" as root",
        );
    }
    found
}

/// Nomad's binary: named by `NOMAD_BIN`, or on the path. No distribution packages it, so where it is missing the
/// suite is skipped even with `MESH_INTEGRATION=required`.
pub fn nomad() -> Option<PathBuf> {
    let found = installed("NOMAD_BIN", "nomad").find(|binary| runs(binary, &["version"]));
    if found.is_none() {
        say(
            "nomad",
            "get it from releases.hashicorp.com, and set NOMAD_BIN to its binary",
        );
    }
    found
}

/// The binary that `variable` names, then those called `name` on the path.
fn installed(variable: &str, name: &str) -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories: Vec<_> = env::split_paths(&path).collect();
    let on_path = directories.into_iter().map(move |directory| directory.join(name));
    named(variable).chain(on_path)
}

fn named(variable: &str) -> impl Iterator<Item = PathBuf> {
    env::var_os(variable).map(PathBuf::from).into_iter()
}

/// `path` in every directory that the scripts of `integration/setup` fill.
fn cached(path: &str) -> impl Iterator<Item = PathBuf> {
    let home = || Some(PathBuf::from(env::var_os("HOME")?).join(".cache"));
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
    let filled = cache.and_then(|cache| fs::read_dir(cache.join("mesh-ci")).ok());
    filled
        .into_iter()
        .flatten()
        .flatten()
        .map(move |entry| entry.path().join(path))
}

fn runs(binary: &Path, arguments: &[&str]) -> bool {
    let version = Command::new(binary)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    version.is_ok_and(|status| status.success())
}

/// Says that a suite is skipped and how to get what it needs.
///
/// # Panics
/// When nothing may be skipped.
pub fn skipped(what: &str, remedy: &str) {
    assert!(
        env::var("MESH_INTEGRATION").as_deref() != Ok("required"),
        "no {what} on this machine and MESH_INTEGRATION=required: {remedy}"
    );
    say(what, remedy);
}

/// Says that a suite is skipped because of what no distribution packages, so that it may be missing anywhere.
pub fn say(what: &str, remedy: &str) {
    // Not by a macro: the test harness would keep that to itself.
    let _ = writeln!(std::io::stderr(), "skipped: no {what}; {remedy}");
}
