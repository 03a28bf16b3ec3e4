//! The real client on real sockets, and what it makes of broken answers.

use std::{net::SocketAddr, time::Duration};

use mesh_discovery::ProviderError;
use mesh_provider_consul::{Client, EndpointSettings, HttpClient, Settings};
use mesh_remote::Index;
use mesh_testkit::{Fault, FaultProxy, client};

use crate::world::{Registration, World};

const WAIT: Duration = Duration::from_secs(1);

async fn ask(fault: Fault) -> Result<usize, ProviderError> {
    let (upstream, _server) = World::new([Registration::new("web", "web-1", 8001)])
        .serve()
        .await;
    let proxy = FaultProxy::start(upstream, fault).await.unwrap();
    ask_at(proxy.address()).await
}

async fn ask_at(address: SocketAddr) -> Result<usize, ProviderError> {
    let endpoint = EndpointSettings {
        address: Some(address.to_string()),
        ..EndpointSettings::default()
    };
    let http = HttpClient::new(
        &Settings {
            endpoint,
            ..Settings::default()
        },
        None,
        &|_| None,
    )
    .unwrap();
    http.health("web", Index::START, WAIT)
        .await
        .map(|answer| answer.value.len())
}

#[tokio::test]
async fn an_answer_is_an_answer_late_or_not() {
    client::late_answers(ask).await;
}

#[tokio::test]
async fn refusals_keep_their_status_their_words_and_the_time_to_wait() {
    client::refusals(ask).await;
}

#[tokio::test]
async fn answers_that_are_cut_or_no_json_or_a_web_page_are_malformed() {
    client::broken_answers(ask).await;
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    client::nobody_there(ask).await;
}

#[tokio::test]
async fn one_who_hangs_up_may_have_too_many_connections() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let hang_up = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut request).await;
        }
    });
    let error = ask_at(address).await.unwrap_err().to_string();
    assert!(
        error.contains("takes no more connections from this address"),
        "{error}"
    );
    hang_up.abort();
}

fn with_token(token: &str) -> Settings {
    let endpoint = EndpointSettings {
        address: Some("127.0.0.1:1".to_owned()),
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
    let http = HttpClient::new(&with_token("hunter2"), None, &|_| None).unwrap();
    let error = http.services(Index::START, WAIT).await.unwrap_err();
    assert!(!format!("{error} {error:?} {http:?}").contains("hunter2"));

    let error = HttpClient::new(&with_token("hunter2\n\u{1}"), None, &|_| None).unwrap_err();
    assert!(error.to_string().contains("token"), "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}
