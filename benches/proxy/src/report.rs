//! What was measured, as tables in Markdown.

use std::fmt::Write;

use crate::{
    cases::{Case, Figure, Row},
    peer::Peer,
    stats::{ratios, spread},
};

/// One figure of one row.
#[derive(Debug)]
pub(crate) struct Line {
    work: String,
    figure: Figure,
    /// By proxy and round; `None` where a round could not be measured.
    samples: Vec<(Peer, Vec<Option<f64>>)>,
    /// Where the same figure of the first row is, if this is another one.
    base: Option<usize>,
}

/// All lines so far.
#[derive(Debug, Default)]
pub(crate) struct Report(Vec<Line>);

impl Report {
    /// `values` by row, proxy and round; each holds the row's figures in their order.
    pub(crate) fn add(&mut self, case: &Case, peers: &[Peer], values: &[Vec<Rounds>]) {
        let first = self.0.len();
        for (number, (row, by_peer)) in case.rows.iter().zip(values).enumerate() {
            for (at, figure) in row.work.figures().iter().enumerate() {
                let rounds = |rounds: &Rounds| {
                    let value = |round: &Option<Vec<f64>>| round.as_ref()?.get(at).copied();
                    rounds.iter().map(value).collect()
                };
                let samples = peers
                    .iter()
                    .zip(by_peer)
                    .map(|(peer, by_round)| (*peer, rounds(by_round)));
                self.0.push(Line {
                    work: work(case, row),
                    figure: *figure,
                    samples: samples.collect(),
                    base: (number > 0).then_some(first + at),
                });
            }
        }
        for line in self.0.iter().skip(first) {
            eprintln!("{}", line.summary());
        }
    }

    /// Two tables: the proxies beside each other, and the rows of a case beside its first one.
    pub(crate) fn tables(&self, peers: &[Peer]) -> String {
        let others = || peers.iter().filter(|peer| **peer != Peer::Mesh);
        let mut text = String::new();
        let titles: Vec<_> = peers.iter().map(Peer::to_string).collect();
        let against: Vec<_> = others().map(|peer| format!("Mesh to {peer}")).collect();
        header(
            &mut text,
            &["work", "figure"],
            &[titles.clone(), against].concat(),
        );
        for line in &self.0 {
            let mut cells: Vec<_> = peers.iter().map(|peer| line.value(*peer)).collect();
            cells.extend(others().map(|peer| line.ratio(Peer::Mesh, line, *peer)));
            row(&mut text, &line.work, line.figure.name(), &cells);
        }
        let beside = self
            .0
            .iter()
            .filter_map(|line| Some((line, self.0.get(line.base?)?)));
        let beside: Vec<_> = beside.filter(|(line, _)| line.figure != Figure::Failed).collect();
        if !beside.is_empty() {
            text.push('\n');
            header(&mut text, &["work", "figure, as a ratio"], &titles);
        }
        for (line, base) in beside {
            let cells: Vec<_> = peers.iter().map(|peer| line.ratio(*peer, base, *peer)).collect();
            row(
                &mut text,
                &format!("{} to {}", line.work, base.work),
                line.figure.name(),
                &cells,
            );
        }
        text
    }
}

/// The values of one proxy and row by round.
pub(crate) type Rounds = Vec<Option<Vec<f64>>>;

fn work(case: &Case, row: &Row) -> String {
    match row.name.as_str() {
        "" => case.name.to_owned(),
        name => format!("{}: {name}", case.name),
    }
}

impl Line {
    fn of(&self, peer: Peer) -> &[Option<f64>] {
        let samples = self.samples.iter().find(|(other, _)| *other == peer);
        samples.map_or(&[], |(_, rounds)| rounds)
    }

    /// The median; of failures the sum, because one is one too many.
    fn value(&self, peer: Peer) -> String {
        let rounds: Vec<_> = self.of(peer).iter().flatten().copied().collect();
        match spread(&rounds) {
            None => "–".to_owned(),
            Some(_) if self.figure == Figure::Failed => format!("{}", rounds.iter().sum::<f64>()),
            Some(quartiles) => number(quartiles.middle),
        }
    }

    /// The median of the ratios within each round, and their quartiles.
    fn ratio(&self, peer: Peer, to: &Self, other: Peer) -> String {
        if self.figure == Figure::Failed {
            return "–".to_owned();
        }
        let ratios = ratios(self.of(peer), to.of(other));
        spread(&ratios).map_or_else(
            || "–".to_owned(),
            |ratio| format!("{:.2} ({:.2}–{:.2})", ratio.middle, ratio.low, ratio.high),
        )
    }

    fn summary(&self) -> String {
        let values = self
            .samples
            .iter()
            .map(|(peer, _)| format!("{peer} {}", self.value(*peer)));
        let values: Vec<_> = values.collect();
        format!("{}, {}: {}", self.work, self.figure.name(), values.join(", "))
    }
}

fn number(value: f64) -> String {
    match value {
        value if value < 10.0 => format!("{value:.2}"),
        value if value < 100.0 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

fn header(text: &mut String, first: &[&str], titles: &[String]) {
    let titles = first
        .iter()
        .map(|title| (*title).to_owned())
        .chain(titles.iter().cloned());
    let titles: Vec<_> = titles.collect();
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "| {} |\n|{}",
        titles.join(" | "),
        "---|".repeat(titles.len())
    );
}

fn row(text: &mut String, work: &str, figure: &str, cells: &[String]) {
    let _ = writeln!(text, "| {work} | {figure} | {} |", cells.join(" | "));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases;

    #[test]
    fn a_table_holds_medians_and_the_median_of_the_ratios_of_each_round() {
        let case = cases::all().remove(0);
        let rounds = |values: [f64; 3]| values.map(|value| Some(vec![value])).to_vec();
        let mut report = Report::default();
        let values = vec![vec![rounds([10.0, 20.0, 40.0]), rounds([11.0, 10.0, 80.0])]];
        report.add(&case, &[Peer::Nginx, Peer::Mesh], &values);
        let text = report.tables(&[Peer::Nginx, Peer::Mesh]);
        let line = text.lines().last().unwrap();
        assert!(line.ends_with("| 20.0 | 11.0 | 1.10 (0.80–1.55) |"), "{line}");
    }

    #[test]
    fn rows_are_held_against_the_first_and_failures_are_added_up() {
        let case = cases::all()
            .into_iter()
            .find(|case| case.name == "reload-10k")
            .unwrap();
        let steady = vec![Some(vec![200.0, 1000.0, 0.0]); 2];
        let reloads = vec![Some(vec![300.0, 1500.0, 1.0]), None];
        let mut report = Report::default();
        report.add(&case, &[Peer::Mesh], &[vec![steady], vec![reloads]]);
        let text = report.tables(&[Peer::Mesh]);
        assert!(text.contains("| failed requests, all rounds | 1 |"), "{text}");
        assert!(text.contains("| p99, µs | 1.50 (1.50–1.50) |"), "{text}");
    }
}
