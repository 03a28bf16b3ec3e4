//! Users with what proves who they are: listed in the configuration, or in a file that is read again when it changes.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::Guard;
use mesh_config::model::Hidden;

use super::{
    InvalidMiddleware,
    watched_file::{self, Watched},
};

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
    listed: Arc<Known<U>>,
    known: Watched<Known<U>>,
}

/// A line that is no user: its number, and what to write. It does not quote the line: that may be a password.
type WrongLine = (usize, &'static str);

impl<U: User + Send + Sync + 'static> Users<U> {
    /// Those that are `listed`, and those of `file` if it is named.
    pub(super) fn new(listed: &[Hidden], file: &str) -> Result<Self, String> {
        let lines = listed.iter().map(Hidden::expose);
        let listed =
            read(lines).map_err(|(line, reason)| invalid("users", format!("entry {line}"), reason))?;
        let listed = Arc::new(listed);
        let path = Some(PathBuf::from(file)).filter(|_| !file.is_empty());
        let (own, of_file) = (listed.clone(), path.clone());
        let known = Watched::new(path.into_iter().collect(), move || {
            let mut known = of_file.as_deref().map_or_else(|| Ok(Known::new()), read_file)?;
            known.extend((*own).clone());
            Ok(known)
        })?;
        Ok(Self { listed, known })
    }

    /// Those of the configuration.
    pub(super) fn listed(&self) -> impl Iterator<Item = (&str, &U)> {
        self.listed.iter().map(|(name, user)| (&**name, user))
    }

    /// Everybody.
    pub(super) fn known(&self) -> Arc<Known<U>> {
        Guard::into_inner(self.known.get())
    }

    /// Reads the file again if it looks changed. True if there is anything to tell.
    pub(super) fn refresh(&self) -> bool {
        self.known.refresh()
    }

    /// What is wrong with the file as it is now; those who were in it before are known.
    pub(super) fn trouble(&self) -> Option<String> {
        let trouble = self.known.trouble()?;
        Some(format!("{trouble}; what was read before serves on"))
    }
}

fn read_file<U: User>(path: &Path) -> Result<Known<U>, String> {
    let text = watched_file::read(path).map_err(|error| format!("usersFile: {error}"))?;
    let wrong = |(line, reason)| invalid("usersFile", format!("{} line {line}", path.display()), reason);
    Ok(read(text.lines()).map_err(wrong)?)
}

/// Reads lines of users; empty ones and comments are none. The last one wins.
fn read<'l, U: User>(lines: impl Iterator<Item = &'l str>) -> Result<Known<U>, WrongLine> {
    let lines = lines.map(str::trim).zip(1..);
    let users = lines
        .filter(|(line, _)| !line.is_empty() && !line.starts_with('#'))
        .map(|(line, number)| {
            let (name, rest) = U::split(line).ok_or((number, U::FORM))?;
            if name.is_empty() || name.len() > MAX_NAME || name.contains(char::is_control) {
                return Err((number, "has a name that no client can give"));
            }
            let user = U::read(rest).map_err(|reason| (number, reason))?;
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
        Users::new(&listed, file)
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
