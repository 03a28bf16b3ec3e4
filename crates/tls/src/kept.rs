//! What is made of settings and of the files that they name, and made anew when those change.

use mesh_config::model::Pem;

use crate::pair::Stamp;

/// Settings that name files, and what is made of both.
pub(crate) trait Recipe {
    /// What the files say, as they are at one moment.
    type Files: PartialEq;
    /// What is made.
    type Made: Clone;

    /// All that may be in files.
    fn pems(&self) -> impl Iterator<Item = &Pem>;

    /// Reads the files.
    ///
    /// # Errors
    /// When one cannot be read; the text says which.
    fn read(&self) -> Result<Self::Files, String>;

    /// Makes it of `files`.
    ///
    /// # Errors
    /// When that cannot be done; the text names the option.
    fn make(&self, files: &Self::Files) -> Result<Self::Made, String>;
}

/// The newest of what could be made.
#[derive(Debug)]
pub(crate) struct Kept<R: Recipe> {
    recipe: R,
    stamp: Stamp,
    /// What `made` was made of.
    files: Option<R::Files>,
    made: Result<R::Made, String>,
    trouble: Option<String>,
}

/// What came of looking at files again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// Nothing.
    Same,
    /// They cannot be used in another way than before, or can be used again; connections are made as before.
    Trouble,
    /// Connections are made differently from now on.
    New,
}

impl<R: Recipe> Kept<R> {
    /// Reads the files of `recipe`.
    pub(crate) fn new(recipe: R) -> Self {
        // Before the files: what changes while they are read is read again.
        let stamp = Stamp::of_all(recipe.pems());
        let (files, made) = match of_now(&recipe) {
            Ok((files, made)) => (Some(files), Ok(made)),
            Err(error) => (None, Err(error)),
        };
        Self {
            trouble: made.as_ref().err().cloned(),
            recipe,
            stamp,
            files,
            made,
        }
    }

    /// The newest, or why there never was one.
    pub(crate) fn made(&self) -> Result<R::Made, String> {
        self.made.clone()
    }

    /// What is wrong with the files as they are now; what was made of those before is kept.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Reads files again that look changed, and those that could not be used.
    pub(crate) fn refresh(&mut self) -> Renewal {
        let stamp = Stamp::of_all(self.recipe.pems());
        if stamp == self.stamp && !(self.trouble.is_some() && self.has_files()) {
            return Renewal::Same;
        }
        self.stamp = stamp;
        let files = self.recipe.read();
        if self.files.is_some() && self.files.as_ref() == files.as_ref().ok() {
            return match self.trouble.take() {
                None => Renewal::Same,
                Some(_) => Renewal::Trouble,
            };
        }
        match files.and_then(|files| made(&self.recipe, files)) {
            Ok((files, made)) => {
                self.files = Some(files);
                self.made = Ok(made);
                self.trouble = None;
                Renewal::New
            }
            Err(error) if self.trouble.as_ref() == Some(&error) => Renewal::Same,
            Err(error) => {
                self.trouble = Some(error.clone());
                match &mut self.made {
                    Ok(_) => Renewal::Trouble,
                    Err(before) => {
                        *before = error;
                        Renewal::New
                    }
                }
            }
        }
    }

    fn has_files(&self) -> bool {
        self.recipe.pems().any(|pem| matches!(pem, Pem::File(_)))
    }
}

fn of_now<R: Recipe>(recipe: &R) -> Result<(R::Files, R::Made), String> {
    made(recipe, recipe.read()?)
}

fn made<R: Recipe>(recipe: &R, files: R::Files) -> Result<(R::Files, R::Made), String> {
    let made = recipe.make(&files)?;
    Ok((files, made))
}
