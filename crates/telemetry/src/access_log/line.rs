//! How a record becomes a line.

use std::{borrow::Cow, fmt::Write as _};

use http::{HeaderValue, Version, header};

use super::{
    json,
    picker::FieldPicker,
    record::Record,
    settings::{AccessLogFormat, AccessLogSettings, FieldMode},
};
use crate::timestamp::Timestamp;

/// Writes lines in one format; counts them.
#[derive(Debug)]
pub(super) struct Line {
    format: AccessLogFormat,
    pub(super) fields: FieldPicker,
    keep_query: bool,
    pub(super) count: u64,
}

impl Line {
    pub(super) fn new(settings: &AccessLogSettings) -> Self {
        Self {
            format: settings.format,
            fields: FieldPicker::new(&settings.fields),
            keep_query: settings.fields.query_parameters.default_mode == FieldMode::Keep,
            count: 0,
        }
    }

    /// Appends the line of `record`, with its line feed.
    pub(super) fn write(&mut self, record: &Record, out: &mut Vec<u8>) {
        self.count += 1;
        match self.format {
            AccessLogFormat::Common => self.common(record, true, out),
            AccessLogFormat::GenericClf => self.common(record, false, out),
            AccessLogFormat::Json => json::write(self, record, out),
        }
        out.push(b'\n');
    }

    /// The Common Log Format; `extended` adds what Mesh knows beyond it. A dropped field leaves its dash.
    fn common(&self, record: &Record, extended: bool, out: &mut Vec<u8>) {
        let mut line = Common {
            fields: &self.fields,
            text: String::with_capacity(256),
        };
        line.value("ClientHost", &client_host(record).replace(' ', ""), true);
        line.text.push_str(" -");
        line.word(
            "ClientUsername",
            record.client_user.as_deref().unwrap_or_default(),
        );
        let start = Timestamp::of(record.start).common_log();
        let start = if self.fields.keeps("StartUTC") {
            start
        } else {
            "-".to_owned()
        };
        let _ = write!(line.text, " [{start}] \"");
        let request = [
            ("RequestMethod", record.method.as_str().into()),
            ("RequestPath", self.path(record)),
            ("RequestProtocol", protocol(record.version).into()),
        ];
        for (index, (field, value)) in request.iter().enumerate() {
            line.text.push_str(if index == 0 { "" } else { " " });
            line.value(field, value, true);
        }
        line.text.push('"');
        line.word("DownstreamStatus", &record.status.to_string());
        line.word("DownstreamContentSize", &record.response_bytes.to_string());
        line.header(record.request_headers.get(&header::REFERER));
        line.header(record.request_headers.get(&header::USER_AGENT));
        if extended {
            line.word("RequestCount", &self.count.to_string());
            line.quoted("RouterName", record.router.as_deref());
            line.quoted("ServiceURL", record.origin.as_ref().map(|origin| &*origin.url));
            line.word("Duration", &record.duration.as_millis().to_string());
            line.text.push_str("ms");
        }
        out.extend_from_slice(line.text.as_bytes());
    }

    /// The target of the request, without its query when that is dropped.
    pub(super) fn path<'a>(&self, record: &'a Record) -> Cow<'a, str> {
        let target = record.uri.path_and_query();
        match target {
            Some(target) if self.keep_query => target.as_str().into(),
            Some(target) => target.path().into(),
            None => record.uri.to_string().into(),
        }
    }
}

/// A line of the Common Log Format in the making.
struct Common<'a> {
    fields: &'a FieldPicker,
    text: String,
}

impl Common<'_> {
    /// A blank and a value that stands for itself.
    fn word(&mut self, field: &str, value: &str) {
        self.text.push(' ');
        self.value(field, value, true);
    }

    fn quoted(&mut self, field: &str, value: Option<&str>) {
        self.text.push_str(" \"");
        self.value(field, value.unwrap_or_default(), false);
        self.text.push('"');
    }

    fn header(&mut self, value: Option<&HeaderValue>) {
        self.text.push_str(" \"");
        match value.filter(|value| !value.is_empty()) {
            Some(value) => escape(&text(value), false, &mut self.text),
            None => self.text.push('-'),
        }
        self.text.push('"');
    }

    fn value(&mut self, field: &str, value: &str, word: bool) {
        if value.is_empty() || !self.fields.keeps(field) {
            self.text.push('-');
        } else {
            escape(value, word, &mut self.text);
        }
    }
}

/// Nothing that a client sends may end a field or a line, or reach a terminal as a command; in a `word`, which
/// no quotes surround, a blank may not either.
fn escape(value: &str, word: bool, out: &mut String) {
    for char in value.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            char if char.is_control() || (word && char == ' ') => {
                let _ = write!(out, "\\x{:02x}", u32::from(char));
            }
            char => out.push(char),
        }
    }
}

/// The text of a header; bytes that are no text show as the replacement character.
pub(super) fn text(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

/// What proxies in front say of the client, as they say it, if they are believed; else the peer's address.
pub(super) fn client_host(record: &Record) -> Cow<'_, str> {
    match &record.forwarded_for {
        Some(value) if !value.is_empty() => text(value),
        _ => record.client.ip().to_string().into(),
    }
}

pub(super) fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_3 => "HTTP/3.0",
        _ => "HTTP/1.1",
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{settings::Fields, test_record},
        *,
    };

    fn line(settings: &AccessLogSettings, record: &Record) -> String {
        let mut out = Vec::new();
        Line::new(settings).write(record, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_common_format_is_the_documented_one() {
        assert_eq!(
            line(&AccessLogSettings::default(), &test_record()),
            "192.0.2.7 - - [23/Nov/2026:20:15:00 +0000] \"GET /a?token=1 HTTP/1.1\" 200 12 \"-\" \"-\" \
             1 \"web@file\" \"http://10.0.0.1:80\" 35ms\n"
        );
    }

    #[test]
    fn the_generic_format_ends_with_the_user_agent() {
        let settings = AccessLogSettings {
            format: AccessLogFormat::GenericClf,
            ..AccessLogSettings::default()
        };
        assert!(line(&settings, &test_record()).ends_with(" 200 12 \"-\" \"-\"\n"));
    }

    #[test]
    fn a_client_cannot_forge_fields_or_lines() {
        let mut record = test_record();
        let evil = HeaderValue::from_bytes(b"x\" 200 \xff\tagent").unwrap();
        record.request_headers.0.push((header::USER_AGENT, evil));
        record.forwarded_for = Some(HeaderValue::from_static("1.1.1.1, 2.2.2.2 - root"));
        record.client_user = Some("eve\n[x] \u{1b}[2J".into());
        let line = line(&AccessLogSettings::default(), &record);
        assert!(
            line.starts_with("1.1.1.1,2.2.2.2-root - eve\\x0a[x]\\x20\\x1b[2J ["),
            "{line}"
        );
        assert!(line.contains("\"x\\\" 200 \u{fffd}\\x09agent\""), "{line}");
        assert_eq!(line.matches('\n').count(), 1);
    }

    #[test]
    fn a_dropped_field_leaves_its_dash_and_a_dropped_query_nothing() {
        let fields = Fields {
            names: [
                ("clienthost".to_owned(), FieldMode::Drop),
                ("routername".to_owned(), FieldMode::Drop),
            ]
            .into(),
            ..Fields::default()
        };
        let mut settings = AccessLogSettings {
            fields,
            ..AccessLogSettings::default()
        };
        settings.fields.query_parameters.default_mode = FieldMode::Drop;
        let line = line(&settings, &test_record());
        assert!(line.starts_with("- - - ["), "{line}");
        assert!(
            line.contains("\"GET /a HTTP/1.1\"") && line.contains(" 1 \"-\" \"http"),
            "{line}"
        );
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_client_sends_stays_within_its_quotes(agent in proptest::collection::vec(proptest::num::u8::ANY, 0..40)) {
            let Ok(agent) = HeaderValue::from_bytes(&agent) else { return Ok(()) };
            let mut record = test_record();
            record.request_headers.0.push((header::USER_AGENT, agent));
            let line = line(&AccessLogSettings::default(), &record);
            let bare = line.replace("\\\\", "").replace("\\\"", "");
            proptest::prop_assert_eq!(bare.matches('"').count(), 10);
            proptest::prop_assert!(!line.trim_end_matches('\n').chars().any(char::is_control));
        }
    }
}
