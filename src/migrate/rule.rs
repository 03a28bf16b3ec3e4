//! Rules of the second syntax (`v2`) in that of Mesh, which is the third.

use std::fmt::Write as _;

use mesh_config::rule::Rule;

use super::words::closing;

/// In which syntax a rule is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Syntax {
    /// Nobody says. A rule of both is one of the third, unless nobody would write it there.
    #[default]
    Unknown,
    Second,
    Third,
}

impl Syntax {
    /// The one that `ruleSyntax` names.
    pub(super) fn named(name: &str) -> Self {
        match name.trim().to_ascii_lowercase().as_str() {
            "v2" => Self::Second,
            "v3" => Self::Third,
            _ => Self::Unknown,
        }
    }
}

/// Said of a rule that means one thing in the second syntax and another one in the third.
const EITHER: &str = "read as a rule of the third syntax; in the second a HostRegexp without braces is a plain host: write it as Host";

/// What is to look at in `text`, which stays as it is.
pub(super) fn doubt(text: &str, syntax: Syntax) -> Option<&'static str> {
    let mut hosts = text
        .split("HostRegexp(")
        .skip(1)
        .filter_map(|rest| rest.split(['`', '"']).nth(1));
    let is_plain = |host: &str| {
        host.chars()
            .all(|c| c.is_ascii_alphanumeric() || ".-".contains(c))
    };
    (syntax == Syntax::Unknown && hosts.any(is_plain)).then_some(EITHER)
}

/// A rule as Mesh wants it: `None` where it is as it should be.
pub(super) fn convert(text: &str, syntax: Syntax) -> Result<Option<String>, String> {
    let taken = text.parse::<Rule>();
    let is_second = match syntax {
        Syntax::Second => true,
        Syntax::Third => false,
        Syntax::Unknown => has_template(text) || asks_for_pairs(text),
    };
    if taken.is_ok() && !is_second {
        return Ok(None);
    }
    if syntax == Syntax::Third {
        return Err(taken.err().map_or_else(String::new, |error| error.to_string()));
    }
    let converted = rewritten(text).ok_or_else(|| match &taken {
        Err(error) => error.to_string(),
        Ok(_) => "no rule of the second syntax".to_owned(),
    })?;
    match converted.parse::<Rule>() {
        Ok(_) if converted == text => Ok(None),
        Ok(_) => Ok(Some(converted)),
        Err(error) => Err(taken.err().unwrap_or(error).to_string()),
    }
}

/// ``Query(`a=b`)``: no parameter of the third syntax has such a name.
fn asks_for_pairs(text: &str) -> bool {
    let mut queries = text.split("Query(").skip(1);
    queries.any(|rest| {
        rest.split(['`', '"'])
            .nth(1)
            .is_some_and(|pair| pair.contains('='))
    })
}

/// `{name}` or `{name:pattern}` within a matcher's text.
fn has_template(text: &str) -> bool {
    text.match_indices('{').any(|(at, _)| {
        let rest = text.get(at + 1..).unwrap_or_default();
        let name = rest.split([':', '}']).next().unwrap_or_default().trim();
        let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let is_name = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        begins && closing(rest).is_some() && name.chars().all(is_name)
    })
}

/// Every call of `text` rewritten; `None` where it is not made of calls.
fn rewritten(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if !first.is_ascii_alphabetic() {
            out.push(first);
            rest = rest.get(first.len_utf8()..)?;
            continue;
        }
        let (name, behind) = rest.split_at_checked(rest.find(|c: char| !c.is_ascii_alphanumeric())?)?;
        let (arguments, behind) = arguments(behind.trim_start().strip_prefix('(')?)?;
        out.push_str(&call(name, &arguments)?);
        rest = behind;
    }
    Some(out)
}

/// The quoted arguments before the closing parenthesis, and what follows it.
fn arguments(mut rest: &str) -> Option<(Vec<String>, &str)> {
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start();
        let quote = rest.chars().next().filter(|c| "`\"".contains(*c))?;
        let (value, behind) = rest.get(1..)?.split_once(quote)?;
        // What an escape stands for matters to nobody who writes hosts and paths; better to say no.
        if quote == '"' && value.contains('\\') {
            return None;
        }
        found.push(value.to_owned());
        rest = behind.trim_start();
        if let Some(behind) = rest.strip_prefix(')') {
            return Some((found, behind));
        }
        rest = rest.strip_prefix(',')?;
    }
}

fn call(name: &str, arguments: &[String]) -> Option<String> {
    let matcher = match name.to_ascii_lowercase().as_str() {
        "host" | "hostheader" => "Host",
        "hostregexp" => "HostRegexp",
        "path" => "Path",
        "pathprefix" => "PathPrefix",
        "method" => "Method",
        "clientip" => "ClientIP",
        "query" => "Query",
        "headers" | "header" => "Header",
        "headersregexp" | "headerregexp" => "HeaderRegexp",
        _ => return None,
    };
    if matcher.starts_with("Header") {
        let [key, value] = arguments else { return None };
        // Without a value any will do.
        return Some(match value.as_str() {
            "" => format!("HeaderRegexp(`{key}`, `.*`)"),
            value => format!("{matcher}(`{key}`, `{value}`)"),
        });
    }
    let calls: Option<Vec<String>> = arguments.iter().map(|value| one(matcher, value)).collect();
    match calls?.as_slice() {
        [] => None,
        [call] => Some(call.clone()),
        // Of a query every pair is asked for, of everything else one is enough.
        calls if matcher == "Query" => Some(format!("({})", calls.join(" && "))),
        calls => Some(format!("({})", calls.join(" || "))),
    }
}

fn one(matcher: &str, value: &str) -> Option<String> {
    if value.contains('`') {
        return None;
    }
    Some(match matcher {
        "HostRegexp" => format!("HostRegexp(`^{}$`)", pattern(value, "[^.]+")?),
        "Path" if has_template(value) => format!("PathRegexp(`^{}$`)", pattern(value, "[^/]+")?),
        "PathPrefix" if has_template(value) => format!("PathRegexp(`^{}`)", pattern(value, "[^/]+")?),
        "Query" => match value.split_once('=') {
            // Without a value any will do.
            Some((key, "")) => format!("QueryRegexp(`{key}`, `.*`)"),
            Some((key, value)) if has_template(value) => {
                format!("QueryRegexp(`{key}`, `^{}$`)", pattern(value, ".*")?)
            }
            Some((key, value)) => format!("Query(`{key}`, `{value}`)"),
            None => return None,
        },
        matcher => format!("{matcher}(`{value}`)"),
    })
}

/// The pattern that a text with templates stands for; a template without one of its own is `default`.
fn pattern(text: &str, default: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('{') {
        escape(before, &mut out);
        let end = closing(behind)?;
        let (template, after) = (behind.get(..end)?, behind.get(end + 1..)?);
        let own = template.split_once(':').map_or(default, |(_, own)| own);
        // Alternatives of the template are not alternatives of the whole.
        let _ = if own.contains('|') {
            write!(out, "(?:{own})")
        } else {
            write!(out, "{own}")
        };
        rest = after;
    }
    escape(rest, &mut out);
    Some(out)
}

pub(super) fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_of_the_third_syntax_stays_as_it_is() {
        for rule in [
            "Host(`a.com`) && PathPrefix(`/x`)",
            "HostRegexp(`^a{1,3}$`)",
            "!Method(`GET`)",
        ] {
            assert_eq!(convert(rule, Syntax::Unknown), Ok(None), "{rule}");
        }
    }

    #[test]
    fn a_rule_of_the_second_syntax_is_rewritten() {
        for (rule, wanted) in [
            (
                "Host(`a.com`, `b.com`) && !Path(`/x`)",
                "(Host(`a.com`) || Host(`b.com`)) && !Path(`/x`)",
            ),
            (
                "HostRegexp(`{sub:[a-z]{2,3}}.example.com`)",
                r"HostRegexp(`^[a-z]{2,3}\.example\.com$`)",
            ),
            ("HostRegexp(`{any:a|b}`)", "HostRegexp(`^(?:a|b)$`)"),
            ("PathPrefix(`/users/{id}`)", "PathRegexp(`^/users/[^/]+`)"),
            (
                "PathPrefix(`/{v:v[0-9]{1,2}}/x-{x-y}`)",
                "PathRegexp(`^/v[0-9]{1,2}/x-[^/]+`)",
            ),
            ("Headers(`X-A`, `1`)", "Header(`X-A`, `1`)"),
            ("Method(`GET`,`HEAD`)", "(Method(`GET`) || Method(`HEAD`))"),
        ] {
            assert_eq!(
                convert(rule, Syntax::Unknown).unwrap().as_deref(),
                Some(wanted),
                "{rule}"
            );
        }
    }

    #[test]
    fn a_query_of_pairs_is_of_the_second_syntax_unless_it_is_said_to_be_of_the_third() {
        let rule = "Query(`a=b`, `c={x:[0-9]+}`) && Query(`d=`)";
        assert_eq!(convert(rule, Syntax::Third), Ok(None));
        let wanted = "(Query(`a`, `b`) && QueryRegexp(`c`, `^[0-9]+$`)) && QueryRegexp(`d`, `.*`)";
        for syntax in [Syntax::Unknown, Syntax::Second] {
            assert_eq!(convert(rule, syntax), Ok(Some(wanted.to_owned())));
        }
    }

    #[test]
    fn a_rule_said_to_be_of_the_third_syntax_is_taken_at_its_word() {
        assert_eq!(convert("Path(`/{id}`)", Syntax::Third), Ok(None));
        assert!(convert("Host(`a.com`, `b.com`)", Syntax::Third).is_err());
    }

    #[test]
    fn a_plain_pattern_known_to_be_of_the_second_syntax_covers_the_whole_host() {
        assert_eq!(
            convert("HostRegexp(`a.com`)", Syntax::Second),
            Ok(Some(r"HostRegexp(`^a\.com$`)".to_owned()))
        );
    }

    #[test]
    fn what_is_no_rule_is_refused_with_the_reason() {
        for rule in [
            "",
            "Hots(`a`)",
            "Host(`a`",
            "Host()",
            "Host(`a`) &&",
            "{",
            "Host(`{`)é",
        ] {
            assert!(convert(rule, Syntax::Unknown).is_err(), "{rule}");
        }
    }
}
