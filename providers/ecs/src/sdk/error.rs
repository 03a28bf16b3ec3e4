//! What went wrong with a call, in the words of all providers.

use std::{error::Error, fmt::Display, time::Duration};

use aws_sdk_ecs::{
    config::http::HttpResponse,
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
};
use mesh_discovery::ProviderError;

/// How much of an error's text is kept.
const MAX_REASON_CHARS: usize = 400;

/// Whom a call asked for what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) endpoint: &'a str,
    /// As policies write it.
    pub(super) action: &'a str,
}

impl Asked<'_> {
    pub(super) fn failed<E>(&self, error: &SdkError<E, HttpResponse>) -> ProviderError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        match error {
            SdkError::ServiceError(answered) => {
                self.refused(answered.err(), answered.raw().status().as_u16())
            }
            SdkError::ResponseError(_) => self.malformed(&DisplayErrorContext(error)),
            _ => ProviderError::Unreachable {
                endpoint: self.endpoint.to_owned(),
                reason: line(&format_args!("{}: {}", self.action, DisplayErrorContext(error))),
            },
        }
    }

    fn refused(&self, error: &impl ProvideErrorMetadata, status: u16) -> ProviderError {
        if status < 300 {
            return self.malformed(&error.message().unwrap_or("it is none of its answers"));
        }
        let code = error.code().unwrap_or("no error code");
        let message = error.message().unwrap_or_default();
        let action = self.action;
        let reason = match kind(code) {
            Kind::Denied => format!("{code}: the IAM policy has to allow {action} ({message})"),
            Kind::Throttle | Kind::Other => format!("{code} to {action}: {message}"),
        };
        ProviderError::Refused {
            endpoint: self.endpoint.to_owned(),
            status,
            reason: line(&reason),
            // ECS throttles with 400 and names no time; that it did is what counts.
            retry_after: (kind(code) == Kind::Throttle).then_some(Duration::ZERO),
        }
    }

    pub(super) fn malformed(&self, reason: &dyn Display) -> ProviderError {
        ProviderError::Malformed {
            endpoint: self.endpoint.to_owned(),
            reason: line(&format_args!("{}: {reason}", self.action)),
        }
    }

    /// A field without which an answer is none. An empty list is there, too.
    pub(super) fn there<T>(&self, name: &str, field: Option<T>) -> Result<T, ProviderError> {
        field.ok_or_else(|| self.malformed(&format_args!("it lacks {name}")))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Throttle,
    Denied,
    Other,
}

fn kind(code: &str) -> Kind {
    match code {
        "ThrottlingException"
        | "Throttling"
        | "ThrottledException"
        | "KmsThrottled"
        | "OverLimit"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "SlowDown" => Kind::Throttle,
        "AccessDeniedException"
        | "AccessDenied"
        | "AuthorizationError"
        | "AuthorizationErrorException"
        | "UnauthorizedOperation" => Kind::Denied,
        _ => Kind::Other,
    }
}

/// The beginning of a text, on one line.
fn line(text: &dyn Display) -> String {
    let text = text.to_string();
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(MAX_REASON_CHARS).collect()
}
