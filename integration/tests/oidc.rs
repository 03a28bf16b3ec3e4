//! Logins at a real OpenID provider.

#![expect(clippy::unwrap_used, reason = "a failing helper is a failing test")]

use std::{convert::Infallible, fs, net::SocketAddr, path::Path};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use mesh_integration::{Browser, Mesh, OpenId, until};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinSet};

/// A server that answers with the headers that Mesh sets, and whether it sees cookies.
async fn telling() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let answer = service_fn(async |request: Request<Incoming>| {
                let value = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
                let told = ["x-user", "x-email", "x-groups", "cookie"].map(|name| value(name).unwrap_or("-"));
                let has_token = value("authorization").is_some_and(|value| value.starts_with("Bearer "));
                let text = format!("{} {has_token}", told.join(" "));
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text))))
            });
            connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
    address
}

struct Stage {
    mesh: Mesh,
    provider: OpenId,
    directory: TempDir,
}

impl Stage {
    /// Mesh with two routers behind two middlewares for the same client: `/` for everybody, `/admin` for admins.
    async fn build() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mesh = Mesh::start(&format!(
            "  file: {{directory: '{}'}}\n",
            directory.path().display()
        ))
        .await;
        let web = format!("http://{}", mesh.address());
        let provider = OpenId::start(&format!("{web}/oauth2/callback"), &format!("{web}/bye")).await?;
        write(directory.path(), &provider, telling().await, "30s");
        let stage = Self {
            mesh,
            provider,
            directory,
        };
        until("the routes are there", async || {
            let (page, next) = Browser::default().step(&stage.url("/")).await;
            page.status == 302 && next.is_some()
        })
        .await;
        Some(stage)
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.mesh.address())
    }

    /// A browser in which `user` is logged in.
    async fn user(&self, user: &str) -> Browser {
        let mut browser = Browser::default();
        let form = browser.open(&self.url("/")).await;
        let page = self.provider.log_in(&mut browser, &form, user).await;
        assert_eq!(page.status, 200, "{page:?}");
        browser
    }
}

fn write(directory: &Path, provider: &OpenId, server: SocketAddr, refresh_before: &str) {
    let oidc = |more: &str| {
        format!(
            "{{oidc: {{issuer: '{}', clientId: {}, clientSecret: '{}', userInfo: true, postLogoutUrl: /bye, \
             backchannelLogoutPath: /oauth2/backchannel-logout, \
             session: {{secrets: [a secret of at least thirty-two bytes], secure: false, refreshBefore: \
             {refresh_before}}}, headers: {{X-User: sub, X-Email: email, X-Groups: groups}}, {more}}}}}",
            provider.issuer(),
            OpenId::CLIENT,
            OpenId::SECRET
        )
    };
    let text = format!(
        "http:\n  routers:\n    all: {{rule: 'PathPrefix(`/`)', service: told, middlewares: [login]}}\n    \
         admin: {{rule: 'PathPrefix(`/admin`)', service: told, middlewares: [admins]}}\n  services:\n    \
         told: {{loadBalancer: {{servers: [{{url: 'http://{server}'}}]}}}}\n  middlewares:\n    login: {}\n    admins: {}\n",
        oidc("forwardAccessToken: true"),
        oidc("claims: [{name: groups, values: [admins]}]"),
    );
    fs::write(directory.join("oidc.yml"), text).unwrap();
}

#[tokio::test]
async fn a_user_logs_in_with_a_form_of_the_provider_and_is_back_where_it_went() {
    let Some(stage) = Stage::build().await else { return };
    let mut browser = Browser::default();
    let form = browser.open(&stage.url("/orders?page=2")).await;
    assert!(
        form.url.as_str().starts_with(&stage.provider.issuer()),
        "{form:?}"
    );
    let page = stage.provider.log_in(&mut browser, &form, "ann").await;
    assert_eq!(page.url.as_str(), stage.url("/orders?page=2"));
    assert_eq!(page.text, "ann ann@example.com staff - true");
    assert_eq!(stage.provider.count("grant.success authorization_code").await, 1);
    let again = browser.open(&stage.url("/orders")).await;
    assert_eq!(again.text, page.text);
    assert_eq!(stage.provider.count("grant.success authorization_code").await, 1);
    assert!(!stage.mesh.log().contains(OpenId::SECRET), "{}", stage.mesh.log());
}

#[tokio::test]
async fn one_login_is_good_for_all_routers_and_each_asks_for_its_own_claims() {
    let Some(stage) = Stage::build().await else { return };
    let mut ann = stage.user("ann").await;
    assert_eq!(ann.open(&stage.url("/admin")).await.status, 403);
    let mut admin = stage.user("admin").await;
    let page = admin.open(&stage.url("/admin")).await;
    assert_eq!(
        (page.status.as_u16(), page.text.as_str()),
        (200, "admin admin@example.com staff,admins - false")
    );
    assert_eq!(stage.provider.count("grant.success authorization_code").await, 2);
}

#[tokio::test]
async fn sessions_are_refreshed_once_and_with_the_token_that_is_next() {
    let Some(stage) = Stage::build().await else { return };
    let browser = stage.user("ann").await;
    let first = browser.clone();
    // Tokens last a minute: from now on each request finds them due.
    let server = telling().await;
    write(stage.directory.path(), &stage.provider, server, "10m");
    let mut later = browser.clone();
    until("tokens are refreshed", async || {
        let page = later.open(&stage.url("/")).await;
        assert_eq!(page.status, 200, "{page:?}");
        stage.provider.count("grant.success refresh_token").await > 0
    })
    .await;
    let before = stage.provider.count("grant.success refresh_token").await;
    let mut asked = JoinSet::new();
    for _ in 0..20 {
        let (mut browser, url) = (later.clone(), stage.url("/"));
        asked.spawn(async move { browser.open(&url).await });
    }
    for page in asked.join_all().await {
        assert_eq!(page.text, "ann ann@example.com staff - true");
    }
    assert_eq!(
        stage.provider.count("grant.success refresh_token").await,
        before + 1
    );
    // The provider takes a second use of a token for theft; whoever is late does not use it.
    let page = first.clone().open(&stage.url("/")).await;
    assert_eq!(page.status, 200, "{page:?}");
    assert_eq!(stage.provider.count("grant.error refresh_token").await, 0);
    assert_eq!(stage.provider.count("grant.revoked refresh_token").await, 0);
}

#[tokio::test]
async fn logging_out_ends_the_session_here_and_at_the_provider() {
    let Some(stage) = Stage::build().await else { return };
    let mut browser = stage.user("ann").await;
    let question = browser.open(&stage.url("/oauth2/logout")).await;
    assert!(
        question.url.as_str().starts_with(&stage.provider.issuer()),
        "{question:?}"
    );
    assert!(
        browser.cookies(&stage.mesh.address().to_string()).is_empty(),
        "{browser:?}"
    );
    // The page after it is guarded as well: it leads to the provider, which wants to know who it is.
    let form = browser.send(&question, &[("logout", "yes")]).await;
    assert_eq!(stage.provider.count("end_session.success").await, 1);
    assert!(form.text.contains("name=\"login\""), "still logged in: {form:?}");
}

#[tokio::test]
async fn a_session_that_ends_at_the_provider_ends_here_and_others_go_on() {
    let Some(stage) = Stage::build().await else { return };
    let (mut ann, mut bob) = (stage.user("ann").await, stage.user("bob").await);
    // A copy that knows nothing of what its original does.
    let mut copy = ann.clone();
    assert_eq!(copy.open(&stage.url("/")).await.status, 200);
    let question = ann.open(&stage.url("/oauth2/logout")).await;
    ann.send(&question, &[("logout", "yes")]).await;
    until("the provider has told it", async || {
        stage.provider.count("backchannel.success").await == 1
    })
    .await;
    let (page, next) = copy.step(&stage.url("/")).await;
    assert!(
        page.status == 302 && next.is_some(),
        "the copy has to log in: {page:?}"
    );
    let page = bob.open(&stage.url("/")).await;
    assert!(page.status == 200 && page.text.starts_with("bob"), "{page:?}");
    let form = copy.open(&stage.url("/")).await;
    let page = stage.provider.log_in(&mut copy, &form, "ann").await;
    assert!(
        page.status == 200 && page.text.starts_with("ann"),
        "a new session counts: {page:?}"
    );
    let forged = reqwest::Client::new()
        .post(stage.url("/oauth2/backchannel-logout"))
        .body("logout_token=a.b.c")
        .send()
        .await
        .unwrap();
    assert_eq!(forged.status(), 400);
}

#[tokio::test]
async fn what_was_changed_on_the_way_is_refused() {
    let Some(stage) = Stage::build().await else { return };
    let mut browser = Browser::default();
    let (_, question) = browser.step(&stage.url("/")).await;
    let mut question = question.unwrap();
    let forged = question.as_str().replace("code_challenge=", "code_challenge=A");
    question.set_query(reqwest::Url::parse(&forged).unwrap().query());
    let form = browser.open(question.as_str()).await;
    let page = stage.provider.log_in(&mut browser, &form, "ann").await;
    assert_eq!(
        page.status, 403,
        "the code was asked for by somebody else: {page:?}"
    );

    let mut browser = Browser::default();
    let (_, question) = browser.step(&stage.url("/")).await;
    let forged = question.unwrap().as_str().replace("state=", "state=A");
    let form = browser.open(&forged).await;
    let page = stage.provider.log_in(&mut browser, &form, "ann").await;
    assert_eq!(page.status, 400, "the login was begun elsewhere: {page:?}");
    assert_eq!(stage.provider.count("grant.success authorization_code").await, 0);
}
