//! Fabio's tags: `urlprefix-host/path option=value ...`, each of them a route.

use std::collections::BTreeMap;

use super::{
    closed::MISSING,
    found::{FABIO, Found},
    rule::escape,
    set::Outcome,
    words,
};

/// Longest host and path, so that what stands for them in priorities stays apart.
const MAX_ROUTE: usize = 400;

/// Hosts with `*` come after all others, and routes without host last, the longer first: as Fabio looks them up.
const GLOB_PRIORITY: i64 = -1000;
const ANY_HOST_PRIORITY: i64 = -2000;

/// The names of routers in all that is translated, and the route of each.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<String, String>);

impl Names {
    /// The name of the router for `at`, which no other route has.
    pub(super) fn of(&mut self, at: &str) -> String {
        let at = canonical(at);
        let plain = name_of(&at);
        let mut name = plain.clone();
        let mut number = checksum(&at);
        while self.0.get(&name).is_some_and(|other| *other != at) {
            name = format!("{plain}-{number:08x}");
            number = number.wrapping_add(1);
        }
        self.0.insert(name.clone(), at);
        name
    }
}

/// What the tags of one service said so far.
#[derive(Debug, Default)]
pub(super) struct Service {
    /// What is said of how to speak to it: one for all its routes.
    said: Option<Speaks>,
    routes: Vec<String>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Speaks {
    scheme: Option<&'static str>,
    host_of_server: bool,
}

#[derive(Debug, Default)]
struct Route {
    rule: Vec<String>,
    priority: Option<i64>,
    middlewares: Vec<(&'static str, Vec<(&'static str, String)>)>,
    speaks: Speaks,
    notes: Vec<String>,
}

impl Service {
    /// The service of which `ours` are labels already, by an earlier translation.
    pub(super) fn beside<'a>(ours: impl Iterator<Item = &'a Found>) -> Self {
        let mut service = Self::default();
        for found in ours.filter(|found| found.key.starts_with("mesh.http.")) {
            let said = service.said.get_or_insert_with(Speaks::default);
            let is = |end: &str| found.key.to_ascii_lowercase().ends_with(end);
            match found.value.as_str() {
                "https" if is(".server.scheme") => said.scheme = Some("https"),
                "h2c" if is(".server.scheme") => said.scheme = Some("h2c"),
                "false" if is(".passhostheader") => said.host_of_server = true,
                _ => {}
            }
        }
        service
    }

    /// The labels that mean the same as `tag`.
    pub(super) fn translate(&mut self, tag: &str, names: &mut Names) -> (Outcome, String) {
        let mut words = tag.get(FABIO.len()..).unwrap_or_default().split_whitespace();
        let at = words.next().unwrap_or_default();
        let route = Route::new(at).and_then(|mut route| {
            words.try_for_each(|option| route.option(option))?;
            Ok(route)
        });
        let route = match route {
            Ok(route) => route,
            Err(why) => return (Outcome::Refused, why),
        };
        if self.routes.contains(&canonical(at)) {
            return (
                Outcome::Refused,
                "another tag of the service has the same route".to_owned(),
            );
        }
        match &self.said {
            Some(said) if *said != route.speaks => {
                let why = "proto and host=dst must be the same on all tags of a service";
                return (Outcome::Refused, why.to_owned());
            }
            Some(_) => {}
            None => self.said = Some(route.speaks.clone()),
        }
        self.routes.push(canonical(at));
        let labels = route.labels(&names.of(at));
        (Outcome::Translated(labels), route.notes.join("; "))
    }

    /// How to speak to the service, as labels, of which the router `name` is one.
    pub(super) fn speaks(&self, name: &str) -> Vec<(String, String)> {
        self.said
            .as_ref()
            .map(|said| said.labels(name))
            .unwrap_or_default()
    }
}

/// The route of `tag` as Fabio looks it up.
pub(super) fn route_of(tag: &str) -> Option<String> {
    Some(canonical(tag.get(FABIO.len()..)?.split_whitespace().next()?))
}

/// Hosts are found in any case.
fn canonical(at: &str) -> String {
    let (host, path) = at
        .find('/')
        .and_then(|slash| at.split_at_checked(slash))
        .unwrap_or((at, ""));
    format!("{}{path}", host.to_ascii_lowercase())
}

/// FNV-1a: the same in each run.
fn checksum(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |sum, byte| {
        (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// Whether `tag` is a route of HTTP with an option that keeps somebody out, or that is not known.
pub(super) fn is_guarded(tag: &str) -> bool {
    let mut words = tag.get(FABIO.len()..).unwrap_or_default().split_whitespace();
    let is_http = words.next().is_some_and(|at| at.contains('/'));
    let options = words.map(|option| option.split_once('=').unwrap_or((option, "")));
    let (mut is_tcp, mut is_guarded) = (false, false);
    for (key, value) in options {
        match key {
            "proto" => is_tcp |= value.starts_with("tcp"),
            "host" | "strip" | "prepend" | "weight" | "tlsskipverify" | "pxyproto" => {}
            _ => is_guarded = true,
        }
    }
    is_http && is_guarded && !is_tcp
}

/// The labels of a router with the rule of `tag` that answers nothing; `None` where there is no such rule.
pub(super) fn closed(tag: &str, names: &mut Names) -> Option<Vec<(String, String)>> {
    let at = tag.get(FABIO.len()..)?.split_whitespace().next()?;
    let name = names.of(at);
    let mut labels = Route::new(at).ok()?.labels(&name);
    labels.push((
        format!("mesh.http.routers.{name}.middlewares"),
        MISSING.to_owned(),
    ));
    Some(labels)
}

impl Route {
    fn new(at: &str) -> Result<Self, String> {
        let mut route = Self::default();
        let Some((host, path)) = at.find('/').and_then(|slash| at.split_at_checked(slash)) else {
            return Err(match at.contains(':') {
                true => "routes of ports are TCP, which is not served by this version".to_owned(),
                false => "host/path expected: a host alone needs a / behind it".to_owned(),
            });
        };
        if words::has_variable(at) {
            return Err("a variable in the route: its router has no name".to_owned());
        }
        if at.len() > MAX_ROUTE || at.contains(['`', '$', '{', '"', '\\']) {
            return Err(format!(
                "longer than {MAX_ROUTE} bytes, or with characters that are in no host or path"
            ));
        }
        if path.contains('*') {
            return Err("a path with * has no counterpart: write a PathRegexp".to_owned());
        }
        if host.contains(':') {
            return Err("Mesh tells ports apart by entrypoints: take the port away".to_owned());
        }
        let length = i64::try_from(at.len()).unwrap_or_default();
        if host.contains('*') {
            let mut pattern = String::new();
            for (number, part) in host.split('*').enumerate() {
                pattern.push_str(if number > 0 { ".*" } else { "" });
                escape(part, &mut pattern);
            }
            route.rule.push(format!("HostRegexp(`^{pattern}$`)"));
            route.priority = Some(GLOB_PRIORITY + length);
        } else if host.is_empty() {
            route.priority = Some(ANY_HOST_PRIORITY + length);
        } else {
            route.rule.push(format!("Host(`{}`)", host.to_ascii_lowercase()));
        }
        if path != "/" || host.is_empty() {
            route.rule.push(format!("PathPrefix(`{path}`)"));
        }
        Ok(route)
    }

    fn option(&mut self, option: &str) -> Result<(), String> {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        match (key, value) {
            ("proto", "http") | ("host", "") | ("tlsskipverify" | "pxyproto", "false") => {}
            ("strip", path) if path.starts_with('/') => {
                self.middlewares.insert(0, ("stripprefix", vec![("prefixes", path.to_owned())]));
            }
            ("prepend", path) if path.starts_with('/') => {
                self.middlewares.push(("addprefix", vec![("prefix", path.to_owned())]));
            }
            ("proto", "https") => self.speaks.scheme = Some("https"),
            ("proto", "grpc") => self.speaks.scheme = Some("h2c"),
            ("proto", _) => return Err(format!("{option}: not served by this version")),
            ("host", "dst") => self.speaks.host_of_server = true,
            ("host", name) => {
                let header = ("customrequestheaders.Host", name.to_owned());
                self.middlewares.push(("headers", vec![header]));
            }
            ("redirect", value) => self.redirect(value)?,
            ("allow", value) => self.list("ipallowlist", value)?,
            ("deny", value) => self.list("ipdenylist", value)?,
            ("weight", _) => self.notes.push(
                "weight left out: Mesh counts shares for each instance (mesh.weight) or canary (mesh.canary.weight)".to_owned(),
            ),
            ("auth", _) => return Err(format!("{option}: its users are Fabio's; add basicAuth")),
            ("tlsskipverify", _) => {
                return Err(format!("{option}: certificates are checked unless a servers transport in a file says otherwise"));
            }
            _ => return Err(format!("{option}: has no counterpart")),
        }
        Ok(())
    }

    fn redirect(&mut self, value: &str) -> Result<(), String> {
        let wrong = || Err("redirect: 301 or 302, and a URL with $path only at its end".to_owned());
        let Some((code, url)) = value.split_once(',') else {
            return wrong();
        };
        let permanent = match code {
            "301" | "308" => "true",
            "302" | "307" => "false",
            _ => return wrong(),
        };
        let (start, replacement) = match url.strip_suffix("$path") {
            Some(start) => (start, format!("{}/$1", start.trim_end_matches('/'))),
            None => (url, url.to_owned()),
        };
        if start.contains('$') || start.is_empty() {
            return wrong();
        }
        let options = vec![
            ("regex", "^[a-z]+://[^/]+/(.*)$".to_owned()),
            ("replacement", replacement),
            ("permanent", permanent.to_owned()),
        ];
        self.middlewares.insert(0, ("redirectregex", options));
        Ok(())
    }

    fn list(&mut self, kind: &'static str, value: &str) -> Result<(), String> {
        let ranges: Option<Vec<_>> = value.split(',').map(|range| range.strip_prefix("ip:")).collect();
        let Some(ranges) = ranges else {
            return Err("only ip: is known in allow and deny".to_owned());
        };
        // Before everything else: a client that is not let in gets no redirection either.
        self.middlewares
            .insert(0, (kind, vec![("sourcerange", ranges.join(","))]));
        Ok(())
    }

    fn labels(&self, name: &str) -> Vec<(String, String)> {
        let router = format!("mesh.http.routers.{name}");
        let mut labels = vec![(format!("{router}.rule"), self.rule.join(" && "))];
        labels.extend(
            self.priority
                .map(|priority| (format!("{router}.priority"), priority.to_string())),
        );
        let mut names = Vec::new();
        for (kind, options) in &self.middlewares {
            let middleware = format!("{name}-{kind}");
            for (option, value) in options {
                labels.push((
                    format!("mesh.http.middlewares.{middleware}.{kind}.{option}"),
                    value.clone(),
                ));
            }
            names.push(middleware);
        }
        if !names.is_empty() {
            labels.push((format!("{router}.middlewares"), names.join(",")));
        }
        labels
    }
}

impl Speaks {
    fn labels(&self, name: &str) -> Vec<(String, String)> {
        let service = format!("mesh.http.services.{name}.loadbalancer");
        let scheme = self
            .scheme
            .map(|scheme| (format!("{service}.server.scheme"), scheme.to_owned()));
        let host = self
            .host_of_server
            .then(|| (format!("{service}.passhostheader"), "false".to_owned()));
        scheme.into_iter().chain(host).collect()
    }
}

/// `shop.example.com/cart` is `shop-example-com-cart`.
fn name_of(at: &str) -> String {
    let at = at.to_ascii_lowercase().replace('*', "any");
    let words = at
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    let name = words.collect::<Vec<_>>().join("-");
    if name.is_empty() { "root".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(tag: &str) -> Vec<String> {
        match Service::default().translate(tag, &mut Names::default()) {
            (Outcome::Translated(labels), _) => labels
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect(),
            (_, why) => vec![why],
        }
    }

    #[test]
    fn a_route_becomes_a_router() {
        assert_eq!(
            labels("urlprefix-Shop.example.com/cart"),
            ["mesh.http.routers.shop-example-com-cart.rule=Host(`shop.example.com`) && PathPrefix(`/cart`)"]
        );
        assert_eq!(
            labels("urlprefix-a.com/"),
            ["mesh.http.routers.a-com.rule=Host(`a.com`)"]
        );
    }

    #[test]
    fn routes_are_looked_up_in_the_order_of_fabio() {
        assert_eq!(
            labels("urlprefix-*.a.com/"),
            [
                r"mesh.http.routers.any-a-com.rule=HostRegexp(`^.*\.a\.com$`)".to_owned(),
                "mesh.http.routers.any-a-com.priority=-992".to_owned(),
            ]
        );
        assert_eq!(
            labels("urlprefix-/x"),
            [
                "mesh.http.routers.x.rule=PathPrefix(`/x`)",
                "mesh.http.routers.x.priority=-1998"
            ]
        );
    }

    #[test]
    fn options_become_middlewares_and_settings_of_the_service() {
        let labels = labels("urlprefix-a.com/x strip=/x deny=ip:10.0.0.0/8");
        for wanted in [
            "mesh.http.middlewares.a-com-x-stripprefix.stripprefix.prefixes=/x",
            "mesh.http.middlewares.a-com-x-ipdenylist.ipdenylist.sourcerange=10.0.0.0/8",
            "mesh.http.routers.a-com-x.middlewares=a-com-x-ipdenylist,a-com-x-stripprefix",
        ] {
            assert!(
                labels.iter().any(|label| label == wanted),
                "{wanted} is not in {labels:?}"
            );
        }
    }

    #[test]
    fn routes_that_differ_have_names_that_differ() {
        let mut names = Names::default();
        let first = names.of("a.com/x-y");
        assert_eq!(first, "a-com-x-y");
        for at in ["a.com/x/y", "a.com/X-y", "a.com/x-y/"] {
            let name = names.of(at);
            assert!(name.starts_with("a-com-x-y-"), "{name}");
            assert_eq!(names.of(at), name);
        }
        assert_eq!(names.of("A.com/x-y"), first);
    }

    #[test]
    fn what_has_no_counterpart_is_refused_with_a_reason() {
        for (tag, why) in [
            ("urlprefix-:3306 proto=tcp", "TCP"),
            ("urlprefix-a.com/ proto=tcp", "not served"),
            ("urlprefix-a.com/ auth=x", "basicAuth"),
            ("urlprefix-a.com/ frob=1", "no counterpart"),
            ("urlprefix-a.com/x*y", "PathRegexp"),
            ("urlprefix-a.com:80/", "entrypoints"),
            ("urlprefix-", "host/path"),
        ] {
            let (outcome, told) = Service::default().translate(tag, &mut Names::default());
            assert_eq!(outcome, Outcome::Refused, "{tag}");
            assert!(told.contains(why), "{tag}: {told}");
        }
    }
}
