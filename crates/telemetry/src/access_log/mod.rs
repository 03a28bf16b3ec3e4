//! One line per request.
//!
//! Workers fill a [`Record`] and hand it over; a thread formats and writes it. A request never waits: what
//! finds no room is lost and counted.

mod json;
mod line;
mod picker;
mod record;
mod settings;

use std::{io, time::Duration};

use http::HeaderMap;

pub use record::{Headers, Origin, Record};
pub use settings::{
    AccessLogFormat, AccessLogSettings, FieldMode, Fields, Filters, HeaderFields, HeaderMode,
    QueryParameters, StatusRange, StatusRangeError,
};

use crate::background::{Background, Target};
use line::Line;
use picker::HeaderPicker;

/// Lines that may wait when settings do not say.
const DEFAULT_QUEUE: usize = 8_192;

/// The access log; shared by all workers.
#[derive(Debug)]
pub struct AccessLog {
    filters: Filters,
    headers: HeaderPicker,
    add_internals: bool,
    lines: Background<Box<Record>>,
}

impl AccessLog {
    /// Opens the file and starts the thread that writes.
    ///
    /// # Errors
    /// When the file cannot be opened, or no thread can be started.
    pub fn open(settings: &AccessLogSettings) -> io::Result<Self> {
        let target = settings.file_path.clone().map_or(Target::Stdout, Target::File);
        let capacity = match settings.buffering_size {
            0 => DEFAULT_QUEUE,
            size => size,
        };
        let mut line = Line::new(settings);
        Ok(Self {
            filters: settings.filters.clone(),
            headers: HeaderPicker::new(&settings.fields.headers),
            add_internals: settings.add_internals,
            lines: Background::spawn("access-log", target, capacity, move |record: Box<Record>, out| {
                line.write(&record, out);
            })?,
        })
    }

    /// False for requests that would not be logged, whatever comes of them: spares filling a [`Record`].
    pub fn wants(&self, internal: bool) -> bool {
        self.add_internals || !internal
    }

    /// Of `headers` those that a line shows. Take them before middlewares change them.
    pub fn picked(&self, headers: &HeaderMap) -> Headers {
        self.headers.pick(headers)
    }

    /// Logs `record` when it passes the filters. Never waits.
    pub fn record(&self, record: Record) {
        if self.wants(record.internal) && passes(&self.filters, &record) {
            self.lines.push(Box::new(record));
        }
    }

    /// Opens the file by its name again, after something else has moved it away.
    pub fn reopen(&self) {
        self.lines.reopen();
    }

    /// Lines lost so far.
    pub fn dropped(&self) -> u64 {
        self.lines.dropped()
    }

    /// Writes what was handed over and ends; waits at most `limit`. True when everything is written. Records
    /// that come later are lost.
    pub fn close(&self, limit: Duration) -> bool {
        self.lines.close(limit)
    }
}

/// Without filters everything passes; with some, one is enough.
fn passes(filters: &Filters, record: &Record) -> bool {
    let by_status = !filters.status_codes.is_empty();
    let by_duration = !filters.min_duration.is_zero();
    if !by_status && !by_duration && !filters.retry_attempts {
        return true;
    }
    filters
        .status_codes
        .iter()
        .any(|range| range.contains(record.status))
        || (by_duration && record.duration >= filters.min_duration)
        || (filters.retry_attempts && record.retries > 0)
}

#[cfg(test)]
fn test_record() -> Record {
    Record {
        start: std::time::UNIX_EPOCH + Duration::from_secs(1_795_464_900),
        duration: Duration::from_micros(35_500),
        entry_point: "web".into(),
        router: Some("web@file".into()),
        service: Some("web@file".into()),
        client: ([192, 0, 2, 7], 4711).into(),
        client_user: None,
        method: http::Method::GET,
        uri: http::Uri::from_static("/a?token=1"),
        version: http::Version::HTTP_11,
        scheme: "http",
        host: Some(http::HeaderValue::from_static("shop.example:8000")),
        request_bytes: 0,
        forwarded_for: None,
        request_headers: Headers::default(),
        origin: Some(Origin {
            url: "http://10.0.0.1:80".into(),
            address: "10.0.0.1:80".into(),
            status: Some(200),
            duration: Duration::from_millis(35),
            bytes: 12,
            headers: Headers::default(),
        }),
        status: 200,
        response_bytes: 12,
        response_headers: Headers::default(),
        retries: 0,
        internal: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    fn in_directory(directory: &tempfile::TempDir, filters: Filters) -> AccessLog {
        let file_path = Some(directory.path().join("logs/access.log"));
        AccessLog::open(&AccessLogSettings {
            file_path,
            filters,
            ..AccessLogSettings::default()
        })
        .unwrap()
    }

    fn lines(directory: &tempfile::TempDir, name: &str) -> usize {
        std::fs::read_to_string(directory.path().join(name))
            .unwrap_or_default()
            .lines()
            .count()
    }

    #[test]
    fn everything_handed_over_is_written_when_the_log_closes() {
        let directory = tempfile::tempdir().unwrap();
        let log = in_directory(&directory, Filters::default());
        for _ in 0..1000 {
            log.record(test_record());
        }
        assert!(log.close(SOON));
        assert_eq!(lines(&directory, "logs/access.log") as u64 + log.dropped(), 1000);
        log.record(test_record());
        assert!(log.dropped() >= 1, "a record after the end is counted as lost");
    }

    #[test]
    fn a_reopened_log_goes_on_in_a_new_file() {
        let directory = tempfile::tempdir().unwrap();
        let log = in_directory(&directory, Filters::default());
        log.record(test_record());
        let (file, moved) = (
            directory.path().join("logs/access.log"),
            directory.path().join("old.log"),
        );
        let deadline = std::time::Instant::now() + SOON;
        while lines(&directory, "logs/access.log") == 0 && std::time::Instant::now() < deadline {
            std::thread::yield_now();
        }
        std::fs::rename(&file, &moved).unwrap();
        log.reopen();
        while !file.exists() && std::time::Instant::now() < deadline {
            std::thread::yield_now();
        }
        log.record(test_record());
        assert!(log.close(SOON));
        assert_eq!(
            (lines(&directory, "old.log"), lines(&directory, "logs/access.log")),
            (1, 1)
        );
    }

    #[test]
    fn one_passing_filter_is_enough() {
        let filters = Filters {
            status_codes: vec!["500-599".parse().unwrap()],
            min_duration: Duration::from_secs(1),
            retry_attempts: true,
        };
        assert!(!passes(&filters, &test_record()));
        assert!(passes(
            &filters,
            &Record {
                status: 503,
                ..test_record()
            }
        ));
        assert!(passes(
            &filters,
            &Record {
                retries: 1,
                ..test_record()
            }
        ));
        assert!(passes(
            &filters,
            &Record {
                duration: Duration::from_secs(1),
                ..test_record()
            }
        ));
        assert!(passes(&Filters::default(), &test_record()));
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_an_error_at_once() {
        let settings = AccessLogSettings {
            file_path: Some("/proc/no/such.log".into()),
            ..AccessLogSettings::default()
        };
        assert!(AccessLog::open(&settings).is_err());
    }
}
