//! Bodies in chunks: what they say does not depend on how their bytes come.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_proxy::fuzzing::decode_chunks;

fuzz_target!(|input: (u8, &[u8])| {
    let (size, wire) = input;
    let whole = decode_chunks([wire]);
    for size in [1, usize::from(size).max(1)] {
        let cut = decode_chunks(wire.chunks(size));
        // A line that has no end yet is found to be too long sooner or later; all else is the same.
        assert!(
            cut == whole || (wire.len() > 4000 && cut.is_err()),
            "{size}: {cut:?}, {whole:?}"
        );
    }
    if let Ok(Some(decoded)) = whole {
        let mut again = Vec::new();
        for part in decoded.body.chunks(7) {
            again.extend(format!("{:x}\r\n", part.len()).into_bytes());
            again.extend(part);
            again.extend(b"\r\n");
        }
        again.extend(b"0\r\n\r\n");
        let again = decode_chunks([&again[..]]).expect("chunks").expect("an end");
        assert_eq!((again.body, again.left), (decoded.body, 0));
    }
});
