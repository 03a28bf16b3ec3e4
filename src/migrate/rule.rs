//! Rules of the second syntax (`v2`) in that of Mesh, which is the third.

use std::fmt::Write as _;

use mesh_config::rule::Rule;

/// A rule as Mesh wants it: `None` where it is as it should be. `v2`: it is known to be of the second syntax.
pub(super) fn convert(text: &str, v2: bool) -> Result<Option<String>, String> {
    let (plain, variables) = Variables::taken(text);
    let rule = converted(&plain, v2)?;
    Ok(rule.map(|rule| variables.given_back(rule)))
}

/// Variables (`${DOMAIN}`) of a compose file or a job, which are filled in before Mesh reads the rule.
pub(super) struct Variables(Vec<String>);

impl Variables {
    /// `text` with a word in place of each, and what they were.
    pub(super) fn taken(text: &str) -> (String, Self) {
        let mut variables = Vec::new();
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("${") {
            let Some((name, after)) = closing(behind).and_then(|end| behind.split_at_checked(end)) else {
                break;
            };
            out.push_str(before);
            out.push_str(&Self::word(variables.len()));
            variables.push(format!("${{{name}}}"));
            rest = after.get(1..).unwrap_or_default();
        }
        out.push_str(rest);
        (out, Self(variables))
    }

    fn given_back(&self, mut text: String) -> String {
        for (number, variable) in self.0.iter().enumerate() {
            text = text.replace(&Self::word(number), variable);
        }
        text
    }

    fn word(number: usize) -> String {
        format!("variable-{number}-of-migrate")
    }
}

fn converted(text: &str, v2: bool) -> Result<Option<String>, String> {
    let taken = text.parse::<Rule>();
    if taken.is_ok() && !v2 && !has_template(text) {
        return Ok(None);
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

/// `{name}` or `{name:pattern}` within a matcher's text.
fn has_template(text: &str) -> bool {
    text.split('{').skip(1).any(|rest| {
        let name = rest.split([':', '}']).next().unwrap_or_default();
        let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        begins && rest.contains('}') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
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
        return Some(format!("{matcher}(`{key}`, `{value}`)"));
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
            Some((key, value)) => format!("Query(`{key}`, `{value}`)"),
            None => format!("Query(`{value}`)"),
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

/// Where the brace that is open ends; patterns count with braces, too.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    text.char_indices().find_map(|(at, c)| {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
        None
    })
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
            assert_eq!(convert(rule, false), Ok(None), "{rule}");
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
            ("Headers(`X-A`, `1`)", "Header(`X-A`, `1`)"),
            ("Method(`GET`,`HEAD`)", "(Method(`GET`) || Method(`HEAD`))"),
        ] {
            assert_eq!(convert(rule, false).unwrap().as_deref(), Some(wanted), "{rule}");
        }
    }

    #[test]
    fn what_is_a_rule_of_both_syntaxes_is_rewritten_where_it_is_known_to_be_of_the_second() {
        let rule = "Query(`a=b`, `c=d`)";
        assert_eq!(convert(rule, false), Ok(None));
        let wanted = "(Query(`a`, `b`) && Query(`c`, `d`))";
        assert_eq!(convert(rule, true), Ok(Some(wanted.to_owned())));
    }

    #[test]
    fn variables_stay_where_they_are() {
        assert_eq!(convert("Host(`${DOMAIN}`)", false), Ok(None));
        for (rule, wanted) in [
            (
                "Host(`${A:-a.com}`, `${B}`)",
                "(Host(`${A:-a.com}`) || Host(`${B}`))",
            ),
            (
                "HostRegexp(`{x:[a-z]+}.${DOMAIN}`)",
                r"HostRegexp(`^[a-z]+\.${DOMAIN}$`)",
            ),
        ] {
            assert_eq!(convert(rule, false).unwrap().as_deref(), Some(wanted), "{rule}");
        }
    }

    #[test]
    fn a_plain_pattern_known_to_be_of_the_second_syntax_covers_the_whole_host() {
        assert_eq!(
            convert("HostRegexp(`a.com`)", true),
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
            assert!(convert(rule, false).is_err(), "{rule}");
        }
    }
}
