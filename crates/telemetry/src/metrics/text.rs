//! The Prometheus text format, version 0.0.4.

use std::fmt::{Display, Write};

/// Writes metrics one after the other. Every name begins with `mesh_`, except those of `process_`.
#[derive(Debug, Default)]
pub(super) struct Text {
    out: String,
    name: String,
}

impl Text {
    /// Begins a metric; what follows are its samples.
    pub(super) fn metric(&mut self, name: &str, kind: &str, help: &str) {
        let prefix = if name.starts_with("process_") { "" } else { "mesh_" };
        self.name = format!("{prefix}{name}");
        self.line(format_args!("# HELP {} {help}", self.name.clone()));
        self.line(format_args!("# TYPE {} {kind}", self.name.clone()));
    }

    /// One sample of the metric begun last; `suffix` is empty but for histograms.
    pub(super) fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        self.out.push_str(&self.name);
        self.out.push_str(suffix);
        for (index, (label, text)) in labels.iter().enumerate() {
            self.out.push(if index == 0 { '{' } else { ',' });
            self.out.push_str(label);
            self.out.push_str("=\"");
            escape(text, &mut self.out);
            self.out.push('"');
        }
        if !labels.is_empty() {
            self.out.push('}');
        }
        self.line(format_args!(" {value}"));
    }

    /// The text so far.
    pub(super) fn finish(self) -> String {
        self.out
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.out, "{line}");
    }
}

/// Escapes the value of a label: backslash, quote and line feed are all that the format knows.
fn escape(text: &str, out: &mut String) {
    for char in text.chars() {
        match char {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            char => out.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_cannot_break_out() {
        let mut text = Text::default();
        text.metric("x_total", "counter", "Help.");
        text.sample("", &[("router", "a\"} 1\nmesh_evil 1\\")], 2);
        assert_eq!(
            text.finish(),
            "# HELP mesh_x_total Help.\n# TYPE mesh_x_total counter\n\
             mesh_x_total{router=\"a\\\"} 1\\nmesh_evil 1\\\\\"} 2\n"
        );
    }

    #[test]
    fn a_sample_without_labels_has_no_braces() {
        let mut text = Text::default();
        text.metric("process_open_fds", "gauge", "Help.");
        text.sample("", &[], 0.5);
        assert!(text.finish().ends_with("\nprocess_open_fds 0.5\n"));
    }
}
