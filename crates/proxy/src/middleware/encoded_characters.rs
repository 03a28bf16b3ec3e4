//! `encodedCharacters`: refuses paths with characters in encoded form that servers read in different ways.

use std::ops::ControlFlow;

use bytes::Bytes;
use http::{Response, StatusCode, request};
use mesh_config::model;

use super::{Head, answer};
use crate::sanitize::Peer;

/// Characters that no path may hold in encoded form.
#[derive(Debug)]
pub(super) struct EncodedCharacters {
    denied: Vec<u8>,
}

impl EncodedCharacters {
    pub(super) fn new(settings: &model::EncodedCharacters) -> Self {
        let characters = [
            (b'/', settings.allow_encoded_slash),
            (b'\\', settings.allow_encoded_back_slash),
            (0, settings.allow_encoded_null_character),
            (b';', settings.allow_encoded_semicolon),
            (b'%', settings.allow_encoded_percent),
            (b'?', settings.allow_encoded_question_mark),
            (b'#', settings.allow_encoded_hash),
        ];
        let denied = characters.into_iter().filter(|(_, is_allowed)| !is_allowed);
        Self {
            denied: denied.map(|(character, _)| character).collect(),
        }
    }

    /// True if every escape may stand in a path. What is no escape may not.
    fn allows(&self, path: &str) -> bool {
        path.split('%').skip(1).all(|text| {
            let byte = text
                .get(..2)
                .and_then(|digits| u8::from_str_radix(digits, 16).ok());
            byte.is_some_and(|byte| !self.denied.contains(&byte))
        })
    }
}

impl Head for EncodedCharacters {
    fn request(&self, head: &mut request::Parts, _: &Peer) -> ControlFlow<Response<Bytes>> {
        match self.allows(head.uri.path()) {
            true => ControlFlow::Continue(()),
            false => answer(StatusCode::BAD_REQUEST),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use mesh_config::model::{EncodedCharacters, Middleware};

    use super::super::tests::{path_after, step};

    const ALL: [&str; 7] = ["%2F", "%5C", "%00", "%3B", "%25", "%3F", "%23"];

    #[test]
    fn all_are_refused_in_the_path_and_none_in_the_query() {
        let step = step(&Middleware::EncodedCharacters(EncodedCharacters::default()));
        for escape in ALL {
            for path in [
                format!("/a{escape}b"),
                format!("/{}", escape.to_ascii_lowercase()),
            ] {
                assert_eq!(path_after(&*step, &path), Err(StatusCode::BAD_REQUEST), "{path}");
            }
            let query = format!("/a?b={escape}");
            assert_eq!(path_after(&*step, &query).as_deref(), Ok(&*query));
        }
        assert_eq!(path_after(&*step, "/a%20b%C3%A9").as_deref(), Ok("/a%20b%C3%A9"));
    }

    #[test]
    fn each_is_allowed_by_its_own_option() {
        let options: [fn(&mut EncodedCharacters) -> &mut bool; 7] = [
            |it| &mut it.allow_encoded_slash,
            |it| &mut it.allow_encoded_back_slash,
            |it| &mut it.allow_encoded_null_character,
            |it| &mut it.allow_encoded_semicolon,
            |it| &mut it.allow_encoded_percent,
            |it| &mut it.allow_encoded_question_mark,
            |it| &mut it.allow_encoded_hash,
        ];
        for (allowed, option) in options.into_iter().enumerate() {
            let mut settings = EncodedCharacters::default();
            *option(&mut settings) = true;
            let step = step(&Middleware::EncodedCharacters(settings));
            for (at, escape) in ALL.into_iter().enumerate() {
                let passed = path_after(&*step, &format!("/a{escape}")).is_ok();
                assert_eq!(passed, at == allowed, "{escape}");
            }
        }
    }
}
