//! A record as one JSON object.

use std::{collections::BTreeMap, time::Duration};

use http::{HeaderName, uri::Authority};
use serde::{
    Serialize,
    ser::{SerializeMap, Serializer},
};

use super::{
    line::{Line, client_host, protocol, text},
    record::{Headers, Record},
};
use crate::timestamp::Timestamp;

/// Appends the object, without a line feed.
pub(super) fn write(line: &Line, record: &Record, out: &mut Vec<u8>) {
    let before = out.len();
    if serde_json::to_writer(&mut *out, &Object { line, record }).is_err() {
        // Writing to memory does not fail; half an object would spoil the line after it.
        out.truncate(before);
    }
}

struct Object<'a> {
    line: &'a Line,
    record: &'a Record,
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = Fields {
            line: self.line,
            map: serializer.serialize_map(None)?,
        };
        map.always("level", "info")?;
        map.always("msg", "")?;
        map.always(
            "time",
            &Timestamp::of(self.record.start + self.record.duration).rfc3339(),
        )?;
        map.times(self.record)?;
        map.client(self.record)?;
        map.request(self.line, self.record)?;
        map.answer(self.record)?;
        map.headers("request_", &self.record.request_headers)?;
        if let Some(origin) = &self.record.origin {
            map.headers("origin_", &origin.headers)?;
        }
        map.headers("downstream_", &self.record.response_headers)?;
        map.map.end()
    }
}

/// The fields that settings keep.
struct Fields<'a, M> {
    line: &'a Line,
    map: M,
}

impl<M: SerializeMap> Fields<'_, M> {
    fn always(&mut self, name: &str, value: &str) -> Result<(), M::Error> {
        self.map.serialize_entry(name, value)
    }

    fn put(&mut self, name: &str, value: impl Serialize) -> Result<(), M::Error> {
        if self.line.fields.keeps(name) {
            self.map.serialize_entry(name, &value)?;
        }
        Ok(())
    }

    fn times(&mut self, record: &Record) -> Result<(), M::Error> {
        self.put("StartUTC", Timestamp::of(record.start).rfc3339())?;
        self.put("Duration", nanos(record.duration))?;
        let origin = record
            .origin
            .as_ref()
            .map_or(Duration::ZERO, |origin| origin.duration);
        self.put("Overhead", nanos(record.duration.saturating_sub(origin)))?;
        self.put("RequestCount", self.line.count)
    }

    fn client(&mut self, record: &Record) -> Result<(), M::Error> {
        self.put("ClientAddr", record.client)?;
        self.put("ClientHost", client_host(record))?;
        self.put("ClientPort", record.client.port().to_string())?;
        self.put("ClientUsername", record.client_user.as_deref().unwrap_or("-"))
    }

    fn request(&mut self, line: &Line, record: &Record) -> Result<(), M::Error> {
        self.put("entryPointName", &*record.entry_point)?;
        self.put("RequestMethod", record.method.as_str())?;
        self.put("RequestPath", line.path(record))?;
        self.put("RequestProtocol", protocol(record.version))?;
        self.put("RequestScheme", record.scheme)?;
        self.put("RequestContentSize", record.request_bytes)?;
        let Some(host) = &record.host else { return Ok(()) };
        self.put("RequestAddr", text(host))?;
        let authority = Authority::try_from(host.as_bytes()).ok();
        let (host, port) = authority
            .as_ref()
            .map_or(("-", None), |host| (host.host(), host.port_u16()));
        self.put("RequestHost", host)?;
        self.put(
            "RequestPort",
            port.map_or_else(|| "-".to_owned(), |port| port.to_string()),
        )
    }

    fn answer(&mut self, record: &Record) -> Result<(), M::Error> {
        if let Some(router) = &record.router {
            self.put("RouterName", &**router)?;
        }
        if let Some(service) = &record.service {
            self.put("ServiceName", &**service)?;
        }
        if let Some(origin) = &record.origin {
            self.put("ServiceURL", &*origin.url)?;
            self.put("ServiceAddr", &*origin.address)?;
            self.put("OriginDuration", nanos(origin.duration))?;
            if let Some(status) = origin.status {
                self.put("OriginStatus", status)?;
                self.put("OriginContentSize", origin.bytes)?;
            }
        }
        self.put("DownstreamStatus", record.status)?;
        self.put("DownstreamContentSize", record.response_bytes)?;
        self.put("RetryAttempts", record.retries)
    }

    /// Values of one header are joined; names are written the way people do.
    fn headers(&mut self, prefix: &str, headers: &Headers) -> Result<(), M::Error> {
        let mut joined: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in &headers.0 {
            let values = joined.entry(format!("{prefix}{}", canonical(name))).or_default();
            if !values.is_empty() {
                values.push(',');
            }
            values.push_str(&text(value));
        }
        joined
            .iter()
            .try_for_each(|(name, value)| self.map.serialize_entry(name, value))
    }
}

/// Integer nanoseconds, as JSON readers of these logs expect.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// `user-agent` as `User-Agent`.
fn canonical(name: &HeaderName) -> String {
    let mut start = true;
    let chars = name.as_str().chars().map(|char| {
        let written = if start { char.to_ascii_uppercase() } else { char };
        start = char == '-';
        written
    });
    chars.collect()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header};
    use serde_json::Value;

    use super::{
        super::{
            AccessLogFormat, AccessLogSettings, FieldMode, HeaderMode, picker::HeaderPicker, test_record,
        },
        *,
    };

    fn object(mut settings: AccessLogSettings, record: &Record) -> Value {
        settings.format = AccessLogFormat::Json;
        let mut out = Vec::new();
        Line::new(&settings).write(record, &mut out);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn durations_are_nanoseconds_and_hosts_are_split() {
        let object = object(AccessLogSettings::default(), &test_record());
        assert_eq!(object["Duration"], 35_500_000);
        assert_eq!(object["Overhead"], 500_000);
        assert_eq!(
            (&object["RequestHost"], &object["RequestPort"]),
            (&"shop.example".into(), &"8000".into())
        );
        assert_eq!(object["StartUTC"], "2026-11-23T20:15:00.000000000Z");
        assert_eq!(object["OriginStatus"], 200);
    }

    #[test]
    fn only_named_fields_remain_when_the_rest_is_dropped() {
        let mut settings = AccessLogSettings::default();
        settings.fields.default_mode = FieldMode::Drop;
        settings
            .fields
            .names
            .insert("routername".to_owned(), FieldMode::Keep);
        let object = object(settings, &test_record());
        assert_eq!(object["RouterName"], "web@file");
        assert!(object.get("ClientHost").is_none());
    }

    #[test]
    fn kept_headers_show_and_credentials_do_not() {
        let mut settings = AccessLogSettings::default();
        settings.fields.headers.default_mode = HeaderMode::Keep;
        let mut record = test_record();
        let headers = HeaderMap::from_iter([
            (header::COOKIE, HeaderValue::from_static("session=1")),
            (header::USER_AGENT, HeaderValue::from_static("curl\t\"x\"")),
        ]);
        record.request_headers = HeaderPicker::new(&settings.fields.headers).pick(&headers);
        let object = object(settings, &record);
        assert_eq!(object["request_Cookie"], "REDACTED");
        assert_eq!(object["request_User-Agent"], "curl\t\"x\"");
    }

    #[test]
    fn the_client_s_proxy_names_it_without_showing_the_header() {
        let mut record = test_record();
        record.forwarded_for = Some(HeaderValue::from_static("203.0.113.9"));
        let object = object(AccessLogSettings::default(), &record);
        assert_eq!(object["ClientHost"], "203.0.113.9");
        assert!(object.get("request_X-Forwarded-For").is_none());
    }
}
