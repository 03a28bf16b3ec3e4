//! Reasons in a few words.
//!
//! What is wrong with an object is told by each object that needs it, and those that need these: quoted whole, ten lines of
//! configuration would make texts of gigabytes.

/// Reasons that are quoted.
const QUOTED: usize = 5;

/// Longest text, in bytes.
const LONGEST: usize = 1000;

/// The first of `reasons`, as far as they fit, and how many more there are.
pub(crate) fn brief(reasons: impl Iterator<Item = String>) -> String {
    let mut quoted: Vec<String> = Vec::new();
    let mut more = 0_usize;
    let mut length = 0;
    for reason in reasons {
        if quoted.contains(&reason) {
            continue;
        }
        if quoted.len() >= QUOTED || length >= LONGEST {
            more += 1;
            continue;
        }
        length += reason.len();
        quoted.push(reason);
    }
    let mut text = quoted.join("; ");
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push('…');
    }
    match more {
        0 => text,
        more => format!("{text}; and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_reasons_are_quoted_once_and_the_others_counted() {
        let of = |reasons: &[&str]| brief(reasons.iter().map(|reason| (*reason).to_owned()));
        assert_eq!(of(&["a", "b", "a"]), "a; b");
        assert_eq!(
            of(&["a", "b", "c", "d", "e", "f", "g", "a"]),
            "a; b; c; d; e; and 2 more"
        );
        let long = "ä".repeat(LONGEST);
        let text = of(&[&long, "b"]);
        assert!(
            text.ends_with("…; and 1 more") && text.len() < LONGEST + 20,
            "{text}"
        );
    }
}
