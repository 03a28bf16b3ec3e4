//! The services `…@internal` that answer with views.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use mesh_proxy::{InternalService, InternalServices};
use tokio::sync::Semaphore;

use crate::{
    answer::{self, Answer},
    api, ping, scrape,
    views::Views,
};

/// Answers in the making at a time; further requests wait their turn.
const MOST_AT_ONCE: usize = 4;

/// Makes an answer; may take its time.
type Render = fn(&Views, &Request<()>) -> Answer;

/// The services inside Mesh, by the name before `@internal`: `api`, `ping`, `ready`, `prometheus`, and `noop`,
/// for routers whose middlewares answer every request.
pub fn services(views: Views) -> InternalServices {
    let views = Arc::new(views);
    let turns = Arc::new(Semaphore::new(MOST_AT_ONCE));
    let view = |name: &'static str, render: Render| {
        let (views, turns) = (views.clone(), turns.clone());
        let service: Arc<dyn InternalService> = Arc::new(View {
            name,
            views,
            turns,
            render,
        });
        (name.to_owned(), service)
    };
    let (_, ready) = view("ready", ping::ready);
    let ping: Arc<dyn InternalService> = Arc::new(Ping {
        views: views.clone(),
        ready,
    });
    let noop: Arc<dyn InternalService> = Arc::new(Noop);
    InternalServices::from([
        view("api", api::answer),
        view("prometheus", scrape::answer),
        view("ready", ping::ready),
        ("ping".to_owned(), ping),
        ("noop".to_owned(), noop),
    ])
}

/// Renders on the control plane.
struct View {
    name: &'static str,
    views: Arc<Views>,
    turns: Arc<Semaphore>,
    render: Render,
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("View").field(&self.name).finish()
    }
}

impl InternalService for View {
    fn call(&self, request: Request<()>) -> BoxFuture<'static, Response<Bytes>> {
        let (views, turns, render) = (self.views.clone(), self.turns.clone(), self.render);
        Box::pin(async move {
            let turn = turns.acquire_owned().await;
            let control = views.control.clone();
            // The turn ends with the work, even when its requester has left before.
            let work = control.spawn_blocking(move || {
                let _turn = turn;
                render(&views, &request)
            });
            let failed = |_| answer::text(StatusCode::INTERNAL_SERVER_ERROR, "this view failed\n");
            work.await.unwrap_or_else(failed)
        })
    }
}

/// Answers where it is asked: life must show even while views keep the control plane busy.
#[derive(Debug)]
struct Ping {
    views: Arc<Views>,
    ready: Arc<dyn InternalService>,
}

impl InternalService for Ping {
    fn call(&self, request: Request<()>) -> BoxFuture<'static, Response<Bytes>> {
        if request.uri().path().trim_end_matches('/').ends_with("/ready") {
            return self.ready.call(request);
        }
        Box::pin(std::future::ready(ping::ping(&self.views)))
    }
}

/// Answers 418, for routers whose middlewares leave nothing to answer.
#[derive(Debug)]
pub struct Noop;

impl InternalService for Noop {
    fn call(&self, _: Request<()>) -> BoxFuture<'static, Response<Bytes>> {
        Box::pin(std::future::ready(answer::text(StatusCode::IM_A_TEAPOT, "")))
    }
}
