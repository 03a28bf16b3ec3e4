//! One answer, read as strictly as RFC 9112 allows: the second opinion about what clients get.

use super::message::{Fields, number, take, take_chunks, take_fields, take_line, values};

/// What clients get for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) version: String,
    pub(super) status: u16,
    /// In order, names in lower case.
    pub(super) headers: Fields,
    pub(super) body: Vec<u8>,
    pub(super) trailers: Fields,
    /// The interim answers before it.
    pub(super) interim: Vec<u16>,
    /// All that was announced is there. Without an announcement it ends with its connection.
    pub(super) is_whole: bool,
    /// Its end is that of the connection.
    pub(super) until_close: bool,
}

impl Answer {
    /// All values of a header.
    pub(super) fn values(&self, name: &str) -> Vec<&str> {
        values(&self.headers, name)
    }

    /// True when Mesh says that the connection ends.
    pub(super) fn closes(&self) -> bool {
        let mut words = self
            .values("connection")
            .into_iter()
            .flat_map(|line| line.split(','));
        words.any(|word| word.trim().eq_ignore_ascii_case("close"))
    }

    /// The body as text.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Takes the answer to a `method` request off `rest`; `None` while its head is not there, or when it is not
    /// whole and the connection is not `over`.
    pub(super) fn take(rest: &mut &[u8], method: &str, over: bool) -> Result<Option<Self>, String> {
        let mut interim = Vec::new();
        let mut left = *rest;
        loop {
            let Some(mut answer) = Self::head(&mut left)? else {
                return Ok(None);
            };
            if (100..200).contains(&answer.status) && answer.status != 101 {
                interim.push(answer.status);
                continue;
            }
            answer.interim = interim;
            answer.take_body(&mut left, method)?;
            if !answer.is_whole || answer.until_close {
                if !over {
                    return Ok(None);
                }
                left = &[];
            }
            *rest = left;
            return Ok(Some(answer));
        }
    }

    fn head(rest: &mut &[u8]) -> Result<Option<Self>, String> {
        let Some(line) = take_line(rest)? else {
            return Ok(None);
        };
        let Some(headers) = take_fields(rest)? else {
            return Ok(None);
        };
        let mut parts = line.splitn(3, ' ');
        let (Some(version @ ("HTTP/1.1" | "HTTP/1.0")), Some(status)) = (parts.next(), parts.next()) else {
            return Err(format!("status line {line:?}"));
        };
        let status = status.parse().ok().filter(|_| status.len() == 3);
        let status = status.filter(|status| (100..600).contains(status));
        Ok(Some(Self {
            version: version.to_owned(),
            status: status.ok_or_else(|| format!("status line {line:?}"))?,
            headers,
            body: Vec::new(),
            trailers: Vec::new(),
            interim: Vec::new(),
            is_whole: false,
            until_close: false,
        }))
    }

    fn take_body(&mut self, rest: &mut &[u8], method: &str) -> Result<(), String> {
        let framing = (
            self.values("content-length")
                .iter()
                .map(|&length| length.to_owned())
                .collect::<Vec<_>>(),
            self.values("transfer-encoding")
                .iter()
                .map(|&coding| coding.to_owned())
                .collect::<Vec<_>>(),
        );
        if matches!(self.status, 101 | 204) && (!framing.0.is_empty() || !framing.1.is_empty()) {
            return Err(format!("framing of {}: {framing:?}", self.status));
        }
        let has_none = method == "HEAD" || matches!(self.status, 101 | 204 | 304);
        match (&framing.0[..], &framing.1[..]) {
            ([], []) | ([_], []) if has_none => self.is_whole = true,
            ([], [coding]) if has_none && coding == "chunked" => self.is_whole = true,
            ([], []) => {
                self.body = std::mem::take(rest).to_vec();
                (self.is_whole, self.until_close) = (true, true);
            }
            ([length], []) => {
                let length = number(length, 10)?;
                let taken = take(rest, length);
                self.is_whole = taken.is_some();
                self.body = taken.unwrap_or(rest).to_vec();
            }
            ([], [coding]) if coding == "chunked" && self.version == "HTTP/1.1" => {
                let trailers = take_chunks(rest, &mut self.body)?;
                self.is_whole = trailers.is_some();
                self.trailers = trailers.unwrap_or_default();
            }
            _ => return Err(format!("framing: {framing:?}")),
        }
        Ok(())
    }
}
