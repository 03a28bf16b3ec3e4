//! Documents of dynamic configuration in both formats: no text may panic or take for ever.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_config::{document, layer::Format};

fuzz_target!(|text: &str| {
    let _ = document::parse("fuzz", text, Format::Yaml);
    let _ = document::parse("fuzz", text, Format::Toml);
});
