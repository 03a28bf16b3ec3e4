//! The default rule: a template that gives a rule to a service whose labels name none.
//!
//! Templates are minijinja's. Those written for Go (``Host(`{{ normalize .Name }}`)``) are
//! [translated](go) first. A template sees the service's name and labels and nothing else: no files, no
//! environment, no other templates, and no more than a fixed amount of work.

mod filters;
mod go;

use std::{collections::BTreeMap, sync::Arc};

use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, context};

use crate::redact::Shown;

/// A parsed default rule, such as ``Host(`{{ name | normalize }}.example.com`)``.
#[derive(Debug, Clone)]
pub struct DefaultRule {
    text: Arc<str>,
    environment: Arc<Environment<'static>>,
}

/// Why a default rule cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The template is no template.
    #[error("default rule {text:?}: {message}")]
    Parse {
        /// The template without the secrets in it.
        text: String,
        /// What is wrong with it.
        message: String,
    },
    /// It is one, but fails for this service.
    #[error("the default rule fails for service {service:?}: {message}")]
    Render {
        /// The service.
        service: String,
        /// What is wrong with it.
        message: String,
    },
}

/// The default of the default rule.
pub const DEFAULT_RULE: &str = "Host(`{{ name | normalize }}`)";

/// Most instructions that one rendering may take.
const FUEL: u64 = 20_000;

const TEMPLATE: &str = "default rule";

impl DefaultRule {
    /// Reads a template in either spelling.
    ///
    /// # Errors
    /// Also when it calls a function or filter that does not exist, as far as a trial can see: branches that
    /// only some services take are first run for those.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let refused = |message| TemplateError::Parse {
            text: Shown::of(text).text,
            message,
        };
        let source = go::translate(text).map_err(refused)?;
        let mut environment = Environment::new();
        environment.set_fuel(Some(FUEL));
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        filters::add_to(&mut environment);
        environment
            .add_template_owned(TEMPLATE, source)
            .map_err(|error| refused(explain(&error)))?;
        let rule = Self {
            text: text.into(),
            environment: Arc::new(environment),
        };
        match rule.try_render("service", &BTreeMap::new()) {
            Err(error) if is_in_every_case(&error) => Err(refused(explain(&error))),
            _ => Ok(rule),
        }
    }

    /// The template as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The rule for a service of this name with these labels; an empty text means that it gets no router.
    ///
    /// # Errors
    /// Also when the template names a label that the service does not have and gives no default for it.
    pub fn render(&self, name: &str, labels: &BTreeMap<String, String>) -> Result<String, TemplateError> {
        self.try_render(name, labels)
            .map_err(|error| TemplateError::Render {
                service: name.to_owned(),
                message: explain(&error),
            })
    }

    fn try_render(&self, name: &str, labels: &BTreeMap<String, String>) -> Result<String, Error> {
        let template = self.environment.get_template(TEMPLATE)?;
        let rule = template.render(context! { name, labels => labels.clone() })?;
        Ok(rule.trim().to_owned())
    }
}

impl Default for DefaultRule {
    #[expect(clippy::expect_used, reason = "a constant that the tests parse")]
    fn default() -> Self {
        Self::parse(DEFAULT_RULE).expect("the built-in default rule is a template")
    }
}

impl PartialEq for DefaultRule {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// True for failures that no name and no labels could mend.
fn is_in_every_case(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::UnknownFilter
            | ErrorKind::UnknownTest
            | ErrorKind::UnknownFunction
            | ErrorKind::UnknownMethod
            | ErrorKind::TemplateNotFound
            | ErrorKind::TooManyArguments
            | ErrorKind::MissingArgument
            | ErrorKind::OutOfFuel
    )
}

/// The crate's message without the template's internal name.
fn explain(error: &Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn render(template: &str) -> Result<String, TemplateError> {
        let labels = [("host", "Shop.example.com"), ("team.name", "blue"), ("empty", "")];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
        DefaultRule::parse(template)?.render("My_App-svc", &labels.into())
    }

    #[track_caller]
    fn gives(template: &str, expected: &str) {
        assert_eq!(
            render(template).unwrap_or_else(|error| panic!("{error}")),
            expected,
            "{template}"
        );
    }

    #[test]
    fn the_default_default_names_the_host_after_the_service() {
        let rule = DefaultRule::default().render("my_app", &BTreeMap::new()).unwrap();
        assert_eq!(rule, "Host(`my-app`)");
        assert!(rule.parse::<crate::rule::Rule>().is_ok());
    }

    #[test]
    fn templates_written_for_go_render_the_same() {
        for (template, expected) in [
            ("Host(`{{ normalize .Name }}`)", "Host(`My-App-svc`)"),
            ("Host(`{{normalize .Name}}.x`)", "Host(`My-App-svc.x`)"),
            ("{{ .Name }}", "My_App-svc"),
            ("{{ .Name | lower }}", "my_app-svc"),
            ("{{ .Name | lower | normalize }}", "my-app-svc"),
            ("{{ trimSuffix \"-svc\" .Name }}", "My_App"),
            ("{{ .Name | trimPrefix `My_` | upper }}", "APP-SVC"),
            ("{{ index .Labels \"host\" }}", "Shop.example.com"),
            ("{{ index .Labels \"team.name\" }}.x", "blue.x"),
            ("{{ index .Labels \"missing\" }}", ""),
            ("{{ .Labels.host }}", "Shop.example.com"),
            ("{{ default \"d\" (index .Labels \"missing\") }}", "d"),
            ("{{ default \"d\" .Labels.empty }}", "d"),
            ("{{ index .Labels \"host\" | lower }}", "shop.example.com"),
            ("{{ replace \"_\" \"-\" .Name }}", "My-App-svc"),
            ("{{ regexReplaceAll \"_(.)\" .Name \"-${1}\" }}", "My-App-svc"),
            ("{{ join \"+\" (splitList \"_\" .Name) }}", "My+App-svc"),
            ("{{ (split \"_\" .Name)._0 }}", "My"),
            ("{{ index (splitList \"_\" .Name) 1 }}", "App-svc"),
            ("{{ first (splitList \"_\" .Name) }}", "My"),
            ("{{ trunc 2 .Name }}", "My"),
            ("{{ .Name | sha256sum | trunc 8 }}", "6c9d44c0"),
            ("{{ if contains \"App\" .Name }}a{{ else }}b{{ end }}", "a"),
            (
                "{{ if eq .Name \"x\" }}a{{ else if hasPrefix \"My\" .Name }}b{{ end }}",
                "b",
            ),
            (
                "{{ if and (hasSuffix \"svc\" .Name) (not .Labels.empty) }}a{{end}}",
                "a",
            ),
            ("a {{- /* said */ -}} {{ .Name }}", "aMy_App-svc"),
            ("{% {{ .Name }} {# #}", "{% My_App-svc {# #}"),
        ] {
            gives(template, expected);
        }
    }

    #[test]
    fn templates_may_be_written_for_jinja() {
        for (template, expected) in [
            ("Host(`{{ name | normalize | lower }}.x`)", "Host(`my-app-svc.x`)"),
            ("{{ labels['team.name'] }}", "blue"),
            ("{{ labels.host | lower }}", "shop.example.com"),
            ("{{ labels.missing | default('d') }}", "d"),
            ("{{ name | replace('_', '.') | title }}", "My.app-Svc"),
            ("{{ name | split('_') | join('+') }}", "My+App-svc"),
            ("{{ ' a ' | trim }}", "a"),
            ("{% if name | contains('App') %}a{% endif %}", "a"),
            ("{{ name | regex_replace('[^a-z]+', '.') }}", ".y.pp.svc"),
            ("{{ (name | hash)[:8] }}", "6c9d44c0"),
            ("{{ name ~ ' .Name' }}", "My_App-svc .Name"),
            ("Host(`fixed`)", "Host(`fixed`)"),
            (" \n", ""),
        ] {
            gives(template, expected);
        }
    }

    #[test]
    fn what_no_service_could_mend_is_refused_when_it_is_read() {
        for (template, message) in [
            ("{{ env \"HOME\" .Name }}", "unknown function \"env\""),
            ("{{ normalise .Name }}", "did you mean normalize?"),
            ("{{ .Nme }}", "did you mean .Name?"),
            ("{{ trimSuffix .Name }}", "trimSuffix takes 2 arguments, found 1"),
            ("{{ range .Labels }}{{ end }}", "range"),
            ("{{ .Name", "}}"),
            ("{{ .Name ) }}", "unexpected"),
            ("{{ (lower .Name }}", "closed"),
            ("{{ name | nothing }}", "unknown filter"),
            ("{{ name", "syntax error"),
            ("{% include 'file' %}", "template not found"),
            (
                "{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}",
                "fuel",
            ),
        ] {
            let error = render(template).expect_err(template);
            assert!(matches!(error, TemplateError::Parse { .. }), "{error}");
            assert!(error.to_string().contains(message), "{error}");
        }
    }

    #[test]
    fn a_label_that_is_not_there_fails_for_that_service_alone() {
        let error = render("Host(`{{ labels.missing }}`)").unwrap_err();
        assert!(matches!(error, TemplateError::Render { .. }), "{error}");
        let error = render("{{ name | regex_replace('(', '') }}").unwrap_err();
        assert!(error.to_string().contains("unclosed group"), "{error}");
    }

    #[test]
    fn deep_nesting_is_refused() {
        let deep = format!("{{{{ {}.Name{} }}}}", "(".repeat(10_000), ")".repeat(10_000));
        assert!(DefaultRule::parse(&deep).is_err());
    }

    proptest! {
        #[test]
        fn no_template_and_no_name_makes_it_panic(
            template in "(\\{\\{|\\}\\}|\\.Name|\\.|-|\\(|\\)|\\||\"|`|lower|index|if|end| |\\{%|é|1){0,16}",
            name in any::<String>(),
        ) {
            if let Ok(rule) = DefaultRule::parse(&template) {
                let _ = rule.render(&name, &BTreeMap::new());
            }
        }
    }
}
