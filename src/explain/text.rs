//! An explanation for people.

use std::fmt::Write as _;

use serde_json::Value;

/// The explanation as aligned text.
pub(crate) fn render(method: &str, url: &str, explanation: &Value) -> String {
    let mut text = format!("{method} {}\n", printable(url));
    for (label, key) in [("entrypoint", "entryPoint"), ("host", "host"), ("path", "path")] {
        line(&mut text, label, &word(explanation, key));
    }
    if let Some(options) = explanation.get("tlsOptions") {
        let told = match word(options, "kind").as_str() {
            "named" => word(options, "name"),
            _ => "none: clients that ask for this host get no handshake".to_owned(),
        };
        line(&mut text, "tls options", &told);
    }
    let refused = explanation.get("refused");
    if let Some(refused) = refused {
        let told = format!("with {}: {}", word(refused, "status"), word(refused, "reason"));
        line(&mut text, "refused", &told);
    }
    match explanation.get("chosen").filter(|chosen| !chosen.is_null()) {
        Some(chosen) => render_chosen(&mut text, chosen),
        None if refused.is_some() => {}
        None => line(&mut text, "router", "none: answered with 404"),
    }
    let near_misses = list(explanation, "nearMisses");
    if !near_misses.is_empty() {
        text.push_str("\nnear misses\n");
        let rows = near_misses.iter().map(|miss| {
            [
                word(miss, "router"),
                word(miss, "priority"),
                word(miss, "rule"),
                reason(miss.get("reason")),
            ]
        });
        table(&mut text, rows.collect());
    }
    text
}

fn render_chosen(text: &mut String, chosen: &Value) {
    text.push('\n');
    line(text, "router", &word(chosen, "router"));
    line(text, "rule", &word(chosen, "rule"));
    line(text, "priority", &word(chosen, "priority"));
    for middleware in list(chosen, "middlewares") {
        line(
            text,
            "middleware",
            &format!("{} ({})", word(middleware, "name"), word(middleware, "kind")),
        );
    }
    let Some(target) = chosen.get("target") else {
        return;
    };
    match word(target, "kind").as_str() {
        "internal" => line(
            text,
            "service",
            &format!("{} (Mesh itself)", word(target, "service")),
        ),
        "unavailable" => line(text, "service", &format!("none: 503, {}", word(target, "reason"))),
        _ => {
            line(text, "service", &word(target, "service"));
            if let Some(reason) = target.get("unavailable").and_then(Value::as_str) {
                line(text, "", &format!("503: {reason}"));
            }
            let rows = list(target, "servers").iter().map(server);
            table(text, rows.collect());
        }
    }
}

fn server(server: &Value) -> [String; 4] {
    let standing = match word(server, "standing").as_str() {
        "out" => "gets no requests".to_owned(),
        "untested" => "only while no server is ready".to_owned(),
        "stopped" => "only while nobody else can take them".to_owned(),
        "draining" => "only when there is nothing else".to_owned(),
        _ => "gets requests".to_owned(),
    };
    let why = match word(server, "obstacle") {
        obstacle if obstacle.is_empty() => standing,
        obstacle => format!("{standing}: {obstacle}"),
    };
    let is_canary = server.get("canary").and_then(Value::as_bool) == Some(true);
    let canary = if is_canary { ", canary" } else { "" };
    [
        word(server, "url"),
        word(server, "status"),
        format!("weight {}{canary}", word(server, "weight")),
        why,
    ]
}

fn reason(reason: Option<&Value>) -> String {
    let Some(reason) = reason else {
        return String::new();
    };
    match word(reason, "kind").as_str() {
        "refused" => format!("{} does not match", word(reason, "matcher")),
        "shadowed" => format!("matches, but goes second: {}", word(reason, "by")),
        "otherEntryPoint" => format!("matches, but listens on {}", words(reason, "using")),
        "otherProtocol" => match reason.get("tls").and_then(Value::as_bool) {
            Some(true) => "matches, but has tls: it sees requests over TLS only".to_owned(),
            _ => "matches, but has no tls: it sees requests in the clear only".to_owned(),
        },
        "disabled" => format!("matches, but is disabled: {}", words(reason, "errors")),
        other => other.to_owned(),
    }
}

fn line(text: &mut String, label: &str, value: &str) {
    let _ = writeln!(text, "  {label:<11} {}", printable(value));
}

/// The text without what would command a terminal.
fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|char| {
            let escaped = char.is_control().then(|| char.escape_default());
            let plain = escaped.is_none().then_some(char);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

/// Rows with their columns aligned.
fn table(text: &mut String, rows: Vec<[String; 4]>) {
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: Vec<_> = (0..4).map(|column| width(column).unwrap_or(0)).collect();
    for row in &rows {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        let _ = writeln!(text, "    {}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn words(value: &Value, key: &str) -> String {
    list(value, key)
        .iter()
        .filter_map(Value::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

/// The text or number at `key`; nothing when there is none.
fn word(value: &Value, key: &str) -> String {
    match value.get(key) {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_explanation_names_the_router_its_servers_and_what_nearly_matched() {
        let explanation = json!({
            "entryPoint": "web", "host": "a.example", "path": "/x",
            "chosen": {
                "router": "a@file", "rule": "Host(`a.example`)", "priority": 17,
                "middlewares": [{"name": "strip@file", "kind": "stripPrefix"}],
                "target": {"kind": "service", "service": "a@file", "unavailable": null, "servers": [
                    {"url": "http://10.0.0.1:80", "status": "UP", "weight": 1, "standing": "ready"},
                    {"url": "http://10.0.0.22:80", "status": "DOWN", "weight": 2, "standing": "out",
                     "obstacle": "status 503"},
                    {"url": "http://10.0.0.3:80", "status": "UP", "weight": 1, "standing": "stopped",
                     "canary": true, "obstacle": "canary stopped"},
                ]},
            },
            "nearMisses": [{"router": "b@file", "rule": "Host(`b`)", "priority": 9,
                            "reason": {"kind": "refused", "matcher": "Host(`b`)"}}],
        });
        let expected = "GET http://a.example/x
  entrypoint  web
  host        a.example
  path        /x

  router      a@file
  rule        Host(`a.example`)
  priority    17
  middleware  strip@file (stripPrefix)
  service     a@file
    http://10.0.0.1:80   UP    weight 1          gets requests
    http://10.0.0.22:80  DOWN  weight 2          gets no requests: status 503
    http://10.0.0.3:80   UP    weight 1, canary  only while nobody else can take them: canary stopped

near misses
    b@file  9  Host(`b`)  Host(`b`) does not match
";
        assert_eq!(render("GET", "http://a.example/x", &explanation), expected);
    }

    #[test]
    fn a_request_that_nobody_takes_is_said_to_end_with_404() {
        let text = render("GET", "/", &json!({"chosen": null, "nearMisses": []}));
        assert!(text.contains("router      none: answered with 404"), "{text}");
    }
}
