//! Headers of forwarding, a line each: strangers cannot say who they are, and what the trusted say is added to.
#![no_main]

use http::{HeaderName, HeaderValue, Request};
use libfuzzer_sys::fuzz_target;
use mesh_proxy::fuzzing::forwarded;

const PEER: &str = "192.0.2.7";

fuzz_target!(|text: &str| {
    let request = || {
        let mut request = Request::builder().uri("/").header("host", "a.test");
        for (name, value) in text.lines().filter_map(|line| line.split_once(':')) {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.trim().parse::<HeaderValue>()) {
                request = request.header(name, value);
            }
        }
        request
            .body(())
            .expect("names and values are valid")
            .into_parts()
            .0
    };
    if let Some(headers) = forwarded(request(), false) {
        for (name, value) in [
            ("x-forwarded-for", PEER),
            ("x-real-ip", PEER),
            ("x-forwarded-host", "a.test"),
        ] {
            let values: Vec<_> = headers.get_all(name).iter().collect();
            assert_eq!(values, [value], "{name}");
        }
        let known = ["for", "host", "port", "proto", "server"];
        for name in headers.keys() {
            let folded = name.as_str().replace(['_', '.'], "-");
            if let Some(what) = folded.strip_prefix("x-forwarded-") {
                assert!(known.contains(&what) && folded == name.as_str(), "{name}");
            }
            assert!(
                !matches!(&*folded, "forwarded" | "content-length" | "transfer-encoding")
                    || folded == name.as_str()
            );
            assert_ne!(name, "forwarded");
        }
    }
    if let Some(headers) = forwarded(request(), true) {
        let mut values = headers.get_all("x-forwarded-for").iter();
        if let Some(value) = values.next() {
            assert!(value.as_bytes().ends_with(PEER.as_bytes()), "{value:?}");
        }
        assert!(values.next().is_none());
    }
});
