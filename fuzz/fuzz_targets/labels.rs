//! Labels of an instance, one per line: no set of them may panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_config::{Origin, instance::LabelSet, labels};

fuzz_target!(|text: &str| {
    let labels = text.lines().filter_map(|line| line.split_once('='));
    let set = LabelSet {
        origin: Origin::new("fuzz"),
        labels: labels
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
    };
    let _ = labels::decode(&[set], &["mesh".to_owned()]);
});
