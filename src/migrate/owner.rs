//! Which service labels belong to, by what stands around them: a guess for people, as far as a text is indented.

/// Lines above which the name is looked for, and below.
const REACH: usize = 200;

/// The name of the service whose labels begin on `line`, counted from 1.
pub(super) fn of(lines: &[&str], line: usize) -> Option<String> {
    let labels = lines.get(..line)?.iter().rposition(|text| is_head(text))?;
    if line - labels > REACH {
        return None;
    }
    let column = indent(lines.get(labels)?);
    let above = lines.get(labels.saturating_sub(REACH)..labels)?.iter().rev();
    let below = lines.get(labels + 1..)?.iter().take(REACH);
    // Its siblings first: `name = "shop"`, `"Name": "shop"`.
    let siblings = |lines: &mut dyn Iterator<Item = &&str>| -> Option<String> {
        lines
            .filter(|text| !text.trim().is_empty())
            .take_while(|text| indent(text) >= column)
            .filter(|text| indent(text) == column)
            .find_map(|text| name(text))
    };
    siblings(&mut above.clone())
        .or_else(|| siblings(&mut below.clone()))
        .or_else(|| {
            let mut limit = column;
            let parents = above.filter(move |text| {
                let is_parent = !text.trim().is_empty() && indent(text) < limit;
                if is_parent {
                    limit = indent(text);
                }
                is_parent
            });
            let keys = parents.filter_map(|text| text.trim().strip_suffix(':'));
            keys.map(|key| key.trim_matches(['"', '\'']))
                .find(|key| *key != "deploy")
                .map(str::to_owned)
        })
}

fn is_head(text: &str) -> bool {
    let key = text
        .trim_start()
        .trim_start_matches(['"', '\''])
        .to_ascii_lowercase();
    ["labels", "dockerlabels", "tags", "canary_tags"]
        .iter()
        .any(|head| {
            let rest = key
                .strip_prefix(head)
                .map(|rest| rest.trim_start_matches(['"', '\'']).trim_start());
            rest.is_some_and(|rest| rest.starts_with([':', '=']))
        })
}

fn name(text: &str) -> Option<String> {
    let text = text.trim().trim_start_matches("- ").trim_start_matches('"');
    let rest = text.strip_prefix("name").or_else(|| text.strip_prefix("Name"))?;
    let value = rest
        .trim_start_matches('"')
        .trim_start()
        .strip_prefix([':', '='])?;
    let value = value.trim().trim_end_matches(',').trim_matches(['"', '\'']);
    (!value.is_empty()).then(|| value.to_owned())
}

fn indent(text: &str) -> usize {
    text.len() - text.trim_start().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(text: &str) -> Option<String> {
        let lines: Vec<_> = text.lines().collect();
        let line = lines.iter().position(|line| line.contains("traefik."))?;
        of(&lines, line + 1)
    }

    #[test]
    fn the_name_is_above_or_beside_the_labels() {
        for text in [
            "services:\n  shop:\n    image: x\n    labels:\n      - traefik.enable=true\n",
            "services:\n  shop:\n    deploy:\n      labels:\n        traefik.enable: 'true'\n",
            "service {\n  name = \"shop\"\n  tags = [\n    \"traefik.enable=true\"]\n}\n",
            "{\n  \"Tags\": [\"traefik.enable=true\"],\n  \"Name\": \"shop\"\n}\n",
        ] {
            assert_eq!(owner(text).as_deref(), Some("shop"), "{text}");
        }
        assert_eq!(owner("traefik.enable=true\n"), None);
    }
}
