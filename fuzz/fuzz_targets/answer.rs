//! Heads of answers: nothing is taken that could be read in two ways, however it comes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_proxy::fuzzing::{AnswerBody, answer_start};

fuzz_target!(|input: (bool, &[u8])| {
    let (to_head, bytes) = input;
    let Ok(Some(start)) = answer_start(bytes, to_head) else {
        return;
    };
    // The same with nothing behind it, and nothing but a beginning before it is all there.
    let alone = answer_start(&bytes[..start.length], to_head)
        .expect("a head")
        .expect("its end");
    assert_eq!((alone.length, &alone.body), (start.length, &start.body));
    assert_eq!(alone.head.headers(), start.head.headers());
    for cut in 0..start.length.min(64) {
        assert!(
            matches!(answer_start(&bytes[..cut], to_head), Ok(None)),
            "cut at {cut}"
        );
    }
    let headers = start.head.headers();
    assert!(
        headers
            .values()
            .all(|value| value.as_bytes().iter().all(|byte| !b"\0\r\n".contains(byte)))
    );
    let codings = headers.get_all("transfer-encoding").iter().count();
    assert_eq!(codings, 0, "how it was framed is not told");
    match start.body {
        AnswerBody::Chunked => assert!(!headers.contains_key("content-length")),
        AnswerBody::UntilClose => assert!(!start.keep_alive),
        AnswerBody::Length(_) => {}
    }
});
