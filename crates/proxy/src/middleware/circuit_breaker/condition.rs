//! What the expression of a breaker asks about.

use super::{
    super::expression::{Function, Kind, Literal},
    window::Figures,
};
use crate::middleware::expression::{Expression, Value};

/// A function of the expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Figure {
    /// The part of requests answered by 502 or 504.
    NetworkErrorRatio,
    /// Requests answered by `.0` up to, not with, `.1`, for each answered by `.2` up to `.3`.
    ResponseCodeRatio(u16, u16, u16, u16),
    /// Milliseconds within which this part of the requests, in per cent, was answered.
    LatencyAtQuantile(f64),
    /// Requests there were.
    RequestThreshold,
}

impl Function for Figure {
    fn new(name: &str, arguments: &[Literal]) -> Result<Self, String> {
        let code = |literal: &Literal| match literal {
            Literal::Integer(code) => u16::try_from(*code).ok().filter(|code| *code <= 1000),
            Literal::Float(_) | Literal::Text(_) => None,
        };
        match (name, arguments) {
            ("NetworkErrorRatio", []) => Ok(Self::NetworkErrorRatio),
            ("RequestThreshold", []) => Ok(Self::RequestThreshold),
            ("ResponseCodeRatio", [from, to, of, of_to]) => {
                match (code(from), code(to), code(of), code(of_to)) {
                    (Some(from), Some(to), Some(of), Some(of_to)) if from < to && of < of_to => {
                        Ok(Self::ResponseCodeRatio(from, to, of, of_to))
                    }
                    _ => Err("ResponseCodeRatio wants two ranges of statuses: write \
                              ResponseCodeRatio(500, 600, 0, 600)"
                        .to_owned()),
                }
            }
            ("LatencyAtQuantileMS", [Literal::Float(quantile)]) if (0.0..=100.0).contains(quantile) => {
                Ok(Self::LatencyAtQuantile(*quantile))
            }
            ("LatencyAtQuantileMS", _) => Err(
                "LatencyAtQuantileMS wants a number from 0.0 to 100.0 with a point: write \
                     LatencyAtQuantileMS(50.0)"
                    .to_owned(),
            ),
            ("NetworkErrorRatio" | "RequestThreshold", _) => {
                Err(format!("{name} takes nothing: write {name}()"))
            }
            ("ResponseCodeRatio", _) => Err(
                "ResponseCodeRatio wants four statuses: write ResponseCodeRatio(500, 600, 0, 600)".to_owned(),
            ),
            _ => Err(format!(
                "there is no function {name}; known: NetworkErrorRatio, ResponseCodeRatio, LatencyAtQuantileMS, \
                 RequestThreshold"
            )),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::NetworkErrorRatio | Self::ResponseCodeRatio(..) => Kind::Float,
            Self::LatencyAtQuantile(_) | Self::RequestThreshold => Kind::Integer,
        }
    }
}

/// True if `figures` meet the condition.
pub(super) fn holds(condition: &Expression<Figure>, figures: &Figures) -> bool {
    condition.holds(&|figure| match figure {
        Figure::NetworkErrorRatio => Value::Float(figures.network_error_ratio()),
        Figure::ResponseCodeRatio(from, to, of, of_to) => {
            Value::Float(figures.code_ratio(*from..*to, *of..*of_to))
        }
        Figure::LatencyAtQuantile(quantile) => Value::Integer(figures.latency(*quantile)),
        Figure::RequestThreshold => Value::Integer(i64::try_from(figures.requests()).unwrap_or(i64::MAX)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_functions_are_typed_and_errors_name_them() {
        for text in [
            "NetworkErrorRatio() > 0.30",
            "ResponseCodeRatio(500, 600, 0, 600) > 0.25 && RequestThreshold() > 10",
            "LatencyAtQuantileMS(50.0) > 100",
        ] {
            assert!(Expression::<Figure>::parse(text).is_ok(), "{text}");
        }
        for (text, reason) in [
            ("LatencyAtQuantileMS(50) > 100", "LatencyAtQuantileMS(50.0)"),
            ("LatencyAtQuantileMS(101.0) > 100", "0.0 to 100.0"),
            ("NetworkErrorRatio(1) > 0.1", "takes nothing"),
            ("NetworkErrorRatio() > 1", "with a point"),
            ("ResponseCodeRatio(500, 600) > 0.1", "four statuses"),
            ("ResponseCodeRatio(600, 500, 0, 600) > 0.1", "two ranges"),
            ("NetErrorRatio() > 0.1", "known: NetworkErrorRatio"),
        ] {
            let error = Expression::<Figure>::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
