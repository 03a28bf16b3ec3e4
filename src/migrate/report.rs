//! What `mesh migrate` says.

use serde::Serialize;

use super::found::FABIO;

/// What became of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Verdict {
    /// It is written as Mesh wants it.
    Translated,
    /// It means nothing to Mesh, and nothing is lost with it.
    LeftOut,
    /// It does not translate.
    Refused,
}

/// One label, rule or object.
#[derive(Debug, Serialize)]
pub(super) struct Item {
    /// `compose.yml:12`
    pub(super) place: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) service: Option<String>,
    pub(super) key: String,
    pub(super) verdict: Verdict,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) to: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) note: String,
}

/// All of a file.
#[derive(Debug, Serialize)]
pub(super) struct FileReport {
    pub(super) file: String,
    /// `labels`, `dynamic` or `static`.
    pub(super) kind: &'static str,
    pub(super) items: Vec<Item>,
}

impl FileReport {
    pub(super) fn count(&self, verdict: Verdict) -> usize {
        self.items.iter().filter(|item| item.verdict == verdict).count()
    }
}

/// The report for programs.
pub(super) fn json(reports: &[FileReport]) -> String {
    let count = |verdict| reports.iter().map(|report| report.count(verdict)).sum::<usize>();
    let report = serde_json::json!({
        "files": reports,
        "translated": count(Verdict::Translated),
        "leftOut": count(Verdict::LeftOut),
        "refused": count(Verdict::Refused),
    });
    format!("{report:#}\n")
}

/// The report for people.
pub(super) fn text(reports: &[FileReport]) -> String {
    let mut lines = Vec::new();
    for report in reports {
        let mut service = None;
        for item in &report.items {
            if item.service.is_some() && item.service != service {
                service.clone_from(&item.service);
                lines.push(format!("service {}", service.as_deref().unwrap_or_default()));
            }
            lines.extend(item.lines());
        }
    }
    let count = |verdict| reports.iter().map(|report| report.count(verdict)).sum::<usize>();
    lines.push(format!(
        "{} translated, {} left out, {} not translated",
        count(Verdict::Translated),
        count(Verdict::LeftOut),
        count(Verdict::Refused)
    ));
    let mut items = reports
        .iter()
        .filter(|report| report.kind == "labels")
        .flat_map(|report| &report.items);
    if items.any(|item| item.verdict == Verdict::Translated && !item.key.starts_with(FABIO)) {
        lines.push(
            "Or change no label: a provider with `labelPrefixes: [mesh, traefik]` reads those of the other router as they are, but for rules that were rewritten."
                .to_owned(),
        );
    }
    lines.join("\n") + "\n"
}

impl Item {
    fn lines(&self) -> Vec<String> {
        let verdict = match self.verdict {
            Verdict::Translated => "ok",
            Verdict::LeftOut => "left out",
            Verdict::Refused => "NOT TRANSLATED",
        };
        let mut lines = vec![format!("{}: {verdict}: {}", self.place, self.key)];
        lines.extend(self.to.iter().map(|to| format!("  -> {to}")));
        if !self.note.is_empty() {
            lines.push(format!("  {}", self.note));
        }
        lines
    }
}
