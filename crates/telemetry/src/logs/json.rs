//! One JSON object per line: `level`, `time`, `message`, then the fields.

use std::{fmt, time::SystemTime};

use serde_json::{Map, Value};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext,
        format::{FormatEvent, FormatFields, Writer},
    },
    registry::LookupSpan,
};

use crate::timestamp::Timestamp;

/// Names that lines use themselves; a field of such a name is left out rather than take its place.
const OWN: [&str; 2] = ["level", "time"];

/// Formats events.
#[derive(Debug)]
pub(super) struct JsonEvents;

impl<S, N> FormatEvent<S, N> for JsonEvents
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = event.metadata().level().as_str().to_ascii_lowercase();
        let mut object = Object(Map::new());
        object.0.insert("level".to_owned(), level.into());
        object.0.insert(
            "time".to_owned(),
            Timestamp::of(SystemTime::now()).rfc3339().into(),
        );
        object.0.insert("message".to_owned(), "".into());
        event.record(&mut object);
        writeln!(writer, "{}", Value::Object(object.0))
    }
}

/// Collects fields.
struct Object(Map<String, Value>);

impl Object {
    fn put(&mut self, field: &Field, value: Value) {
        if !OWN.contains(&field.name()) {
            self.0.insert(field.name().to_owned(), value);
        }
    }
}

impl Visit for Object {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        self.put(field, text.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use std::{io, sync::Arc};

    use parking_lot::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_event_is_one_line_of_json() {
        let memory = Memory::default();
        let writer = memory.clone();
        let subscriber = tracing_subscriber::fmt()
            .event_format(JsonEvents)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(server = %"10.0.0.1:80\nfake", attempts = 3, "health check failed");
        });
        let line = String::from_utf8(memory.0.lock().clone()).unwrap();
        let object: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line.matches('\n').count(), 1);
        assert_eq!(object["level"], "warn");
        assert_eq!(object["message"], "health check failed");
        assert_eq!(
            (&object["server"], &object["attempts"]),
            (&"10.0.0.1:80\nfake".into(), &3.into())
        );
        assert!(object["time"].as_str().unwrap().ends_with('Z'));
    }
}
