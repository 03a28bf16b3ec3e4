//! A page in Markdown, as far as tests look into it.

/// What stands on a page.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// Fenced blocks.
    pub(super) blocks: Vec<Block>,
    /// Rows of tables.
    pub(super) rows: Vec<Row>,
    /// Headings without their marks.
    pub(super) headings: Vec<String>,
    /// Where links lead.
    pub(super) links: Vec<String>,
}

/// A fenced block.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// What stands behind the fence: `yaml`, `yaml fragment`.
    pub(super) info: String,
    /// Its content.
    pub(super) text: String,
    /// The line of the fence.
    pub(super) line: usize,
}

/// A row of a table.
#[derive(Debug)]
pub(super) struct Row {
    /// The heading above it.
    pub(super) heading: String,
    /// The first cell of the table's first row.
    pub(super) title: String,
    /// The code spans of its first cell.
    pub(super) first: Vec<String>,
    /// The code spans of its second cell.
    pub(super) second: Vec<String>,
}

impl Page {
    /// Reads `text`.
    pub(super) fn parse(text: &str) -> Self {
        let mut page = Self::default();
        let mut open: Option<Block> = None;
        let mut title: Option<String> = None;
        for (number, line) in text.lines().enumerate() {
            match (line.strip_prefix("```"), &mut open) {
                (Some(_), Some(_)) => page.blocks.extend(open.take()),
                (Some(info), None) => {
                    let (info, line) = (info.trim().to_owned(), number + 1);
                    open = Some(Block {
                        info,
                        line,
                        ..Block::default()
                    });
                }
                (None, Some(block)) => {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                (None, None) => page.prose(line, &mut title),
            }
        }
        page
    }

    fn prose(&mut self, line: &str, title: &mut Option<String>) {
        self.links.extend(links(line));
        if line.starts_with('#') {
            self.headings.push(line.trim_start_matches('#').trim().to_owned());
        }
        let Some(row) = line.strip_prefix('|') else {
            *title = None;
            return;
        };
        // `\|` is no border.
        let row = row.replace("\\|", "\u{0}");
        let mut cells = row.split('|').map(str::trim);
        let (first, second) = (cells.next().unwrap_or_default(), cells.next().unwrap_or_default());
        let title = title.get_or_insert_with(|| first.to_owned());
        self.rows.push(Row {
            heading: self.headings.last().cloned().unwrap_or_default(),
            title: title.clone(),
            first: spans(first),
            second: spans(second),
        });
    }
}

/// The targets of `[text](target)` outside code spans.
fn links(line: &str) -> Vec<String> {
    let prose: String = line.split('`').step_by(2).collect();
    prose
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.to_owned())
        .collect()
}

fn spans(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}
