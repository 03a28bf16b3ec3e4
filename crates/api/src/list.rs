//! Lists of objects: filters, order, pages.

use std::cmp::Ordering;

use http::{HeaderName, HeaderValue, StatusCode};
use mesh_config::QualifiedName;
use mesh_proxy::Status;
use serde_json::Value;

use crate::{
    answer::{self, Answer},
    query::Query,
};

const NEXT_PAGE: HeaderName = HeaderName::from_static("x-next-page");
const DEFAULT_PAGE_LENGTH: usize = 100;

/// An object as lists filter and sort it, before it is rendered.
pub(crate) trait Listed {
    /// Its name.
    fn name(&self) -> &QualifiedName;
    /// Whether it serves.
    fn status(&self) -> Status;
    /// The same as views write it.
    fn status_shown(&self) -> &'static str {
        status_text(self.status())
    }
    /// True when `text`, in lower case, is found in it.
    fn matches(&self, text: &str) -> bool {
        self.name().to_string().to_lowercase().contains(text)
    }
    /// True when the filters of its kind let it through.
    fn passes(&self, _query: &Query) -> bool {
        true
    }
    /// What a list in the order of `field` compares; `None` for an unknown field.
    fn key(&self, _field: &str) -> Option<SortKey> {
        None
    }
    /// Itself.
    fn render(&self) -> Value;
}

/// What a list is sorted by.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SortKey {
    /// By number.
    Number(i64),
    /// By letter.
    Text(String),
}

/// The page of `objects` that `query` asks for.
pub(crate) fn page(objects: Vec<Box<dyn Listed + '_>>, query: &Query) -> Answer {
    let (page, length) = match (
        number(query, "page", 1),
        number(query, "per_page", DEFAULT_PAGE_LENGTH),
    ) {
        (Ok(page), Ok(length)) => (page, length),
        (Err(refused), _) | (_, Err(refused)) => return *refused,
    };
    let chosen = sorted(filtered(objects, query), query);
    let start = (page - 1).saturating_mul(length);
    if start > 0 && start >= chosen.len() {
        let reason = format!("invalid request: page: {page}, per_page: {length}");
        return answer::message(StatusCode::BAD_REQUEST, reason);
    }
    let shown = chosen
        .iter()
        .skip(start)
        .take(length)
        .map(|object| object.render());
    let mut answer = answer::json(StatusCode::OK, shown.collect());
    let next = if start.saturating_add(length) < chosen.len() {
        page + 1
    } else {
        1
    };
    answer.headers_mut().insert(NEXT_PAGE, HeaderValue::from(next));
    answer
}

fn number(query: &Query, name: &str, default: usize) -> Result<usize, Box<Answer>> {
    match query.get(name).map(str::parse) {
        None => Ok(default),
        Some(Ok(number)) if number > 0 => Ok(number),
        Some(_) => {
            let reason = format!("invalid request: {name} must be a number greater than 0");
            Err(Box::new(answer::message(StatusCode::BAD_REQUEST, reason)))
        }
    }
}

fn filtered<'a>(objects: Vec<Box<dyn Listed + 'a>>, query: &Query) -> Vec<Box<dyn Listed + 'a>> {
    let search = query.get("search").map(str::to_lowercase);
    let status = query.get("status").map(str::to_lowercase);
    let chosen = objects.into_iter().filter(|object| {
        search.as_deref().is_none_or(|text| object.matches(text))
            && status
                .as_deref()
                .is_none_or(|status| status == object.status_shown())
            && object.passes(query)
    });
    chosen.collect()
}

/// Objects come in the order of their names, and keep it where nothing else tells them apart.
fn sorted<'a>(mut objects: Vec<Box<dyn Listed + 'a>>, query: &Query) -> Vec<Box<dyn Listed + 'a>> {
    let descending = query
        .get("direction")
        .is_some_and(|direction| direction.eq_ignore_ascii_case("desc"));
    let direct = |order: Ordering| if descending { order.reverse() } else { order };
    match query.get("sortBy").unwrap_or("name") {
        "name" if descending => objects.reverse(),
        "name" => {}
        "status" => objects.sort_by(|a, b| direct(a.status_shown().cmp(b.status_shown()))),
        "provider" => objects.sort_by(|a, b| direct(a.name().provider.cmp(&b.name().provider))),
        field => {
            let mut keyed: Vec<_> = objects
                .into_iter()
                .map(|object| (object.key(field), object))
                .collect();
            keyed.sort_by(|(a, _), (b, _)| direct(a.cmp(b)));
            return keyed.into_iter().map(|(_, object)| object).collect();
        }
    }
    objects
}

/// As views write it.
pub(crate) fn status_text(status: Status) -> &'static str {
    match status {
        Status::Enabled => "enabled",
        Status::Warning => "warning",
        Status::Disabled => "disabled",
    }
}
