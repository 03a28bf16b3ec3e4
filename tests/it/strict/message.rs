//! One request, read as strictly as RFC 9112 allows: the second opinion about what Mesh sends.

/// Names in lower case and values, in order.
pub(super) type Fields = Vec<(String, String)>;

/// A request that cannot be read in two ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Fields,
    pub(super) body: Vec<u8>,
    pub(super) trailers: Fields,
}

/// What a prefix of a connection is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// A request, and how many bytes it took.
    Whole(Message, usize),
    /// The beginning of one.
    Part,
    /// None.
    Bad(String),
}

impl Message {
    /// The method and target.
    pub(super) fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }

    /// All values of a header.
    pub(super) fn values(&self, name: &str) -> Vec<&str> {
        values(&self.headers, name)
    }

    /// Reads the request at the beginning of `bytes`.
    pub(super) fn read(bytes: &[u8]) -> Read {
        match Self::parse(bytes) {
            Ok(Some((message, length))) => Read::Whole(message, length),
            Ok(None) => Read::Part,
            Err(reason) => Read::Bad(reason),
        }
    }

    fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, String> {
        let mut rest = bytes;
        let Some(line) = take_line(&mut rest)? else {
            return Ok(None);
        };
        let (method, target) = request_line(&line)?;
        let Some(headers) = take_fields(&mut rest)? else {
            return Ok(None);
        };
        let mut message = Self {
            method,
            target,
            headers,
            body: Vec::new(),
            trailers: Vec::new(),
        };
        if message.values("host").len() != 1 {
            return Err(format!("hosts: {:?}", message.values("host")));
        }
        if !message.take_body(&mut rest)? {
            return Ok(None);
        }
        Ok(Some((message, bytes.len() - rest.len())))
    }

    fn take_body(&mut self, rest: &mut &[u8]) -> Result<bool, String> {
        match (
            &*self.values("content-length"),
            &*self.values("transfer-encoding"),
        ) {
            ([], []) => Ok(true),
            ([length], []) => {
                let length = number(length, 10)?;
                Ok(take(rest, length).map(|body| self.body = body.to_vec()).is_some())
            }
            ([], ["chunked"]) => {
                let trailers = take_chunks(rest, &mut self.body)?;
                Ok(trailers.map(|trailers| self.trailers = trailers).is_some())
            }
            framing => Err(format!("framing: {framing:?}")),
        }
    }
}

/// All values of a header.
pub(super) fn values<'f>(fields: &'f Fields, name: &str) -> Vec<&'f str> {
    let fields = fields.iter().filter(|(found, _)| found == name);
    fields.map(|(_, value)| value.as_str()).collect()
}

/// Adds what is in chunks to `body`; gives the trailers when all is there.
pub(super) fn take_chunks(rest: &mut &[u8], body: &mut Vec<u8>) -> Result<Option<Fields>, String> {
    loop {
        let Some(size) = take_line(rest)? else {
            return Ok(None);
        };
        let size = number(&size, 16)?;
        if size == 0 {
            return take_fields(rest);
        }
        let Some(chunk) = take(rest, size) else {
            body.extend_from_slice(std::mem::take(rest));
            return Ok(None);
        };
        body.extend_from_slice(chunk);
        match take(rest, 2) {
            None => return Ok(None),
            Some(b"\r\n") => {}
            Some(other) => return Err(format!("chunk ends with {other:?}")),
        }
    }
}

pub(super) fn take<'b>(rest: &mut &'b [u8], length: usize) -> Option<&'b [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

/// A line that ends in CR LF and has neither elsewhere.
pub(super) fn take_line(rest: &mut &[u8]) -> Result<Option<String>, String> {
    let Some(end) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        return Ok(None);
    };
    match rest.get(end..end + 2) {
        Some(b"\r\n") => {}
        None if rest[end] == b'\r' => return Ok(None),
        _ => return Err("a bare CR or LF".to_owned()),
    }
    let line: String = rest[..end].iter().copied().map(char::from).collect();
    *rest = &rest[end + 2..];
    match line.chars().find(|letter| letter.is_control() && *letter != '\t') {
        Some(control) => Err(format!("{control:?} in {line:?}")),
        None => Ok(Some(line)),
    }
}

fn request_line(line: &str) -> Result<(String, String), String> {
    let parts: Vec<&str> = line.split(' ').collect();
    let [method, target, "HTTP/1.1"] = *parts else {
        return Err(format!("request line {line:?}"));
    };
    let fits = target.starts_with('/') || (target == "*" && method == "OPTIONS");
    let is_plain = target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    match is_token(method) && fits && is_plain {
        true => Ok((method.to_owned(), target.to_owned())),
        false => Err(format!("request line {line:?}")),
    }
}

pub(super) fn take_fields(rest: &mut &[u8]) -> Result<Option<Fields>, String> {
    let mut fields = Vec::new();
    while let Some(line) = take_line(rest)? {
        if line.is_empty() {
            return Ok(Some(fields));
        }
        let (name, value) = line.split_once(':').ok_or_else(|| format!("field {line:?}"))?;
        if !is_token(name) {
            return Err(format!("field name {name:?}"));
        }
        fields.push((
            name.to_ascii_lowercase(),
            value.trim_matches([' ', '\t']).to_owned(),
        ));
    }
    Ok(None)
}

pub(super) fn is_token(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(fits)
}

pub(super) fn number(text: &str, radix: u32) -> Result<usize, String> {
    let is_plain = text.chars().all(|digit| digit.is_digit(radix));
    let value = usize::from_str_radix(text, radix).ok().filter(|_| is_plain);
    value.ok_or_else(|| format!("number {text:?}"))
}
