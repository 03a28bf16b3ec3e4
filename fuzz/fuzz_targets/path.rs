//! Paths: one spelling for each, without dot segments, and not changed by normalising again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_proxy::fuzzing::{normalise, resolve_encoded_slashes};

fn has_dots(path: &str) -> bool {
    path.split('/').any(|segment| matches!(segment, "." | ".."))
}

fuzz_target!(|text: &str| {
    let sent = format!("/{text}");
    let Some(path) = normalise(&sent) else {
        return;
    };
    assert!(
        path.starts_with('/') && !path.contains("//") && !has_dots(&path),
        "{path}"
    );
    assert_eq!(normalise(&path).as_deref(), Some(&*path));
    if let Some(lenient) = resolve_encoded_slashes(&path) {
        assert!(!has_dots(&lenient) && !lenient.contains("%2F"), "{lenient}");
    }
});
