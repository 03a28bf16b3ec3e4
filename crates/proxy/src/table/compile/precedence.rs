//! Which provider wins between routers of equal priority.

use mesh_config::ProviderName;

/// Providers, strongest first.
#[derive(Debug)]
pub(super) struct Precedence {
    names: Vec<String>,
}

impl Precedence {
    pub(super) fn new(names: &[String]) -> Self {
        Self {
            names: names.iter().map(|name| name.to_ascii_lowercase()).collect(),
        }
    }

    /// The place of a provider; lower wins. One of several of a kind (`ecs-prod`) stands where its kind (`ecs`)
    /// does unless it is listed itself; providers that are not listed come last.
    pub(super) fn of(&self, provider: &ProviderName) -> usize {
        let place = |wanted: &str| self.names.iter().position(|name| name == wanted);
        let kind = || {
            provider
                .as_str()
                .split_once('-')
                .and_then(|(kind, _)| place(kind))
        };
        place(provider.as_str()).or_else(kind).unwrap_or(self.names.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_several_stands_where_its_kind_does() {
        let precedence = Precedence::new(&["nomad".to_owned(), "ecs".to_owned(), "ecs-prod".to_owned()]);
        let places = ["nomad", "nomad-x", "ecs-test", "ecs-prod", "internal"];
        let places = places.map(|name| precedence.of(&ProviderName::new(name)));
        assert_eq!(places, [0, 0, 1, 2, 3]);
    }
}
