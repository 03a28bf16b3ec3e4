//! Routers that do not translate, and whose requests a wider router of the same service would answer unguarded.
//!
//! Such a router is written with its rule and a middleware that does not exist: it keeps its match and answers 503.
//! Where not even the rule can be written, the other routers of the service are withheld.

use super::{
    fabio,
    found::FABIO,
    order,
    set::{Judged, Outcome, Syntaxes, decoded, label, object_of, option, problems},
};

/// The middleware that does not exist.
pub(super) const MISSING: &str = "not-translated";

const CLOSED: &str = "kept closed, for it was guarded: answers 503 until its middlewares are written";
const WITHHELD: &str = "withheld: it may answer requests of a guarded route that does not translate";
const UNCLOSED: &str =
    "it was guarded and its rule cannot be written, so the other routes of the service are withheld";

/// Closes every guarded router of `judged` that was refused.
pub(super) fn close(judged: &mut Vec<Judged>, syntaxes: &Syntaxes, names: &mut fabio::Names) {
    let mut done: Vec<Vec<usize>> = Vec::new();
    // Each round is done with one router, or is the last.
    for _ in 0..=judged.len() {
        let Some(router) = lost(judged).into_iter().find(|router| !done.contains(router)) else {
            return;
        };
        if let Some(closed) = closed(judged, &router, syntaxes, names) {
            *judged = closed;
        } else {
            withhold(judged, &router);
        }
        done.push(router);
    }
}

/// The guarded routers that were refused, each as the places of its labels.
fn lost(judged: &[Judged]) -> Vec<Vec<usize>> {
    let mut routers: Vec<Vec<usize>> = Vec::new();
    let objects: Vec<_> = judged.iter().map(|one| object_of(&one.found.key)).collect();
    for (at, (one, object)) in judged.iter().zip(&objects).enumerate() {
        if one.outcome != Outcome::Refused || !is_guard(&one.found.key) {
            continue;
        }
        let others = objects.iter().enumerate().filter(|(_, other)| *other == object);
        let router = match object {
            None => vec![at],
            Some(_) => others.map(|(other, _)| other).collect(),
        };
        if !routers.contains(&router) {
            routers.push(router);
        }
    }
    routers
}

/// Whether a label, or Fabio's tag, keeps somebody out.
fn is_guard(key: &str) -> bool {
    // However the list is written, or misspelt.
    let guards = |option: String| option.starts_with("middleware") || option.starts_with("tls.options");
    key.starts_with(FABIO) && fabio::is_guarded(key) || option(key).is_some_and(guards)
}

/// All labels with `router` closed; `None` where Mesh would not take that.
fn closed(
    judged: &[Judged],
    router: &[usize],
    syntaxes: &Syntaxes,
    names: &mut fabio::Names,
) -> Option<Vec<Judged>> {
    let mut all = judged.to_vec();
    // Of several services that share labels, each would need a guard of its own.
    (rules(judged, router) < 2).then_some(())?;
    let (mut has_rule, mut has_guard) = (false, false);
    for at in router {
        let one = all.get_mut(*at)?;
        if one.found.key.starts_with(FABIO) {
            let labels = fabio::closed(&one.found.key, names)?;
            let rule = &labels.first()?.0;
            // Another of the same name is as wide, and which of both answers is not known.
            let name = rule.strip_prefix("mesh.http.routers.")?.strip_suffix(".rule")?;
            if decoded(judged).routers.contains_key(name) {
                return None;
            }
            if !one.found.has_room(labels.len()) {
                return None;
            }
            one.outcome = Outcome::Closed(labels);
            one.note = format!("{}; {CLOSED}", one.note);
            (has_rule, has_guard) = (true, true);
            continue;
        }
        let option = option(&one.found.key)?;
        if one.found.is_ours() {
            // What is there already is not written once more.
            (option != "middlewares").then_some(())?;
            has_rule |= option == "rule";
            continue;
        }
        if is_guard(&one.found.key) {
            if has_guard || one.found.unreadable.is_some() {
                continue;
            }
            has_guard = true;
            let name = one.found.key.split('.').nth(3)?;
            let label = (
                format!("mesh.http.routers.{name}.middlewares"),
                MISSING.to_owned(),
            );
            one.outcome = Outcome::Closed(vec![label]);
            one.note = format!("{}; {CLOSED}", one.note);
        } else if matches!(
            option.as_str(),
            "rule" | "priority" | "entrypoints" | "service" | "tls"
        ) || option.starts_with("tls.")
        {
            let unreadable = one.found.unreadable.is_some();
            let (Outcome::Translated(labels), _) = label(&one.found, syntaxes) else {
                return None;
            };
            if unreadable {
                return None;
            }
            has_rule |= option == "rule";
            one.outcome = Outcome::Closed(labels);
        }
    }
    order::keep(&mut all);
    let is_taken =
        has_rule && has_guard && keeps_its_rule(&all, router) && problems(&decoded(&all)).is_empty();
    is_taken.then_some(all)
}

/// How many rules `router` has that are to be translated.
fn rules(judged: &[Judged], router: &[usize]) -> usize {
    let is_rule = |one: &&Judged| !one.found.is_ours() && option(&one.found.key).as_deref() == Some("rule");
    router
        .iter()
        .filter_map(|at| judged.get(*at))
        .filter(is_rule)
        .count()
}

/// Whether no rule of `router` was refused.
fn keeps_its_rule(all: &[Judged], router: &[usize]) -> bool {
    router.iter().all(|at| {
        let one = all.get(*at);
        one.is_none_or(|one| {
            option(&one.found.key).as_deref() != Some("rule") || one.outcome != Outcome::Refused
        })
    })
}

/// Refuses the routers that do not have all middlewares of `router`.
fn withhold(judged: &mut [Judged], router: &[usize]) {
    let guards = router.iter().find_map(|at| {
        let found = &judged.get(*at)?.found;
        let is_list = option(&found.key).as_deref() == Some("middlewares");
        (is_list && found.unreadable.is_none()).then(|| names(&found.value))
    });
    let covered: Vec<_> = judged
        .iter()
        .filter(|one| option(&one.found.key).as_deref() == Some("middlewares"))
        .filter(|one| {
            let own = names(&one.found.value);
            guards
                .as_ref()
                .is_some_and(|guards| guards.iter().all(|guard| own.contains(guard)))
        })
        .filter_map(|one| object_of(&one.found.key))
        .collect();
    let mut any = false;
    for one in judged.iter_mut() {
        let is_router = one.found.key.starts_with(FABIO) || option(&one.found.key).is_some();
        let is_covered = object_of(&one.found.key).is_some_and(|object| covered.contains(&object));
        if is_router && !is_covered && matches!(one.outcome, Outcome::Translated(_)) {
            one.outcome = Outcome::Refused;
            WITHHELD.clone_into(&mut one.note);
            any = true;
        }
    }
    let told = router.iter().find(|at| {
        let one = judged.get(**at);
        one.is_some_and(|one| is_guard(&one.found.key))
    });
    if any && let Some(one) = told.and_then(|at| judged.get_mut(*at)) {
        one.note = format!("{}; {UNCLOSED}", one.note);
    }
}

fn names(list: &str) -> Vec<String> {
    let names = list.split(',').map(|name| name.trim().to_ascii_lowercase());
    names.filter(|name| !name.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use crate::migrate::{scan::scan, set};

    use super::*;

    /// What is written for `text`, and the notes.
    fn migrated(text: &str) -> (Vec<String>, String) {
        let judged = set::translate(scan(text, "traefik"), &mut fabio::Names::default());
        let written = judged.iter().flat_map(|one| match &one.outcome {
            Outcome::Translated(labels) | Outcome::Closed(labels) => labels.clone(),
            Outcome::LeftOut | Outcome::Refused | Outcome::Ours(..) => Vec::new(),
        });
        let written = written.map(|(key, value)| format!("{key}={value}")).collect();
        let notes = judged
            .iter()
            .map(|one| format!("{}: {}\n", one.found.key, one.note));
        (written, notes.collect())
    }

    #[test]
    fn a_guarded_route_of_fabio_stays_closed_before_the_one_for_everything() {
        for guard in ["auth=me", "allow=file:x", "redirect=1", "frob=1"] {
            let (written, notes) = migrated(&format!("urlprefix-/\nurlprefix-/admin {guard}\n"));
            for label in [
                "mesh.http.routers.root.rule=PathPrefix(`/`)",
                "mesh.http.routers.admin.rule=PathPrefix(`/admin`)",
                "mesh.http.routers.admin.priority=-1994",
                "mesh.http.routers.admin.middlewares=not-translated",
            ] {
                assert!(
                    written.iter().any(|one| one == label),
                    "{guard}: {label}: {written:?}"
                );
            }
            assert!(notes.contains(CLOSED), "{guard}: {notes}");
        }
    }

    #[test]
    fn where_a_guarded_route_of_fabio_has_no_rule_the_others_are_withheld() {
        for route in ["urlprefix-a.com/x*y auth=me", "urlprefix-a.com:80/ auth=me"] {
            let (written, notes) = migrated(&format!("urlprefix-a.com/\n{route}\n"));
            assert!(written.is_empty(), "{written:?}");
            assert!(notes.contains(WITHHELD) && notes.contains(UNCLOSED), "{notes}");
        }
    }

    #[test]
    fn routes_that_keep_nobody_out_close_nothing() {
        for route in [
            "urlprefix-:3306 proto=tcp",
            "urlprefix-/x proto=tcp",
            "urlprefix-/x*y",
        ] {
            let (written, notes) = migrated(&format!("urlprefix-/\n{route}\n"));
            assert_eq!(written.len(), 2, "{written:?} {notes}");
        }
    }

    #[test]
    fn a_guarded_router_that_does_not_translate_stays_closed() {
        for broken in [
            "middlewares=auth@docker",
            "middlewares=auth\ntraefik.http.routers.a.nonsense=1",
        ] {
            let (written, notes) = migrated(&format!(
                "traefik.http.routers.a.rule=Host(`a.com`,`b.com`) && Path(`/admin`)\ntraefik.http.routers.a.entrypoints=web\n\
                 traefik.http.routers.a.{broken}\ntraefik.http.routers.b.rule=Host(`a.com`)\n"
            ));
            assert_eq!(
                written,
                [
                    "mesh.http.routers.a.rule=(Host(`a.com`) || Host(`b.com`)) && Path(`/admin`)",
                    "mesh.http.routers.a.priority=39",
                    "mesh.http.routers.a.entrypoints=web",
                    "mesh.http.routers.a.middlewares=not-translated",
                    "mesh.http.routers.b.rule=Host(`a.com`)",
                ],
                "{notes}"
            );
        }
    }

    #[test]
    fn guards_are_known_however_they_are_written() {
        for guard in [
            "middlewares[0]=auth@docker",
            "middleware=auth",
            "tls.options[0]=mtls@file",
        ] {
            let (written, notes) = migrated(&format!(
                "traefik.http.routers.a.rule=Host(`a.com`) && Path(`/admin`)\ntraefik.http.routers.a.{guard}\n\
                 traefik.http.routers.a.nonsense=1\ntraefik.http.routers.b.rule=Host(`a.com`)\n"
            ));
            let is_closed = written
                .iter()
                .any(|one| one == "mesh.http.routers.a.middlewares=not-translated");
            assert!(is_closed, "{guard}: {written:?} {notes}");
        }
    }

    #[test]
    fn a_router_that_two_services_have_is_not_closed_for_one_of_them() {
        let (written, notes) = migrated(
            "traefik.http.routers.a.rule=Host(`a.com`) && Path(`/admin`)\ntraefik.http.routers.a.middlewares=auth@docker\n\
             traefik.http.routers.a.rule=Host(`b.com`) && Path(`/admin`)\ntraefik.http.routers.a.middlewares=auth@file\n",
        );
        assert!(written.is_empty(), "{written:?} {notes}");
    }

    #[test]
    fn where_a_guarded_router_has_no_rule_those_with_fewer_guards_are_withheld() {
        let (written, notes) = migrated(
            "traefik.http.routers.a.rule=Hots(`a.com`)\ntraefik.http.routers.a.middlewares=auth@file\n\
             traefik.http.routers.b.rule=Host(`b.com`)\n\
             traefik.http.routers.c.rule=Host(`c.com`)\ntraefik.http.routers.c.middlewares=gzip@file,auth@file\n\
             traefik.http.routers.d.rule=Host(`d.com`)\ntraefik.http.routers.d.middlewares=gzip@file\n",
        );
        assert_eq!(
            written,
            [
                "mesh.http.routers.c.rule=Host(`c.com`)",
                "mesh.http.routers.c.middlewares=gzip@file,auth@file",
                "mesh.http.routers.d.rule=Host(`d.com`)",
                "mesh.http.routers.d.middlewares=not-translated",
            ],
            "{notes}"
        );
    }
}
