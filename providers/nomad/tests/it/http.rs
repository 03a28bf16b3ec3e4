//! The real client on real sockets, and what it makes of broken answers.

use std::time::Duration;

use mesh_discovery::ProviderError;
use mesh_provider_nomad::{Client, EndpointSettings, HttpClient, Settings};
use mesh_remote::Index;
use mesh_testkit::{Fault, FaultProxy};

use crate::world::{Service, World};

const WAIT: Duration = Duration::from_secs(1);

async fn ask(fault: Fault) -> Result<usize, ProviderError> {
    let (upstream, _server) = World::new([Service::new("web", "a1", 8001)]).serve().await;
    let proxy = FaultProxy::start(upstream, fault).await.unwrap();
    let endpoint = EndpointSettings {
        address: Some(format!("http://{}", proxy.address())),
        ..EndpointSettings::default()
    };
    let client = HttpClient::new(
        &Settings {
            endpoint,
            ..Settings::default()
        },
        &|_| None,
    )
    .unwrap();
    client
        .service("default", "web", Index::START, WAIT)
        .await
        .map(|answer| answer.value.len())
}

#[tokio::test]
async fn an_answer_is_an_answer_late_or_not() {
    assert_eq!(ask(Fault::None).await, Ok(1));
    assert_eq!(ask(Fault::Slow(Duration::from_millis(300))).await, Ok(1));
}

#[tokio::test]
async fn refusals_keep_their_status_their_words_and_the_time_to_wait() {
    for (fault, status, words) in [
        (Fault::Forbidden, 403, "Permission denied"),
        (Fault::Throttled, 429, "too many"),
        (Fault::ServerError, 500, "No cluster leader"),
        (Fault::Missing, 404, "not found"),
    ] {
        let Err(ProviderError::Refused {
            status: found,
            reason,
            retry_after,
            ..
        }) = ask(fault).await
        else {
            panic!("{fault:?} was not taken for a refusal");
        };
        assert_eq!(found, status);
        assert!(reason.contains(words), "{reason}");
        assert_eq!(retry_after.is_some(), fault == Fault::Throttled);
    }
}

#[tokio::test]
async fn answers_that_are_cut_or_no_json_or_a_web_page_are_malformed() {
    for fault in [Fault::Truncated, Fault::MalformedJson, Fault::Html] {
        let error = ask(fault).await.unwrap_err();
        assert!(
            matches!(error, ProviderError::Malformed { .. }),
            "{fault:?}: {error}"
        );
    }
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let error = ask(Fault::Refused).await.unwrap_err();
    assert!(
        matches!(&error, ProviderError::Unreachable { reason, .. } if reason.contains("refused")),
        "{error}"
    );
}

fn with_token(token: &str) -> Settings {
    let endpoint = EndpointSettings {
        address: Some("http://127.0.0.1:1".to_owned()),
        token: Some(mesh_config::Secret::new(token)),
        ..EndpointSettings::default()
    };
    Settings {
        endpoint,
        ..Settings::default()
    }
}

#[tokio::test]
async fn no_error_shows_the_token() {
    let client = HttpClient::new(&with_token("hunter2"), &|_| None).unwrap();
    let error = client.services("default", Index::START, WAIT).await.unwrap_err();
    assert!(!format!("{error} {error:?} {client:?}").contains("hunter2"));

    let error = HttpClient::new(&with_token("hunter2\n\u{1}"), &|_| None).unwrap_err();
    assert!(error.to_string().contains("token"), "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}
