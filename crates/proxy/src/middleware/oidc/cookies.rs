//! Cookies that may be longer than browsers keep: in parts, and put together again.

use http::{HeaderMap, HeaderValue};

use super::super::cookie_pairs::{Pair, keep_pairs, pairs};

/// Browsers keep 4096 bytes of name, value and attributes.
const MAX_PART: usize = 3800;

/// Parts of one cookie, each with a digit of its own. More would not fit in the head of a request, with what else is there.
const MAX_PARTS: usize = 6;

/// How cookies are set.
#[derive(Debug)]
pub(super) struct CookieRules {
    /// The name of the cookie; those of its parts and those of logins begin with it.
    pub(super) name: String,
    /// What every one says: path, domain, who may see it.
    attributes: String,
}

impl CookieRules {
    /// Cookies of `domain`, which is that of the host if empty.
    pub(super) fn new(name: &str, domain: &str, secure: bool) -> Self {
        let mut attributes = "; Path=/".to_owned();
        if !domain.is_empty() {
            attributes += &format!("; Domain={domain}");
        }
        attributes += "; HttpOnly; SameSite=Lax";
        if secure {
            attributes += "; Secure";
        }
        Self {
            name: name.to_owned(),
            attributes,
        }
    }

    /// The name of the cookie of a login with this state.
    pub(super) fn login(&self, state: &str) -> String {
        let short: String = state
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(8)
            .collect();
        format!("{}{LOGIN}{short}", self.name)
    }

    /// The value of the session's cookie, of its parts if it has some.
    pub(super) fn session(&self, headers: &HeaderMap) -> Option<String> {
        if let Some(value) = find(headers, &self.name) {
            return Some(value.to_owned());
        }
        let (count, first) = find(headers, &self.part(0))?.split_once('.')?;
        let count = count
            .parse()
            .ok()
            .filter(|count| (2..=MAX_PARTS).contains(count))?;
        let mut value = first.to_owned();
        for index in 1..count {
            value += find(headers, &self.part(index))?;
        }
        Some(value)
    }

    /// Keeps `value` as the session for `seconds`, in place of what the request has. `None` if it is too long.
    pub(super) fn keep(&self, value: &str, seconds: u64, headers: &HeaderMap) -> Option<Vec<HeaderValue>> {
        let mut set = Vec::new();
        let mut names = Vec::new();
        let mut add = |name: String, value: &str| {
            set.extend(self.set(&name, value, seconds));
            names.push(name);
        };
        if value.len() <= MAX_PART {
            add(self.name.clone(), value);
        } else {
            let parts: Vec<_> = value.as_bytes().chunks(MAX_PART).collect();
            if parts.len() > MAX_PARTS {
                return None;
            }
            for (index, part) in parts.iter().enumerate() {
                let part = std::str::from_utf8(part).ok()?;
                let count = if index == 0 {
                    format!("{}.", parts.len())
                } else {
                    String::new()
                };
                add(self.part(index), &format!("{count}{part}"));
            }
        }
        let others = self
            .sessions(headers)
            .filter(|name| !names.iter().any(|kept| kept == name));
        set.extend(others.filter_map(|name| self.set(name, "", 0)));
        Some(set)
    }

    /// Takes away all there is of a session.
    pub(super) fn forget(&self, headers: &HeaderMap) -> Vec<HeaderValue> {
        let names = self.sessions(headers);
        names.filter_map(|name| self.set(name, "", 0)).collect()
    }

    /// Takes away cookies of logins if there are `limit`: they were given up.
    pub(super) fn forget_logins(&self, headers: &HeaderMap, limit: usize) -> Vec<HeaderValue> {
        let names: Vec<_> = self.names(headers).filter(|name| self.is_login(name)).collect();
        match names.len() < limit {
            true => Vec::new(),
            false => names.iter().filter_map(|name| self.set(name, "", 0)).collect(),
        }
    }

    /// `Set-Cookie` for `seconds`; 0 takes it away.
    pub(super) fn set(&self, name: &str, value: &str, seconds: u64) -> Option<HeaderValue> {
        let text = format!("{name}={value}; Max-Age={seconds}{}", self.attributes);
        HeaderValue::try_from(text).ok()
    }

    /// Takes the cookies of sessions and logins off a request: servers have no use for them.
    pub(super) fn strip(&self, headers: &mut HeaderMap) {
        if !self.names(headers).any(|name| self.is_own(name)) {
            return;
        }
        keep_pairs(headers, |name| !self.is_own(name));
    }

    fn part(&self, index: usize) -> String {
        format!("{}_{index}", self.name)
    }

    fn names<'h>(&self, headers: &'h HeaderMap) -> impl Iterator<Item = &'h str> {
        pairs(headers).filter_map(Pair::name)
    }

    fn sessions<'h>(&'h self, headers: &'h HeaderMap) -> impl Iterator<Item = &'h str> {
        self.names(headers).filter(|name| self.is_session(name))
    }

    fn is_own(&self, name: &str) -> bool {
        self.is_session(name) || self.is_login(name)
    }

    /// True for the session's cookie and its parts, and for no cookie that another application calls nearly so.
    fn is_session(&self, name: &str) -> bool {
        let Some(rest) = name.strip_prefix(&self.name) else {
            return false;
        };
        let is_part = |part: &str| matches!(part.as_bytes(), [digit @ b'0'..=b'9'] if usize::from(digit - b'0') < MAX_PARTS);
        rest.is_empty() || rest.strip_prefix('_').is_some_and(is_part)
    }

    fn is_login(&self, name: &str) -> bool {
        name.strip_prefix(&self.name)
            .is_some_and(|rest| rest.starts_with(LOGIN))
    }
}

/// What stands between the name of a session's cookie and the state of a login.
const LOGIN: &str = "_login_";

/// The value of the first cookie called `name`.
pub(super) fn find<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut pairs = pairs(headers);
    pairs.find_map(|pair| pair.value().filter(|_| pair.name() == Some(name)))
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;

    fn rules() -> CookieRules {
        CookieRules::new("s", "", true)
    }

    fn headers(cookie: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, cookie.parse().unwrap());
        headers
    }

    /// What a browser sends that was told this.
    fn kept(set: &[HeaderValue]) -> HeaderMap {
        let pairs: Vec<_> = set
            .iter()
            .map(|line| line.to_str().unwrap())
            .filter(|line| !line.contains("Max-Age=0"))
            .map(|line| line.split(';').next().unwrap())
            .collect();
        headers(&pairs.join("; "))
    }

    #[test]
    fn values_of_any_length_that_is_allowed_come_back() {
        for length in [1, MAX_PART, MAX_PART + 1, 3 * MAX_PART, MAX_PARTS * MAX_PART] {
            let value: String = ('a'..='z').cycle().take(length).collect();
            let set = rules().keep(&value, 60, &HeaderMap::new()).unwrap();
            assert_eq!(set.len(), length.div_ceil(MAX_PART));
            assert!(set.iter().all(|line| line.len() < 4000));
            assert_eq!(rules().session(&kept(&set)), Some(value));
        }
        let too_long = "x".repeat(MAX_PARTS * MAX_PART + 1);
        assert!(rules().keep(&too_long, 60, &HeaderMap::new()).is_none());
    }

    #[test]
    fn parts_of_what_was_before_go_away() {
        let before = headers("s_0=3.a; s_1=b; s_2=c; other=1; s_login_x=1; sx=1");
        let set = rules().keep("short", 60, &before).unwrap();
        let lines: Vec<_> = set.iter().map(|line| line.to_str().unwrap()).collect();
        assert!(lines[0].starts_with("s=short; Max-Age=60; Path=/; HttpOnly; SameSite=Lax; Secure"));
        let gone: Vec<_> = lines[1..]
            .iter()
            .map(|line| line.split(';').next().unwrap())
            .collect();
        assert_eq!(gone, ["s_0=", "s_1=", "s_2="]);
        assert_eq!(rules().forget(&before).len(), 3);
    }

    #[test]
    fn a_missing_part_is_no_session() {
        for cookie in ["s_0=3.a; s_1=b", "s_0=a", "s_0=1.a", "s_0=99.a", "s_1=b", "t=1"] {
            assert_eq!(rules().session(&headers(cookie)), None, "{cookie}");
        }
    }

    #[test]
    fn servers_see_other_cookies_only() {
        for (cookie, left) in [
            ("a=1; s=x; b=2", Some("a=1; b=2")),
            ("s_0=2.x; s_1=y; s_login_abc=z", None),
            ("session=1; s_x=2", Some("session=1; s_x=2")),
            (
                "s=x; s2=1; s_6=2; s_+1=3; flag",
                Some("s2=1; s_6=2; s_+1=3; flag"),
            ),
        ] {
            let mut headers = headers(cookie);
            rules().strip(&mut headers);
            let found = headers.get(header::COOKIE).map(|value| value.to_str().unwrap());
            assert_eq!(found, left, "{cookie}");
        }
    }

    #[test]
    fn cookies_of_others_may_hold_any_bytes() {
        let mut headers = HeaderMap::new();
        let line = HeaderValue::from_bytes(b"name=J\xe9r\xf4me; s=x; town=M\xc3\xbcnchen").unwrap();
        headers.insert(header::COOKIE, line);
        assert_eq!(rules().session(&headers).as_deref(), Some("x"));
        rules().strip(&mut headers);
        assert_eq!(
            headers[header::COOKIE].as_bytes(),
            b"name=J\xe9r\xf4me; town=M\xc3\xbcnchen"
        );
    }

    #[test]
    fn logins_that_were_given_up_are_cleared_when_they_pile_up() {
        let rules = rules();
        let name = rules.login("abc_-defghij");
        assert_eq!(name, "s_login_abcdefgh");
        let two = headers("s_login_a=1; s_login_b=2");
        assert!(rules.forget_logins(&two, 3).is_empty());
        assert_eq!(rules.forget_logins(&two, 2).len(), 2);
    }

    #[test]
    fn a_domain_is_named_and_secure_may_be_left_out() {
        let rules = CookieRules::new("s", "example.com", false);
        let line = rules.set("s", "v", 5).unwrap();
        assert_eq!(
            line,
            "s=v; Max-Age=5; Path=/; Domain=example.com; HttpOnly; SameSite=Lax"
        );
    }
}
