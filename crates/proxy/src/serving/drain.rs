//! How serving ends.

use std::time::Duration;

use tokio::net::TcpStream;

use super::{Client, Scripted, eventually, get, scripted::Act, start_for};
use crate::Drained;

#[tokio::test]
async fn a_request_under_way_is_finished_and_an_idle_connection_closed() {
    // The answer's body is as long as what the client sends, and the client sends it after the drain began.
    let server =
        Scripted::new(|_, request| Act::Write(super::ok(request.split("\r\n\r\n").nth(1).unwrap()))).await;
    let running = start_for(&[server.address], |_| {});
    let mut busy = Client::connect(&running).await;
    busy.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab")
        .await;
    eventually("the request is on its way", || server.connections() == 1).await;
    let mut idle = Client::connect(&running).await;
    idle.send(get("/")).await;
    idle.answer().await;
    let drain = tokio::spawn(running.drain());
    assert_eq!(idle.rest().await, "");
    busy.send("cde").await;
    let answer = busy.rest().await;
    assert!(
        answer.contains("connection: close") && answer.ends_with("abcde"),
        "{answer}"
    );
    assert_eq!(drain.await.unwrap(), Drained::Clean);
}

#[tokio::test]
async fn a_request_that_was_sent_before_the_drain_began_is_answered() {
    let server = Scripted::answering("hello").await;
    for _ in 0..20 {
        let running = start_for(&[server.address], |_| {});
        let mut client = Client::connect(&running).await;
        client.send(get("/")).await;
        assert_eq!(running.drain().await, Drained::Clean);
        assert!(client.rest().await.ends_with("hello"));
    }
}

#[tokio::test]
async fn what_outlives_the_grace_period_is_cut() {
    let server = Scripted::new(|_, _| Act::Nothing).await;
    let running = start_for(&[server.address], |web| {
        web.transport.life_cycle.grace_time_out = Duration::from_millis(50);
    });
    let mut client = Client::connect(&running).await;
    client.send(get("/")).await;
    eventually("the request arrives", || server.requests().len() == 1).await;
    assert_eq!(running.drain().await, Drained::Cut(1));
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn connections_are_accepted_while_readiness_fails_and_no_longer() {
    let server = Scripted::answering("hello").await;
    let running = start_for(&[server.address], |web| {
        web.transport.life_cycle.request_accept_grace_timeout = Duration::from_millis(300);
    });
    let address = running.addresses()["web"];
    let mut late = {
        let drain = tokio::spawn(running.drain());
        tokio::task::yield_now().await;
        let mut late = Client(TcpStream::connect(address).await.unwrap());
        late.send(get("/")).await;
        assert_eq!(late.answer().await.1, "hello");
        assert_eq!(drain.await.unwrap(), Drained::Clean);
        late
    };
    assert_eq!(late.rest().await, "");
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn the_same_port_can_be_served_again_at_once() {
    let server = Scripted::answering("hello").await;
    let running = start_for(&[server.address], |_| {});
    let address = running.addresses()["web"];
    let mut client = Client::connect(&running).await;
    client.send(get("/")).await;
    client.answer().await;
    running.drain().await;
    let again = start_for(&[server.address], |web| {
        web.address = address.to_string().parse().unwrap()
    });
    assert_eq!(again.addresses()["web"], address);
}

#[tokio::test]
async fn who_waits_for_room_when_the_drain_begins_is_served_as_soon_as_there_is_some() {
    let server = Scripted::answering("hello").await;
    let running = start_for(&[server.address], |web| web.max_connections = 1);
    let mut first = Client::connect(&running).await;
    first.send(get("/")).await;
    first.answer().await;
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let mut client = Client::connect(&running).await;
        client.send(get("/")).await;
        waiting.push(client);
    }
    assert_eq!(running.drain().await, Drained::Clean);
    for mut client in waiting {
        assert!(client.rest().await.ends_with("hello"));
    }
}
