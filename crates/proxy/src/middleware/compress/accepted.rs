//! What a client takes: `Accept-Encoding`, and which coding it gets.

use http::{HeaderMap, header};
use mesh_config::model::Encoding;

/// What one entry of `Accept-Encoding` is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    Coding(Encoding),
    Any,
    Identity,
}

/// The coding for whoever sent `headers`, `None` for the body as it is. The one that the client likes best, on a tie the
/// first of `offered`. `*` stands for the `usual` one, or the first, of those that it does not name, and comes after
/// those that it does.
pub(super) fn choose(headers: &HeaderMap, offered: &[Encoding], usual: Option<Encoding>) -> Option<Encoding> {
    if !headers.contains_key(header::ACCEPT_ENCODING) {
        return usual;
    }
    let named: Vec<_> = entries(headers).collect();
    let is_named = |coding: Encoding| named.iter().any(|(name, _)| *name == Named::Coding(coding));
    let rank = |coding: Encoding| offered.iter().position(|one| *one == coding);
    let candidates = named.iter().filter_map(|(name, quality)| match name {
        Named::Coding(coding) => Some((*quality, rank(*coding)?, Some(*coding))),
        Named::Any => {
            let mut any = usual.into_iter().chain(offered.iter().copied());
            let coding = any.find(|coding| !is_named(*coding))?;
            Some((*quality, offered.len(), Some(coding)))
        }
        Named::Identity => Some((*quality, offered.len() + 1, None)),
    });
    candidates
        .filter(|(quality, ..)| *quality > 0)
        .max_by_key(|(quality, rank, _)| (*quality, std::cmp::Reverse(*rank)))
        .and_then(|(_, _, coding)| coding)
}

/// All entries that can be read, each with its quality in thousandths.
fn entries(headers: &HeaderMap) -> impl Iterator<Item = (Named, u16)> {
    let lines = headers.get_all(header::ACCEPT_ENCODING).iter();
    let entries = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','));
    entries.filter_map(|entry| {
        let mut parts = entry.split(';').map(str::trim);
        let name = named(parts.next()?)?;
        let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        Some((name, quality.map_or(Some(1000), thousandths)?))
    })
}

fn named(name: &str) -> Option<Named> {
    let names = [
        ("gzip", Named::Coding(Encoding::Gzip)),
        ("x-gzip", Named::Coding(Encoding::Gzip)),
        ("br", Named::Coding(Encoding::Br)),
        ("zstd", Named::Coding(Encoding::Zstd)),
        ("identity", Named::Identity),
        ("*", Named::Any),
    ];
    let mut names = names.into_iter();
    names
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, named)| named)
}

/// A quality from 0 to 1 in thousandths; `None` for what is none.
fn thousandths(quality: &str) -> Option<u16> {
    let (whole, rest) = quality.split_once('.').unwrap_or((quality, ""));
    let is_number = rest.len() <= 3 && rest.bytes().all(|byte| byte.is_ascii_digit());
    let thousandths: u16 = match rest {
        "" => 0,
        rest => format!("{rest:0<3}").parse().ok()?,
    };
    match (whole, thousandths) {
        _ if !is_number => None,
        ("0", thousandths) => Some(thousandths),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Encoding::{Br, Gzip, Zstd};

    fn chosen(accepted: &[&str], offered: &[Encoding], usual: Option<Encoding>) -> Option<Encoding> {
        let mut headers = HeaderMap::new();
        for line in accepted {
            headers.append(header::ACCEPT_ENCODING, line.parse().unwrap());
        }
        choose(&headers, offered, usual)
    }

    #[test]
    fn the_best_liked_wins_and_on_a_tie_the_first_that_is_offered() {
        for (accepted, coding) in [
            ("gzip", Some(Gzip)),
            ("GZip, BR", Some(Gzip)),
            ("br, gzip, zstd", Some(Gzip)),
            ("br;q=0.9, gzip;q=0.8", Some(Br)),
            ("gzip;q=0.5, br ; q=0.51 , zstd;q=0.509", Some(Br)),
            ("x-gzip", Some(Gzip)),
            ("deflate, compress", None),
            ("gzip;q=0", None),
            ("gzip;q=0.000, br;q=0.001", Some(Br)),
            ("gzip;q=2, br;q=x, zstd;q=0.1234", None),
            ("gzip;level=1;Q=0.5, zstd", Some(Zstd)),
            ("", None),
        ] {
            assert_eq!(chosen(&[accepted], &[Gzip, Br, Zstd], None), coding, "{accepted}");
        }
        assert_eq!(chosen(&["gzip, br"], &[Br, Gzip], None), Some(Br));
        assert_eq!(chosen(&["gzip, br"], &[Zstd], None), None);
        assert_eq!(chosen(&["gzip;q=0.1", "zstd"], &[Gzip, Zstd], None), Some(Zstd));
    }

    #[test]
    fn any_stands_for_the_usual_one_or_the_first_that_is_not_named() {
        for (accepted, usual, coding) in [
            ("*", None, Some(Gzip)),
            ("*", Some(Zstd), Some(Zstd)),
            ("br, *", Some(Zstd), Some(Br)),
            ("br;q=0.5, *", Some(Zstd), Some(Zstd)),
            ("gzip;q=0, *", None, Some(Br)),
            ("zstd;q=0, *", Some(Zstd), Some(Gzip)),
            ("gzip;q=0, br;q=0, zstd;q=0, *", None, None),
            ("*;q=0", Some(Zstd), None),
            ("br;q=0.1, *;q=0", None, Some(Br)),
        ] {
            assert_eq!(
                chosen(&[accepted], &[Gzip, Br, Zstd], usual),
                coding,
                "{accepted}"
            );
        }
    }

    #[test]
    fn as_it_is_comes_last_on_a_tie_and_wins_where_it_is_liked_better() {
        for (accepted, coding) in [
            ("identity, gzip", Some(Gzip)),
            ("identity, *", Some(Gzip)),
            ("identity, gzip;q=0.9", None),
            ("identity;q=0", None),
            ("identity;q=0, br", Some(Br)),
        ] {
            assert_eq!(chosen(&[accepted], &[Gzip, Br], Some(Gzip)), coding, "{accepted}");
        }
    }

    #[test]
    fn who_says_nothing_gets_the_usual_one_and_who_says_nothing_in_words_does_not() {
        assert_eq!(chosen(&[], &[Gzip], None), None);
        assert_eq!(chosen(&[], &[Gzip, Br], Some(Br)), Some(Br));
        assert_eq!(chosen(&[""], &[Gzip, Br], Some(Br)), None);
    }

    proptest::proptest! {
        #[test]
        fn what_is_chosen_is_offered_and_not_refused(accepted in "(gzip|br|zstd|identity|\\*|x|;q=|0|1|\\.|,| ){0,20}") {
            let one = chosen(&[&accepted], &[Br, Zstd], Some(Zstd));
            proptest::prop_assert!(one != Some(Gzip));
        }
    }
}
