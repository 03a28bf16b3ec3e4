//! `mesh migrate`: labels, tags and files of other routers, as Mesh wants them.
//!
//! What is written is the text that was read, with the labels in it replaced; nothing else in it moves. What does not
//! translate stays as it was, where it counts for nothing, and the report says why.

mod closed;
mod document;
mod edits;
mod fabio;
mod found;
mod labels;
mod order;
mod owner;
mod report;
mod rule;
mod scan;
mod set;
mod words;
mod write;
mod yaml;

use std::{io::Read as _, path::Path};

use crate::{cli::MigrateArguments, exit::Exit, report as terminal};
use report::{FileReport, Verdict};

/// Largest file that is read, in bytes.
const MAX_FILE: u64 = 16 << 20;

/// Translates what `arguments` name.
pub(crate) fn migrate(arguments: &MigrateArguments) -> Exit {
    let mut translations = Vec::new();
    let mut names = fabio::Names::default();
    for file in &arguments.files {
        match read(file).and_then(|text| translate(file, &text, &arguments.prefix, &mut names)) {
            Ok(translation) => translations.push((file, translation)),
            Err(error) => {
                terminal::line(&format!("mesh: {}: {error}", file.display()));
                return Exit::Configuration;
            }
        }
    }
    if let Some(target) = &arguments.write
        && let Err(error) = write::write(target, &translations, arguments.force)
    {
        terminal::line(&format!("mesh: {error}"));
        return Exit::Configuration;
    }
    let reports: Vec<_> = translations
        .into_iter()
        .map(|(_, translation)| translation.report)
        .collect();
    terminal::output(&match arguments.json {
        true => report::json(&reports),
        false => report::text(&reports),
    });
    match reports.iter().any(|report| report.count(Verdict::Refused) > 0) {
        true => Exit::Failure,
        false => Exit::Clean,
    }
}

/// A file, translated.
struct Translation {
    report: FileReport,
    /// `None` for what is not written, because the report is all there is to say.
    text: Option<String>,
}

fn read(file: &Path) -> Result<String, String> {
    let mut text = Vec::new();
    let length = if file == Path::new("-") {
        std::io::stdin().lock().take(MAX_FILE + 1).read_to_end(&mut text)
    } else {
        let opened = std::fs::File::open(file).map_err(|error| error.to_string())?;
        opened.take(MAX_FILE + 1).read_to_end(&mut text)
    };
    length.map_err(|error| error.to_string())?;
    if u64::try_from(text.len()).is_ok_and(|length| length > MAX_FILE) {
        return Err(format!("larger than {MAX_FILE} bytes"));
    }
    String::from_utf8(text).map_err(|_| "not UTF-8 text".to_owned())
}

fn translate(file: &Path, text: &str, prefix: &str, names: &mut fabio::Names) -> Result<Translation, String> {
    // Lists and templates are no documents, and may hold labels.
    let document = document::translate(file, text);
    if let Ok(Some(translation)) = document {
        return Ok(translation);
    }
    let translation = labels::translate(file, text, prefix, names);
    if translation.report.items.is_empty() {
        document?;
        return Err(format!(
            "nothing to migrate: no label below {prefix}, no urlprefix- tag, and neither a static nor a dynamic file"
        ));
    }
    Ok(translation)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(text: &str) -> Option<String> {
        labels::translate(Path::new("x"), text, "traefik", &mut fabio::Names::default()).text
    }

    fn written(text: &str) -> String {
        labels(text).unwrap()
    }

    #[test]
    fn only_labels_change_in_a_file() {
        let compose = "services:\n  shop: # a shop\n    image: shop\n    labels:\n      traefik.enable: true\n      \
                       traefik.http.routers.a.rule: 'Host(`a.com`,`b.com`)'\n      other: x\n";
        let wanted = compose.replace("traefik.", "mesh.").replace(
            "'Host(`a.com`,`b.com`)'",
            "'(Host(`a.com`) || Host(`b.com`))'\n      mesh.http.routers.a.priority: \"21\"",
        );
        assert_eq!(written(compose), wanted);
    }

    #[test]
    fn one_tag_of_fabio_becomes_several_in_lists_of_any_format() {
        let json = r#"{"Tags": ["web", "urlprefix-/x strip=/x"], "Name": "shop"}"#;
        let tags: serde_json::Value = serde_json::from_str(&written(json)).unwrap();
        assert_eq!(
            tags.pointer("/Tags/4").and_then(|tag| tag.as_str()),
            Some("mesh.http.routers.x.middlewares=x-stripprefix")
        );
        let yaml = "tags:\n  - \"urlprefix-/x strip=/x\"\n  - web\n";
        assert!(
            written(yaml).contains("\n  - \"mesh.http.routers.x.priority=-1998\"\n"),
            "{}",
            written(yaml)
        );
        assert_eq!(
            written("urlprefix-a.com/\n"),
            "mesh.http.routers.a-com.rule=Host(`a.com`)\n"
        );
    }

    #[test]
    fn tags_of_aws_keep_their_form() {
        let pairs = "{\"tags\": [\n  {\n    \"key\": \"traefik.http.routers.a.rule\",\n    \"value\": \"Host(`a.com`,`b.com`)\"\n  },\n  {\n    \"value\": \"7\",\n    \"key\": \"traefik.http.routers.a.priority\"\n  }\n]}\n";
        let wanted = pairs
            .replace("traefik.", "mesh.")
            .replace("Host(`a.com`,`b.com`)", "(Host(`a.com`) || Host(`b.com`))");
        assert_eq!(written(pairs), wanted);
    }

    #[test]
    fn a_guarded_router_is_closed_in_maps_too() {
        let map = "labels:\n  traefik.http.routers.a.rule: Path(`/a`)\n  traefik.http.routers.a.middlewares: auth@docker\n  traefik.http.routers.b.rule: Path(`/b`)\n";
        let wanted = map
            .replace("traefik.", "mesh.")
            .replace("auth@docker", "\"not-translated\"");
        assert_eq!(written(map), wanted);
    }

    fn document(name: &str, text: &str) -> Option<String> {
        translate(Path::new(name), text, "traefik", &mut fabio::Names::default())
            .unwrap()
            .text
    }

    #[test]
    fn the_syntax_of_rules_goes_wherever_it_stands() {
        for (name, text, wanted) in [
            (
                "a.yml",
                "http:\n  routers:\n    a: {rule: \"Path(`/`)\", ruleSyntax: v2, service: a}\n",
                "http:\n  routers:\n    a: {rule: \"Path(`/`)\", service: a}\n",
            ),
            (
                "a.yml",
                "http:\n  routers:\n    a: {service: a, rule: \"Path(`/`)\", ruleSyntax: 'v2'}\n",
                "http:\n  routers:\n    a: {service: a, rule: \"Path(`/`)\"}\n",
            ),
            (
                "a.yml",
                "http:\n  routers:\n    a: {\n      ruleSyntax: v2, rule: \"Path(`/`)\"}\n",
                "http:\n  routers:\n    a: {\n      rule: \"Path(`/`)\"}\n",
            ),
            (
                "a.yml",
                "http:\n  routers:\n    a: {rule: \"Path(`/`)\",\n      ruleSyntax: v2}\n",
                "http:\n  routers:\n    a: {rule: \"Path(`/`)\"}\n",
            ),
            (
                "a.toml",
                "[http.routers]\na = {rule = \"Path(`/`)\", ruleSyntax = \"v2\"}\n",
                "[http.routers]\na = {rule = \"Path(`/`)\"}\n",
            ),
            (
                "a.json",
                "{\"http\": {\"routers\": {\"a\": {\n\"rule\": \"Path(`/`)\",\n\"ruleSyntax\": \"v2\"\n}}}}",
                "{\"http\": {\"routers\": {\"a\": {\n\"rule\": \"Path(`/`)\"\n}}}}",
            ),
        ] {
            assert_eq!(document(name, text).as_deref(), Some(wanted));
        }
    }

    #[test]
    fn a_file_without_one_of_its_guarded_routers_is_not_written() {
        let open = "http:\n  routers:\n    a: {rule: Path(`/`), service: a}\n    b: {rule: Path(`/b`), service: a, nonsense: 1}\n";
        assert!(document("a.yml", open).is_some());
        for guard in ["middlewares: [auth]", "tls: {options: mtls}"] {
            let guarded = open.replace("nonsense: 1", &format!("nonsense: 1, {guard}"));
            assert_eq!(document("a.yml", &guarded), None, "{guard}");
        }
    }

    #[test]
    fn what_does_not_translate_stays_and_closes_its_service() {
        let list = "tags = [\"traefik.tcp.routers.a.rule=HostSNI(`*`)\", \"web\"]\n";
        assert_eq!(
            written(list),
            "tags = [\"traefik.tcp.routers.a.rule=HostSNI(`*`)\", \"mesh.enable=false\", \"web\"]\n"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "([a-z\\[\\]{}\"'`=:,# \n-]|traefik\\.|urlprefix-|rule|é){0,60}") {
            labels(&text);
            for name in ["a.yml", "a.toml", "a.json"] {
                let _ = translate(Path::new(name), &text, "traefik", &mut fabio::Names::default());
                let _ = translate(Path::new(name), &format!("http:\n {text}"), "traefik", &mut fabio::Names::default());
            }
        }

        #[test]
        fn json_stays_json(labels in prop::collection::vec("[ -~]{0,20}", 0..6)) {
            let tags: Vec<_> = labels.iter().map(|label| format!("traefik.{label}")).collect();
            let text = serde_json::json!({"Tags": tags, "Labels": {"traefik.x": labels}}).to_string();
            let written = written(&text);
            prop_assert!(serde_json::from_str::<serde_json::Value>(&written).is_ok(), "{written}");
        }
    }
}
