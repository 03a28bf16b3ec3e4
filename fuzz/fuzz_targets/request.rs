//! Heads of requests: nothing is taken that could be read in two ways, however it comes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_proxy::fuzzing::request_start;

/// Longest head.
const LIMIT: usize = 8192;

fuzz_target!(|bytes: &[u8]| {
    let Ok(Some(start)) = request_start(bytes, LIMIT) else {
        return;
    };
    assert!(start.length <= LIMIT);
    // The same with nothing behind it, and nothing but a beginning before it is all there.
    let alone = request_start(&bytes[..start.length], LIMIT)
        .expect("a head")
        .expect("its end");
    assert_eq!((alone.length, alone.body), (start.length, start.body));
    assert_eq!(alone.head.headers(), start.head.headers());
    for cut in 0..start.length.min(64) {
        assert!(
            matches!(request_start(&bytes[..cut], LIMIT), Ok(None)),
            "cut at {cut}"
        );
    }
    // Every line ends in CR LF, and no value could make one.
    let head = &bytes[..start.length];
    let bare = head
        .iter()
        .enumerate()
        .any(|(at, byte)| *byte == b'\n' && (at == 0 || head[at - 1] != b'\r'));
    assert!(!bare && !head.contains(&0));
    let headers = start.head.headers();
    assert!(
        headers
            .values()
            .all(|value| value.as_bytes().iter().all(|byte| !b"\0\r\n".contains(byte)))
    );
    let codings = headers.get_all("transfer-encoding").iter().count();
    assert_eq!(codings, usize::from(start.body.is_none()));
    if codings == 1 {
        assert!(start.head.version() == http::Version::HTTP_11);
        assert!(!start.keep_alive || !headers.contains_key("content-length"));
    }
    assert!(!start.head.uri().to_string().contains('#'));
});
