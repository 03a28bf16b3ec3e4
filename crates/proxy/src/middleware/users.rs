//! Users with what proves who they are: listed in the configuration, or in a file that is read again when it changes.

use std::{
    collections::HashMap,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use mesh_config::model::{Hidden, Pem};
use mesh_tls::Stamp;
use parking_lot::Mutex;

use super::InvalidMiddleware;

/// Longest file of users, in bytes.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// Longest name of a user, in bytes.
const MAX_NAME: usize = 255;

/// A line of a list of users.
pub(super) trait User: Sized + Clone {
    /// What is wrong with a line that is none, and what to write.
    const FORM: &'static str = "is no user; write name:hash";

    /// The name, and what follows it and a colon.
    fn split(line: &str) -> Option<(&str, &str)> {
        line.split_once(':')
    }

    /// Reads what follows the name; fails with what to write.
    fn read(rest: &str) -> Result<Self, &'static str>;
}

/// Users by name.
pub(super) type Known<U> = HashMap<Box<str>, U>;

/// The users of one middleware.
#[derive(Debug)]
pub(super) struct Users<U> {
    /// Those of the configuration, which win over those of the file.
    listed: Known<U>,
    file: Option<Watched>,
    known: ArcSwap<Known<U>>,
}

#[derive(Debug)]
struct Watched {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    stamp: Stamp,
    trouble: Option<String>,
}

/// What is wrong with a list. It does not quote what it found: that may be a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Unreadable {
    #[error("{0}")]
    File(String),
    #[error("line {0} {1}")]
    Line(usize, &'static str),
}

impl<U: User> Users<U> {
    /// Those that are `listed`, and those of `file` if it is named.
    pub(super) fn new(listed: &[Hidden], file: &str) -> Result<Self, InvalidMiddleware> {
        let lines = listed.iter().map(Hidden::expose);
        let listed = read(lines).map_err(|error| match error {
            Unreadable::Line(line, reason) => invalid("users", format!("entry {line}"), reason),
            Unreadable::File(_) => invalid("users", String::new(), "cannot be read"),
        })?;
        let mut users = Self {
            known: ArcSwap::from_pointee(listed.clone()),
            listed,
            file: None,
        };
        if !file.is_empty() {
            let path = PathBuf::from(file);
            // Before the file: what changes while it is read is read again.
            let stamp = stamp(&path);
            let of_file = read_file(&path).map_err(|error| match error {
                Unreadable::Line(line, reason) => invalid("usersFile", format!("{file} line {line}"), reason),
                Unreadable::File(why) => invalid("usersFile", format!("{file}: {why}"), "cannot be read"),
            })?;
            users.known.store(Arc::new(users.with(of_file)));
            let state = Mutex::new(State { stamp, trouble: None });
            users.file = Some(Watched { path, state });
        }
        Ok(users)
    }

    /// Those of the configuration.
    pub(super) fn listed(&self) -> impl Iterator<Item = (&str, &U)> {
        self.listed.iter().map(|(name, user)| (&**name, user))
    }

    /// Everybody.
    pub(super) fn known(&self) -> Arc<Known<U>> {
        self.known.load_full()
    }

    /// Reads the file again if it looks changed. True if there is anything to tell.
    pub(super) fn refresh(&self) -> bool {
        let Some(file) = &self.file else { return false };
        let mut state = file.state.lock();
        let stamp = stamp(&file.path);
        if stamp == state.stamp && state.trouble.is_none() {
            return false;
        }
        state.stamp = stamp;
        let trouble = match read_file(&file.path) {
            Ok(of_file) => {
                self.known.store(Arc::new(self.with(of_file)));
                None
            }
            Err(error) => Some(format!("usersFile {}: {error}", file.path.display())),
        };
        let is_news = state.trouble != trouble;
        match &trouble {
            Some(error) if is_news => tracing::warn!(%error, "a file of users cannot be used"),
            None => tracing::info!(file = %file.path.display(), "a file of users is in use"),
            Some(_) => {}
        }
        state.trouble = trouble;
        is_news
    }

    /// What is wrong with the file as it is now; those who were in it before are known.
    pub(super) fn trouble(&self) -> Option<String> {
        let trouble = self.file.as_ref()?.state.lock().trouble.clone()?;
        Some(format!("{trouble}; what was read before serves on"))
    }

    fn with(&self, mut of_file: Known<U>) -> Known<U> {
        of_file.extend(self.listed.clone());
        of_file
    }
}

fn stamp(path: &Path) -> Stamp {
    Stamp::of_all([&Pem::File(path.to_owned())])
}

fn read_file<U: User>(path: &Path) -> Result<Known<U>, Unreadable> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| Unreadable::File(error.to_string()))?;
    let length = file.take(MAX_FILE + 1).read_to_string(&mut text);
    let length = length.map_err(|error| Unreadable::File(error.to_string()))?;
    if length as u64 > MAX_FILE {
        return Err(Unreadable::File(format!("it has more than {MAX_FILE} bytes")));
    }
    read(text.lines())
}

/// Reads lines of users; empty ones and comments are none. The last one wins.
fn read<'l, U: User>(lines: impl Iterator<Item = &'l str>) -> Result<Known<U>, Unreadable> {
    let lines = lines.map(str::trim).zip(1..);
    let users = lines
        .filter(|(line, _)| !line.is_empty() && !line.starts_with('#'))
        .map(|(line, number)| {
            let (name, rest) = U::split(line).ok_or(Unreadable::Line(number, U::FORM))?;
            if name.is_empty() || name.len() > MAX_NAME || name.contains(char::is_control) {
                return Err(Unreadable::Line(number, "has a name that no client can give"));
            }
            let user = U::read(rest).map_err(|reason| Unreadable::Line(number, reason))?;
            Ok((name.into(), user))
        });
    users.collect()
}

fn invalid(key: &'static str, found: String, reason: &'static str) -> InvalidMiddleware {
    InvalidMiddleware { key, found, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl User for String {
        fn read(rest: &str) -> Result<Self, &'static str> {
            match rest {
                "bad" => Err("is bad"),
                rest => Ok(rest.to_owned()),
            }
        }
    }

    fn users(listed: &[&str], file: &str) -> Result<Users<String>, String> {
        let listed: Vec<_> = listed.iter().copied().map(Hidden::new).collect();
        Users::new(&listed, file).map_err(|error| error.to_string())
    }

    fn names(users: &Users<String>) -> String {
        let mut known: Vec<_> = users
            .known()
            .iter()
            .map(|(name, rest)| format!("{name}:{rest}"))
            .collect();
        known.sort();
        known.join(" ")
    }

    #[test]
    fn a_file_is_read_again_when_it_changes_and_stays_when_it_is_broken() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("users");
        let write = |text: &str| {
            let aside = place.path().join("aside");
            std::fs::write(&aside, text).unwrap();
            std::fs::rename(&aside, &path).unwrap();
        };
        write("# ours\n\n a:1 \nb:2\n");
        let users = users(&["a:9"], path.to_str().unwrap()).unwrap();
        assert_eq!(names(&users), "a:9 b:2");
        assert!(!users.refresh());
        write("c:3\n");
        users.refresh();
        assert_eq!(names(&users), "a:9 c:3");
        write("d:4\nhunter2\n");
        assert!(users.refresh());
        assert_eq!(names(&users), "a:9 c:3");
        let trouble = users.trouble().unwrap();
        assert!(
            trouble.contains("line 2") && !trouble.contains("hunter2"),
            "{trouble}"
        );
        assert!(!users.refresh(), "said once");
        write("d:4\n");
        assert!(users.refresh());
        assert_eq!((names(&users), users.trouble()), ("a:9 d:4".to_owned(), None));
        std::fs::remove_file(&path).unwrap();
        assert!(users.refresh());
        assert_eq!(names(&users), "a:9 d:4");
    }

    #[test]
    fn what_is_no_user_is_refused_without_telling_what_it_was() {
        for (listed, file) in [
            (&["a:1", "hunter2"][..], ""),
            (&["a:bad"], ""),
            (&[":hunter2"], ""),
            (&[], "/does/not/exist"),
        ] {
            let error = users(listed, file).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!(users(&["a:1", "a:bad"], "").unwrap_err().contains("entry 2"));
    }
}
