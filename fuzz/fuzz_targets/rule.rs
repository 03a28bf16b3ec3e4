//! Rules, tag rules, constraints and default rules: no text may panic, and canonical text means the same.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use mesh_config::{constraint::Constraint, rule::Rule, tag_rule, template::DefaultRule};

fuzz_target!(|text: &str| {
    for rule in [text.parse::<Rule>(), tag_rule::parse(text)]
        .into_iter()
        .flatten()
    {
        let canonical = Rule::from(rule.expr().clone());
        let again: Rule = canonical.text().parse().expect("canonical text is a rule");
        assert_eq!(again.expr(), rule.expr());
    }
    if let Ok(constraint) = Constraint::parse(text) {
        constraint.matches(&|_| None, &[text.to_owned()]);
    }
    if let Ok(template) = DefaultRule::parse(text) {
        let _ = template.render(text, &BTreeMap::new());
    }
});
