//! Words that calls may use, and how a call becomes a leaf.

use super::{
    error::Fault,
    parser::{Argument, Call},
};

/// One name, the arguments it takes and what it makes of them.
#[derive(Debug)]
pub(crate) struct Word<L> {
    /// The exact spelling; all lower, all upper and first letter upper are understood too.
    pub(crate) name: &'static str,
    /// Its arguments as a message shows them.
    pub(crate) usage: &'static str,
    /// What it takes.
    pub(crate) form: Form<L>,
}

/// How many arguments a word takes.
#[derive(Debug)]
pub(crate) enum Form<L> {
    One(fn(Argument) -> Result<L, Fault>),
    Two(fn(Argument, Argument) -> Result<L, Fault>),
    OneOrTwo(fn(Argument, Option<Argument>) -> Result<L, Fault>),
}

/// The words of one language.
#[derive(Debug)]
pub(crate) struct Vocabulary<L: 'static> {
    /// All words.
    pub(crate) words: &'static [Word<L>],
    /// Words that exist elsewhere, and where.
    pub(crate) elsewhere: &'static [(&'static str, &'static str)],
}

/// Below this likeness a suggestion would puzzle more than it helps.
const LIKENESS: f64 = 0.7;

impl<L> Vocabulary<L> {
    /// The leaf that `call` means.
    pub(crate) fn read(&self, call: Call<'_>) -> Result<L, Fault> {
        let word = self
            .words
            .iter()
            .find(|word| is_spelling(call.name, word.name))
            .ok_or_else(|| self.unknown(&call))?;
        let found = call.arguments.len();
        let mut arguments = call.arguments.into_iter();
        match (&word.form, arguments.next(), arguments.next(), arguments.next()) {
            (Form::One(leaf), Some(one), None, None) => leaf(one),
            (Form::Two(leaf), Some(one), Some(two), None) => leaf(one, two),
            (Form::OneOrTwo(leaf), Some(one), two, None) => leaf(one, two),
            (form, ..) => {
                let takes = match form {
                    Form::One(_) => "1 argument",
                    Form::Two(_) => "2 arguments",
                    Form::OneOrTwo(_) => "1 or 2 arguments",
                };
                let Word { name, usage, .. } = word;
                let message = format!("{name} takes {takes}, found {found}: write {name}({usage})");
                Err(Fault::new(call.at, message))
            }
        }
    }

    fn unknown(&self, call: &Call<'_>) -> Fault {
        let name = call.name;
        if let Some((word, place)) = self.elsewhere.iter().find(|(word, _)| is_spelling(name, word)) {
            return Fault::new(call.at, format!("{word} works only in {place}"));
        }
        let likeness = |word: &str| strsim::jaro_winkler(&name.to_lowercase(), &word.to_lowercase());
        let nearest = self
            .words
            .iter()
            .map(|word| (likeness(word.name), word.name))
            .filter(|(likeness, _)| *likeness >= LIKENESS)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let help = match nearest {
            Some((_, nearest)) => format!(", did you mean {nearest}?"),
            None => {
                let names: Vec<_> = self.words.iter().map(|word| word.name).collect();
                format!(", known are {}", names.join(", "))
            }
        };
        Fault::of(call.at, "unknown matcher ", name, help)
    }
}

/// True for the four spellings of a name: `PathPrefix`, `pathprefix`, `PATHPREFIX`, `Pathprefix`.
pub(crate) fn is_spelling(text: &str, name: &str) -> bool {
    text.eq_ignore_ascii_case(name)
        && (text == name
            || !text.bytes().any(|b| b.is_ascii_uppercase())
            || !text.bytes().any(|b| b.is_ascii_lowercase())
            || text
                .bytes()
                .enumerate()
                .all(|(i, b)| b.is_ascii_uppercase() == (i == 0)))
}
