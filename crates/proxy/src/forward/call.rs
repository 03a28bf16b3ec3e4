//! A request on its way to servers.

use std::{
    borrow::Cow,
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, Uri, Version, header, request,
    uri::{self, Authority, PathAndQuery},
};
use mesh_config::model::{Scheme, ServerUrl, Timeouts};
use tokio::sync::oneshot;

use super::{ForwardError, Trail};
use crate::{
    entrypoint::Client,
    middleware::{Chain, Visit, meet},
    patience::limit,
    sanitize::{Handshake, Introduction, Sanitized, append_peer},
    service::{Asking, Server, ServerId, Terms},
    upstream::{AnswerError, ConnectError, Http1, Keep, Kept, Recall, RequestBody, RequestHead, Upload},
};

/// A request that may still be offered to several servers.
#[derive(Debug)]
pub(crate) struct Call {
    head: Box<request::Parts>,
    /// The head before middlewares of inner services changed it for one server.
    unchanged: Option<Box<request::Parts>>,
    host: Option<HeaderValue>,
    body: RequestBody,
    /// The body from its beginning, where it is kept.
    kept: Option<Rc<Kept>>,
    /// What the client asks to go on with.
    upgrade: Option<HeaderValue>,
    /// What the server in hand is asked to go on with.
    offered: Option<HeaderValue>,
    /// How it has to agree, where the client cannot judge that.
    handshake: Option<Rc<Handshake>>,
    /// A connection is being made for it.
    connects: bool,
    /// How often it was sent and not answered.
    lost: u8,
    /// How often it was sent for nothing: not answered, or with an answer that does not count.
    spoilt: u8,
    /// How often the service in hand sends it at most, and whether it does so whatever the method.
    attempts: u8,
    repeats_all: bool,
    /// When it was offered first.
    began: Option<Instant>,
    /// Limits of its route, and those that hold at the server in hand.
    route_limits: Timeouts,
    limits: Timeouts,
    /// The connection it came over.
    client: Rc<Client>,
    /// What servers learn about that, if it is not among the headers.
    introduction: Option<Introduction>,
}

/// What comes of the body of a call for those who get a copy.
#[derive(Debug)]
pub(super) enum CopiedBody {
    /// There is none for them.
    None,
    /// It is here.
    Kept(Rc<Kept>),
    /// It is here once all of it has passed.
    Coming(oneshot::Receiver<Rc<Kept>>),
}

/// What a call has while middlewares have its body.
#[derive(Debug)]
pub(super) struct Departed {
    kept: Option<Rc<Kept>>,
}

impl Call {
    /// The call that `head` and `body` ask for.
    pub(crate) fn new(
        mut head: Box<request::Parts>,
        body: RequestBody,
        sanitized: &Sanitized,
        client: Rc<Client>,
    ) -> Self {
        let (peer, settings) = (client.peer(), &client.settings().forwarded_headers);
        let headers = &mut head.headers;
        if !sanitized.is_silent {
            append_peer(headers, peer, settings);
        }
        for name in &sanitized.hop_by_hop {
            headers.remove(name);
        }
        if sanitized.trailers {
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
        }
        Self {
            host: headers.get(header::HOST).cloned(),
            upgrade: sanitized.upgrade.clone(),
            handshake: sanitized.handshake.clone(),
            introduction: sanitized.is_silent.then(|| peer.introduction(settings)),
            ..Self::plain(head, body, client)
        }
    }

    /// A call that Mesh makes itself on behalf of `client`, as it is.
    pub(super) fn own(head: Box<request::Parts>, body: RequestBody, client: Rc<Client>) -> Self {
        Self {
            host: head.headers.get(header::HOST).cloned(),
            ..Self::plain(head, body, client)
        }
    }

    /// A call of `client` that was never offered and asks for nothing special.
    fn plain(head: Box<request::Parts>, body: RequestBody, client: Rc<Client>) -> Self {
        Self {
            head,
            unchanged: None,
            host: None,
            body,
            kept: None,
            upgrade: None,
            offered: None,
            handshake: None,
            connects: false,
            lost: 0,
            spoilt: 0,
            attempts: 1,
            repeats_all: false,
            began: None,
            route_limits: Timeouts::default(),
            limits: Timeouts::default(),
            client,
            introduction: None,
        }
    }

    /// The connection it came over.
    pub(crate) fn client(&self) -> &Rc<Client> {
        &self.client
    }

    /// What a service may look at to choose a server for it that is none of `tried`.
    pub(super) fn asking<'a>(&'a self, tried: &'a [ServerId], is_spent: bool, now: Instant) -> Asking<'a> {
        Asking {
            head: self.unchanged.as_ref().unwrap_or(&self.head),
            client: self.client.peer().ip,
            tried,
            is_wary: false,
            is_spent,
            now,
        }
    }

    /// Asks `server` for what the client wants to go on with, if its service lets that pass. Else the request is one
    /// like any other.
    pub(super) fn offer_upgrade(&mut self, server: &Server) {
        let Some(asked) = &self.upgrade else { return };
        self.offered = server.upgrades.allowed(asked).cloned();
        let headers = &mut self.head.headers;
        match &self.offered {
            Some(name) => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
                headers.insert(header::UPGRADE, name.clone());
            }
            None => {
                headers.remove(header::CONNECTION);
                headers.remove(header::UPGRADE);
            }
        }
    }

    /// True for a request that makes no sense without its upgrade, when there is none.
    pub(super) fn lacks_upgrade(&self) -> bool {
        self.handshake.is_some() && self.offered.is_none()
    }

    /// How the server in hand has to agree, where the client cannot judge that.
    pub(super) fn handshake(&self) -> Option<&Handshake> {
        self.handshake.as_deref()
    }

    /// What the server in hand is asked to go on with.
    pub(super) fn offered(&self) -> Option<&HeaderValue> {
        self.offered.as_ref()
    }

    /// True when sending it once more than now does no harm and is possible.
    pub(super) fn is_repeatable(&self) -> bool {
        let has_turns = self.spoilt + 1 < self.attempts;
        let is_whole = self.body.is_empty() || self.kept.is_some();
        has_turns && self.may_be_repeated() && is_whole && self.offered.is_none()
    }

    fn may_be_repeated(&self) -> bool {
        self.repeats_all || self.head.method.is_idempotent()
    }

    /// When it was offered first, if it was.
    pub(crate) fn began(&self) -> Option<Instant> {
        self.began
    }

    /// It goes on for one that was offered first at `began`.
    pub(crate) fn go_on_since(&mut self, began: Option<Instant>) {
        self.began = began;
    }

    /// Its route sets these limits, beside those of whoever answers.
    pub(crate) fn limit(&mut self, limits: Timeouts) {
        self.route_limits = limits;
    }

    /// The limits that hold at the server in hand.
    pub(super) fn limits(&self) -> &Timeouts {
        &self.limits
    }

    /// How long `server` may take from the end of it to the head of an answer; 0 is without limit.
    pub(super) fn head_limit(&self, server: &Server) -> Duration {
        let limit = server.transport.forwarding_timeouts.response_header_timeout;
        Timeouts::shorter(limit, self.limits.response_header)
    }

    /// When it has to be answered, if that is limited.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.began?.checked_add(limit(self.limits.request)?)
    }

    /// It goes to a server on these terms. True when its body is to be read first, to be sent again.
    pub(super) fn accept(&mut self, terms: &Terms, now: Instant) -> bool {
        self.began.get_or_insert(now);
        self.attempts = terms.retry.attempts;
        self.repeats_all = terms.retry.non_idempotent;
        self.limits = terms.timeouts.and(self.route_limits);
        let is_there = self.body.is_empty() || self.kept.is_some();
        !is_there && terms.keeps_bodies() && self.may_be_repeated() && self.upgrade.is_none()
    }

    /// Reads its body if that is not too long and there is room for it; else it is sent once.
    ///
    /// # Errors
    /// When the client does not finish it.
    pub(super) async fn keep_to_repeat(&mut self, terms: &Terms) -> Result<(), ForwardError> {
        match self.keep_body(Some(terms.retry.max_body_bytes)).await {
            Ok(_) | Err(ForwardError::BodyTooLong) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// True when it was sent and not answered.
    pub(super) fn was_lost(&self) -> bool {
        self.lost > 0
    }

    /// It was sent, and there is no answer.
    pub(super) fn lose(&mut self) {
        self.lost += 1;
        self.spoil();
    }

    /// A connection is being made for it: nothing of it is sent yet.
    pub(super) fn begin_to_connect(&mut self) {
        self.connects = true;
    }

    /// There is a connection, or there will be none.
    pub(super) fn end_to_connect(&mut self) {
        self.connects = false;
    }

    /// `server` took longer than `limit`; it may be `repeatable`.
    pub(super) fn late(&mut self, server: &Server, limit: Duration, repeatable: bool) -> ForwardError {
        let server = server.authority.clone();
        let connects = std::mem::take(&mut self.connects);
        if self.deadline().is_some_and(|deadline| deadline <= Instant::now()) {
            return ForwardError::RequestTimeout(server);
        }
        if connects {
            let source = ConnectError::Timeout(limit);
            return ForwardError::ConnectTimeout { server, source };
        }
        self.lose();
        ForwardError::TryTimeout {
            server,
            again: repeatable,
        }
    }

    /// It was sent, and what came of it does not count.
    pub(super) fn spoil(&mut self) {
        self.spoilt += 1;
    }

    /// True if it was sent for nothing.
    pub(super) fn was_spoilt(&self) -> bool {
        self.spoilt > 0
    }

    /// True if no server answered it in vain: what it was sent to was gone, or took too long.
    pub(super) fn was_only_lost(&self) -> bool {
        self.spoilt == self.lost
    }

    /// Leads it through the middlewares in front of one server; what those in front of another one did to it is
    /// undone. Gives how many let it pass, and the answer of the one that did not.
    pub(super) fn meet(&mut self, chains: &[Chain]) -> (usize, Option<Response<Bytes>>) {
        match &self.unchanged {
            Some(unchanged) => self.head.clone_from(unchanged),
            None if chains.is_empty() => return (0, None),
            None => self.unchanged = Some(self.head.clone()),
        }
        let mut steps = chains.iter().flat_map(|chain| chain.iter());
        let met = meet(steps.clone(), &mut self.head, self.client.peer());
        if let (passed, Some(answer)) = &met
            && let Some(middleware) = steps.nth(*passed)
        {
            middleware.count_answer(&self.client, answer);
        }
        self.host = self.head.headers.get(header::HOST).cloned();
        met
    }

    /// Hands it over to middlewares that do more, in front of one server. What it was is kept in `self`.
    pub(super) fn depart<'v>(&mut self, trail: &'v mut Trail) -> (Visit<'v>, Departed) {
        let unchanged = self.unchanged.get_or_insert_with(|| self.head.clone());
        let kept = self.kept.take();
        let body = match &kept {
            Some(kept) => RequestBody::kept(kept.clone()),
            None => std::mem::take(&mut self.body),
        };
        let visit = Visit::new(unchanged.clone(), body, self.client.clone(), trail);
        (visit, Departed { kept })
    }

    /// Takes over what middlewares left of it, for the server behind them.
    pub(super) fn arrive(&mut self, visit: &mut Visit<'_>) {
        (self.head, self.body) = visit.take();
        self.host = self.head.headers.get(header::HOST).cloned();
    }

    /// Lets middlewares have it again.
    pub(super) fn leave(&mut self, visit: &mut Visit<'_>) {
        visit.head = self.head.clone();
        visit.body = std::mem::take(&mut self.body);
    }

    /// The middlewares are done with it.
    pub(super) fn come_back(&mut self, visit: Visit<'_>, departed: Departed) {
        self.body = visit.body;
        self.kept = departed.kept;
    }

    /// What is left of it once it was answered, or not.
    pub(crate) fn into_rest(self) -> (Box<request::Parts>, RequestBody) {
        let body = match self.kept {
            Some(kept) => RequestBody::kept(kept),
            None => self.body,
        };
        (self.unchanged.unwrap_or(self.head), body)
    }

    /// How far its body has come; `None` without one.
    pub(super) fn upload(&self) -> Option<Rc<Upload>> {
        self.body.upload()
    }

    /// True for a request that nobody else can have a copy of.
    pub(super) fn asks_for_upgrade(&self) -> bool {
        self.upgrade.is_some()
    }

    /// Reads its body to send it more than once. False when there is no room for that.
    ///
    /// # Errors
    /// When it is longer than `limit`, or does not come.
    pub(super) async fn keep_body(&mut self, limit: Option<u64>) -> Result<bool, ForwardError> {
        if let Some(kept) = &self.kept {
            let is_too_long = limit.is_some_and(|limit| kept.length() > limit);
            return if is_too_long {
                Err(ForwardError::BodyTooLong)
            } else {
                Ok(true)
            };
        }
        match self.body.keep(limit).await.map_err(ForwardError::Upload)? {
            Keep::Nothing => Ok(true),
            Keep::Whole(kept) => {
                self.kept = Some(kept);
                Ok(true)
            }
            Keep::NoRoom => Ok(false),
            Keep::TooLong => Err(ForwardError::BodyTooLong),
        }
    }

    /// A copy for others, without body, as it is before inner services change it; and what comes of the body, if they
    /// are to have one of up to `limit` bytes. `None` if that is not possible.
    pub(super) fn copy(&mut self, limit: Option<u64>) -> Option<(Self, CopiedBody)> {
        let body = match (limit, &self.kept) {
            (Some(limit), Some(kept)) if kept.length() > limit => return None,
            (Some(_), Some(kept)) => CopiedBody::Kept(kept.clone()),
            (Some(limit), None) if !self.body.is_empty() => CopiedBody::Coming(self.body.tee(limit)?),
            (_, _) => CopiedBody::None,
        };
        let head = self.unchanged.as_ref().unwrap_or(&self.head).clone();
        let copy = Self {
            host: self.host.clone(),
            introduction: self.introduction.clone(),
            ..Self::plain(head, RequestBody::default(), self.client.clone())
        };
        Some((copy, body))
    }

    /// A copy gets its body.
    pub(super) fn take_body(&mut self, kept: Option<Rc<Kept>>) {
        self.kept = kept;
        if self.kept.is_none()
            && let Some(length) = self.head.headers.get_mut(header::CONTENT_LENGTH)
        {
            *length = HeaderValue::from_static("0");
        }
    }

    /// Sends it to `server` over HTTP/1.1.
    pub(super) async fn exchange(
        &mut self,
        connection: &Http1,
        server: &Server,
    ) -> Result<Response<()>, AnswerError> {
        self.rewind();
        let target = target(&self.head.uri, server);
        let host = self.host.as_ref().filter(|_| server.pass_host_header);
        let head = RequestHead {
            method: &self.head.method,
            target: &target,
            host: host.map_or(server.authority.as_bytes(), HeaderValue::as_bytes),
            headers: &self.head.headers,
            introduction: self.introduction.as_ref(),
        };
        connection.exchange(head, &mut self.body).await
    }

    /// A body that is kept is at its beginning again.
    fn rewind(&mut self) {
        if let Some(kept) = &self.kept {
            self.body = RequestBody::kept(kept.clone());
        }
    }

    /// How its body can be had again if `server` refuses it unread.
    pub(super) fn recall(&mut self, server: &Server) -> Recall {
        self.rewind();
        let retry = &server.terms.retry;
        self.body.recall(if retry.attempts > 1 {
            retry.max_body_bytes
        } else {
            0
        })
    }

    /// Takes its body back; false if that cannot be.
    pub(super) fn take_back(&mut self, recall: Recall) -> bool {
        let body = recall.body();
        let is_back = body.is_some();
        self.body = body.unwrap_or_default();
        is_back
    }

    /// The request for `server` over HTTP/2.
    pub(super) fn request(&mut self, server: &Server) -> Request<RequestBody> {
        self.rewind();
        let mut request = Request::new(std::mem::take(&mut self.body));
        *request.method_mut() = self.head.method.clone();
        *request.headers_mut() = self.head.headers.clone();
        *request.uri_mut() = match target(&self.head.uri, server) {
            Cow::Borrowed(_) => self.head.uri.clone(),
            Cow::Owned(joined) => joined.parse().unwrap_or_else(|_| self.head.uri.clone()),
        };
        if (!server.pass_host_header || self.host.is_none())
            && let Ok(host) = HeaderValue::from_str(&server.authority)
        {
            request.headers_mut().insert(header::HOST, host);
        }
        name_authority(&mut request, &server.url);
        request
    }

    /// Takes back the body of a request that was never sent.
    pub(super) fn restore(&mut self, request: Request<RequestBody>) {
        self.body = request.into_body();
    }
}

/// The target of a request for `uri` as `server` wants it. It has a path, even where the client wrote none.
fn target<'a>(uri: &'a Uri, server: &Server) -> Cow<'a, str> {
    let target = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let prefix = match server.preserve_path {
        true => server.url.path.trim_end_matches('/'),
        false => "",
    };
    match (prefix, target.starts_with('?')) {
        ("", false) => Cow::Borrowed(target),
        (prefix, true) => Cow::Owned(format!("{prefix}/{target}")),
        (prefix, false) => Cow::Owned(format!("{prefix}{target}")),
    }
}

/// HTTP/2 names scheme and host in the target, and no Host beside it (RFC 9113 8.3.1).
pub(crate) fn name_authority<B>(request: &mut Request<B>, url: &ServerUrl) {
    let host = request.headers_mut().remove(header::HOST);
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(match url.scheme {
        Scheme::Https => uri::Scheme::HTTPS,
        Scheme::Http | Scheme::H2c => uri::Scheme::HTTP,
    });
    let named = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    parts.authority = named.or_else(|| url.authority().parse().ok());
    if parts.path_and_query.is_none() {
        parts.path_and_query = Some(PathAndQuery::from_static("/"));
    }
    // All three parts are there: this cannot fail, and an empty target would be refused by the codec.
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    *request.version_mut() = Version::HTTP_2;
}
