//! Whether Mesh lives, and whether it should be sent requests.

use http::{Request, StatusCode};

use crate::{
    answer::{self, Answer},
    providers,
    views::Views,
};

/// 200 to every method, until Mesh is stopping.
pub(crate) fn ping(views: &Views) -> Answer {
    if views.draining.has_begun() {
        return answer::text(views.ping.terminating_status_code.code(), "stopping\n");
    }
    answer::text(StatusCode::OK, "OK")
}

/// 200 when every required provider has synced and Mesh is not stopping, else 503; either way who is waited
/// for.
pub(crate) fn ready(views: &Views, request: &Request<()>) -> Answer {
    if let Err(refused) = answer::refuse_writing(request.method()) {
        return *refused;
    }
    let providers = (views.providers)();
    let draining = views.draining.has_begun();
    let status = if providers::all_synced(&providers) && !draining {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    answer::json(status, providers::readiness(&providers, draining))
}
