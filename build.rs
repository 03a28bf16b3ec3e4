//! Puts the functions that run at the start and for ordinary requests beside each other in the binary.
//!
//! The kernel maps code in pieces of 64 KiB around what is touched: scattered over the whole binary, the 2 MB that run
//! brought 11 MB into memory. `just startup-order` makes the list. Names in it that do not exist any more, because
//! types, dependencies or the compiler changed, count for nothing.

use std::{env, path::Path, process::Command};

/// Where Rust links with LLD by itself, which knows the option.
const TARGET: &str = "x86_64-unknown-linux-gnu";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=startup.order");
    let is = |variable: &str, value: &str| env::var(variable).is_ok_and(|found| found == value);
    // Whoever chooses a linker may have one that does not know it.
    let own_linker = env::var_os("RUSTC_LINKER").is_some()
        || env::var("CARGO_ENCODED_RUSTFLAGS").is_ok_and(|flags| flags.contains("link"));
    if is("TARGET", TARGET) && is("PROFILE", "release") && !own_linker && brings_lld() {
        let folder = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo:rustc-link-arg-bins=-Wl,--symbol-ordering-file={folder}/startup.order");
        println!("cargo:rustc-link-arg-bins=-Wl,--no-warn-symbol-ordering");
    }
}

/// True for a toolchain that has LLD with it. Some that distributions build have not, and link with what is there.
fn brings_lld() -> bool {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let Ok(output) = Command::new(rustc).args(["--print", "sysroot"]).output() else {
        return false;
    };
    let sysroot = String::from_utf8_lossy(&output.stdout);
    let tools = Path::new(sysroot.trim())
        .join("lib/rustlib")
        .join(TARGET)
        .join("bin");
    tools.join("gcc-ld/ld.lld").exists()
}
