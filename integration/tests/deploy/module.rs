//! The page of the Terraform module names what the module has.

use crate::text;

/// The names of all blocks of a kind: `variable "name" {`.
fn blocks(text: &str, kind: &str) -> Vec<String> {
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix(kind)?.strip_prefix(" \""));
    lines
        .map(|rest| rest.split('"').next().unwrap().to_owned())
        .collect()
}

#[test]
fn every_input_and_output_has_a_line_on_the_page() {
    let page = text("terraform/README.md");
    for module in ["terraform", "terraform/modules/ec2-capacity"] {
        for (file, kind) in [("variables.tf", "variable"), ("outputs.tf", "output")] {
            let text = text(&format!("{module}/{file}"));
            let names = blocks(&text, kind);
            assert!(names.len() > 2, "{module}/{file}: {names:?}");
            for name in names {
                assert!(
                    page.contains(&format!("\n| `{name}` | ")),
                    "{module}/{file}: {name}"
                );
            }
            // `description` of each is checked by nobody else.
            assert_eq!(
                text.matches(&format!("\n{kind} \"")).count() + usize::from(text.starts_with(kind)),
                text.matches("\n  description = ").count()
            );
        }
    }
}

#[test]
fn nothing_in_the_module_names_a_region_an_account_or_a_partition() {
    for file in crate::files("terraform") {
        let name = file.to_str().unwrap();
        if !name.ends_with(".tf") || name.ends_with("variables.tf") {
            continue;
        }
        let text = text(name);
        for word in ["arn:aws:", "us-east-", "eu-central-", "123456789012"] {
            assert!(!text.contains(word), "{name}: {word}");
        }
    }
}
