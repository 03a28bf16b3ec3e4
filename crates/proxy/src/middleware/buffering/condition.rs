//! What `retryExpression` may say: `IsNetworkError() && Attempts() < 2`.

use http::{Method, StatusCode};

use crate::middleware::expression::{Expression, Function, Kind, Literal, Value};

/// What a condition may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    Attempts,
    ResponseCode,
    RequestMethod,
    IsNetworkError,
}

/// What became of a request so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'s> {
    /// How often it was sent.
    pub(super) attempts: u32,
    pub(super) status: StatusCode,
    pub(super) method: &'s Method,
}

/// When a request is sent again.
pub(super) type Condition = Expression<Says>;

/// True if it is to be sent again.
pub(super) fn holds(condition: &Condition, seen: Seen<'_>) -> bool {
    condition.holds(&|says| match says {
        Says::Attempts => Value::Integer(seen.attempts.into()),
        Says::ResponseCode => Value::Integer(seen.status.as_u16().into()),
        Says::RequestMethod => Value::Text(seen.method.as_str()),
        Says::IsNetworkError => {
            Value::Truth(seen.status == StatusCode::BAD_GATEWAY || seen.status == StatusCode::GATEWAY_TIMEOUT)
        }
    })
}

impl Function for Says {
    fn new(name: &str, arguments: &[Literal]) -> Result<Self, String> {
        let says = match name {
            "Attempts" => Self::Attempts,
            "ResponseCode" => Self::ResponseCode,
            "RequestMethod" => Self::RequestMethod,
            "IsNetworkError" => Self::IsNetworkError,
            _ => {
                return Err(format!(
                    "{name} is unknown; there are Attempts, ResponseCode, RequestMethod and IsNetworkError"
                ));
            }
        };
        match arguments {
            [] => Ok(says),
            _ => Err(format!("{name} has nothing between its parentheses")),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Attempts | Self::ResponseCode => Kind::Integer,
            Self::RequestMethod => Kind::Text,
            Self::IsNetworkError => Kind::Truth,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_sees_status_method_and_attempts() {
        let holds = |text: &str, attempts, status| {
            let seen = Seen {
                attempts,
                status: StatusCode::from_u16(status).unwrap(),
                method: &Method::GET,
            };
            holds(&Condition::parse(text).unwrap(), seen)
        };
        let usual = "IsNetworkError() && Attempts() < 2";
        assert!(holds(usual, 1, 502) && holds(usual, 1, 504));
        assert!(!holds(usual, 2, 502) && !holds(usual, 1, 503));
        let other = "(ResponseCode() >= 500 || ResponseCode() == 429) && RequestMethod() != \"POST\"";
        assert!(holds(other, 1, 500) && holds(other, 1, 429) && !holds(other, 1, 404));
        assert!(!holds("RequestMethod() == \"POST\"", 1, 500));
    }

    #[test]
    fn errors_name_what_there_is() {
        for (text, reason) in [
            ("Latency() > 1", "there are Attempts"),
            ("Attempts(1) > 1", "nothing between"),
            ("ResponseCode() == \"500\"", "an integer such as 10 only"),
            ("RequestMethod() == 1", "a text such as"),
        ] {
            let error = Condition::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_much(text in "(Attempts|ResponseCode|RequestMethod|IsNetworkError|\\(|\\)|[<>=!&|\"0-9. a]){0,30}") {
            let _either_is_fine = Condition::parse(&text);
        }
    }
}
