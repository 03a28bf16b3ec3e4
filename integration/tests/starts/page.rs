//! The fenced blocks of a page.

use std::{fs, path::Path};

/// A page, as far as it is run.
pub(crate) struct Page {
    pub(crate) name: String,
    /// All its blocks: what stands behind the fence, the text, and the line before it.
    pub(crate) blocks: Vec<(String, String)>,
    pub(crate) steps: Vec<Step>,
}

/// Commands that stand together.
pub(crate) struct Step {
    pub(crate) line: usize,
    pub(crate) commands: String,
    /// What they print, where the page shows it.
    pub(crate) prints: Option<String>,
}

impl Page {
    /// Reads the page at `name`, a path from the root of the repository.
    pub(crate) fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
        let mut page = Self {
            name: name.to_owned(),
            blocks: Vec::new(),
            steps: Vec::new(),
        };
        let mut open: Option<(String, String, usize)> = None;
        for (number, line) in fs::read_to_string(path).unwrap().lines().enumerate() {
            match (line.strip_prefix("```"), &mut open) {
                (Some(info), None) => open = Some((info.to_owned(), String::new(), number + 1)),
                (Some(_), Some(_)) => page.extend(open.take()),
                (None, Some((_, text, _))) => {
                    text.push_str(line);
                    text.push('\n');
                }
                (None, None) => {}
            }
        }
        page
    }

    fn extend(&mut self, block: Option<(String, String, usize)>) {
        let Some((info, text, line)) = block else { return };
        match info.as_str() {
            "sh" => self.steps.push(Step {
                line,
                commands: text.clone(),
                prints: None,
            }),
            "text" => self.steps.last_mut().unwrap().prints = Some(text.clone()),
            _ => {}
        }
        self.blocks.push((info, text));
    }

    /// Writes the files that the page shows: those that name themselves in their first line, and its task definition.
    pub(crate) fn write_files(&self, directory: &Path) {
        for (_, text) in &self.blocks {
            let named = text.lines().next().and_then(|line| line.strip_prefix("# "));
            let definition = text.contains("containerDefinitions").then_some("shop.json");
            if let Some(name) = named.or(definition) {
                fs::write(directory.join(name), text).unwrap();
            }
        }
    }

    /// The only block of its kind that holds `word`.
    pub(crate) fn block(&self, info: &str, word: &str) -> &str {
        let found: Vec<_> = self
            .blocks
            .iter()
            .filter(|(kind, text)| kind == info && text.contains(word))
            .collect();
        assert_eq!(
            found.len(),
            1,
            "{} of {info} with {word} in {}",
            found.len(),
            self.name
        );
        &found[0].1
    }
}
