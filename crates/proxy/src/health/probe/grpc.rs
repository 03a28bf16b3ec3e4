//! A call of `grpc.health.v1.Health/Check`.
//!
//! Both messages of it have one field; what they need of gRPC and protobuf is written out here.

use std::fmt::Write as _;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use mesh_config::model::{HealthCheck, Scheme, ServerUrl};

use super::{ask, connect, put_headers};
use crate::upstream::Transport;

/// Bytes of an answer that are read.
const MAX_ANSWER: usize = 16 * 1024;

/// Flag and length in front of a message.
const FRAME_HEAD: usize = 5;

/// The serving status that counts as healthy.
const SERVING: u64 = 1;

/// Asks the server at `target` whether it serves what `check` names.
pub(super) async fn probe(
    mut target: ServerUrl,
    transport: &Transport,
    check: &HealthCheck,
) -> Result<(), String> {
    // gRPC in the clear is HTTP/2 from the start, whatever else the server speaks.
    if target.scheme == Scheme::Http {
        target.scheme = Scheme::H2c;
    }
    let request = request(&target, check)?;
    let connection = connect(&target, transport).await?;
    if !connection.1 {
        return Err("it does not speak HTTP/2".to_owned());
    }
    ask(&target, connection, request, verdict).await
}

fn request(target: &ServerUrl, check: &HealthCheck) -> Result<Request<Full<Bytes>>, String> {
    let mut request = Request::new(Full::new(message(&check.service)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_static("/grpc.health.v1.Health/Check");
    let headers = request.headers_mut();
    put_headers(headers, target, check)?;
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    Ok(request)
}

/// A framed `HealthCheckRequest`. Its only field is a string, and left out where it is empty.
fn message(service: &str) -> Bytes {
    let mut field = BytesMut::new();
    if !service.is_empty() {
        field.put_u8(1 << 3 | 2);
        let mut length = service.len();
        while length >= 0x80 {
            field.put_u8((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        field.put_u8(length as u8);
        field.put_slice(service.as_bytes());
    }
    let mut message = BytesMut::with_capacity(FRAME_HEAD + field.len());
    message.put_u8(0);
    message.put_u32(u32::try_from(field.len()).unwrap_or(u32::MAX));
    message.unsplit(field);
    message.freeze()
}

async fn verdict(response: Response<Incoming>) -> Result<(), String> {
    let (head, body) = response.into_parts();
    if head.status != StatusCode::OK {
        return Err(format!("it answered {}", head.status));
    }
    let whole = Limited::new(body, MAX_ANSWER).collect().await;
    let whole = whole.map_err(|error| format!("no usable answer: {error}"))?;
    let trailers = whole.trailers().cloned();
    // Without a message the head has what trailers have else.
    outcome(&trailers.unwrap_or(head.headers))?;
    match serving_status(whole.to_bytes()) {
        Some(SERVING) => Ok(()),
        Some(status) => Err(format!("it says {}", name_of(status))),
        None => Err("its answer is no HealthCheckResponse".to_owned()),
    }
}

/// The outcome of a call, from its trailers.
fn outcome(trailers: &HeaderMap) -> Result<(), String> {
    let code = trailers
        .get("grpc-status")
        .ok_or("its answer has no grpc-status")?;
    let code = code.to_str().unwrap_or("that is none");
    let meaning = match code {
        "0" => return Ok(()),
        "5" => ", it does not know healthCheck.service",
        "12" => ", it has no grpc.health.v1.Health",
        _ => "",
    };
    let mut said = format!("it answered grpc-status {code}{meaning}");
    if let Some(message) = trailers.get("grpc-message") {
        let _ = write!(said, ": {}", String::from_utf8_lossy(message.as_bytes()));
    }
    Err(said)
}

fn name_of(status: u64) -> String {
    match status {
        0 => "UNKNOWN".to_owned(),
        2 => "NOT_SERVING".to_owned(),
        3 => "SERVICE_UNKNOWN".to_owned(),
        other => format!("status {other}"),
    }
}

/// The status in a framed `HealthCheckResponse`: its first field, 0 where that is left out.
fn serving_status(mut answer: Bytes) -> Option<u64> {
    let compressed = answer.try_get_u8().ok()?;
    let length = usize::try_from(answer.try_get_u32().ok()?).ok()?;
    if compressed != 0 || length != answer.len() {
        return None;
    }
    let mut status = 0;
    while answer.has_remaining() {
        let key = varint(&mut answer)?;
        let skipped = match key & 7 {
            0 => {
                let value = varint(&mut answer)?;
                if key >> 3 == 1 {
                    status = value;
                }
                0
            }
            1 => 8,
            2 => usize::try_from(varint(&mut answer)?).ok()?,
            5 => 4,
            _ => return None,
        };
        if skipped > answer.len() {
            return None;
        }
        answer.advance(skipped);
    }
    Some(status)
}

fn varint(bytes: &mut Bytes) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = bytes.try_get_u8().ok()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(message: &[u8]) -> Bytes {
        let mut frame = vec![0, 0, 0, 0, u8::try_from(message.len()).unwrap()];
        frame.extend_from_slice(message);
        frame.into()
    }

    #[test]
    fn a_request_has_its_service_and_nothing_else() {
        assert_eq!(message("").as_ref(), [0; 5]);
        assert_eq!(message("shop").as_ref(), b"\0\0\0\0\x06\x0a\x04shop");
        let long = message(&"s".repeat(200));
        assert_eq!(long.get(..8).unwrap(), b"\0\0\0\0\xcb\x0a\xc8\x01");
        assert_eq!(long.len(), 208);
    }

    #[test]
    fn the_status_is_the_first_field_whatever_stands_beside_it() {
        assert_eq!(serving_status(framed(&[])), Some(0));
        assert_eq!(serving_status(framed(&[0x08, 1])), Some(SERVING));
        assert_eq!(serving_status(framed(&[0x12, 2, 8, 2, 0x08, 1])), Some(SERVING));
        assert_eq!(serving_status(framed(&[0x08])), None);
        assert_eq!(serving_status(framed(&[0x12, 9, 1])), None);
    }

    proptest! {
        #[test]
        fn no_answer_makes_the_reader_panic(answer in prop::collection::vec(any::<u8>(), 0..40)) {
            serving_status(answer.clone().into());
            serving_status(framed(&answer));
        }
    }
}
