//! All clusters as one: readers start and stop as clusters come and go, and what they list is listed together.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use futures::{
    Stream, StreamExt,
    stream::{self, AbortHandle, Abortable, BoxStream, SelectAll},
};
use mesh_discovery::{Content, ProviderError, Report, Scope, retry::Backoff};

use crate::{
    Followed, Selection,
    client::Client,
    cluster::{News, news},
    events::{self, Queues},
};

/// The scope that lists all others.
pub(crate) const SCOPE: &str = "clusters";

/// What one of the streams says.
enum Word {
    /// These clusters there are.
    Clusters(Result<BTreeSet<String>, ProviderError>),
    /// One of them speaks.
    Of(String, Vec<News>),
    /// Events are heard, or are not.
    Events(Result<(), ProviderError>),
}

/// Follows all clusters.
pub(crate) struct Clusters<'a, C> {
    followed: &'a Followed<C>,
    streams: SelectAll<BoxStream<'a, Word>>,
    readers: BTreeMap<String, Reader>,
    ready: VecDeque<Report>,
    /// Something was heard of every cluster. Before, nothing is passed on: what was read of some would be taken for
    /// all there is.
    complete: bool,
    /// It is known whether events are heard. Nobody waits for that.
    listens: bool,
}

struct Reader {
    stop: AbortHandle,
    heard: bool,
    /// `None` until it was read.
    scopes: Option<BTreeSet<Scope>>,
}

impl<'a, C: Client + Queues> Clusters<'a, C> {
    pub(crate) fn new(followed: &'a Followed<C>) -> Self {
        let mut clusters = Self {
            followed,
            streams: SelectAll::new(),
            readers: BTreeMap::new(),
            ready: VecDeque::new(),
            complete: false,
            listens: false,
        };
        if let Some(events) = &followed.events {
            let client = followed.calls.client();
            let heard = events.heard(client).map(Word::Events);
            let kept = stream::once(events.keep(client)).map(|never| match never {});
            clusters.streams.push(heard.boxed());
            clusters.streams.push(kept.boxed());
        }
        match &followed.selection {
            Selection::Named(names) => clusters.follow(names),
            Selection::All => clusters.streams.push(all(followed).map(Word::Clusters).boxed()),
        }
        clusters
    }

    /// The next report of any cluster.
    pub(crate) async fn next(&mut self) -> Option<Report> {
        loop {
            let heard = |reader: &Reader| reader.heard;
            self.complete = self.complete || self.readers.values().all(heard);
            if self.complete
                && let Some(report) = self.ready.pop_front()
            {
                return Some(report);
            }
            match self.streams.next().await? {
                Word::Clusters(Ok(names)) => self.follow(&names),
                Word::Clusters(Err(error)) => self.ready.push_back(Report::Failed {
                    scope: Scope::new(SCOPE),
                    error,
                }),
                Word::Of(cluster, news) => self.hear(&cluster, news),
                Word::Events(heard) => self.listen(heard),
            }
        }
    }

    fn follow(&mut self, names: &BTreeSet<String>) {
        let before = self.readers.len();
        self.readers.retain(|name, reader| {
            let stays = names.contains(name);
            if !stays {
                reader.stop.abort();
            }
            stays
        });
        let lost = self.readers.len() < before;
        for name in names {
            if !self.readers.contains_key(name) {
                self.start(name);
            }
        }
        if lost {
            self.list();
        }
    }

    fn start(&mut self, name: &str) {
        let (stop, registration) = AbortHandle::new_pair();
        let cluster = name.to_owned();
        let words = news(self.followed, cluster.clone()).map(move |news| Word::Of(cluster.clone(), news));
        self.streams.push(Abortable::new(words, registration).boxed());
        let reader = Reader {
            stop,
            heard: false,
            scopes: None,
        };
        self.readers.insert(name.to_owned(), reader);
    }

    fn hear(&mut self, cluster: &str, news: Vec<News>) {
        for news in news {
            let Some(reader) = self.readers.get_mut(cluster) else {
                return;
            };
            reader.heard = true;
            match news {
                News::Listed(scopes) => {
                    reader.scopes = Some(scopes);
                    self.list();
                }
                News::Report(report) => self.ready.push_back(report),
            }
        }
    }

    fn listen(&mut self, heard: Result<(), ProviderError>) {
        if !self.listens {
            self.listens = true;
            self.list();
        }
        let scope = Scope::new(events::SCOPE);
        self.ready.push_back(match heard {
            Ok(()) => Report::Replace {
                scope,
                content: Content::Instances(Vec::new()),
            },
            Err(error) => Report::Failed { scope, error },
        });
    }

    /// The list of all scopes, once every cluster was read: one that was not may hold what an earlier run knew.
    fn list(&mut self) {
        let lists: Option<Vec<&BTreeSet<Scope>>> = self
            .readers
            .values()
            .map(|reader| reader.scopes.as_ref())
            .collect();
        if let Some(lists) = lists {
            let events = self.listens.then(|| Scope::new(events::SCOPE));
            let scopes = lists.into_iter().flatten().cloned().chain(events).collect();
            self.ready.push_back(Report::Replace {
                scope: Scope::new(SCOPE),
                content: Content::Scopes(scopes),
            });
        }
    }
}

/// Which clusters there are, again and again.
fn all<C: Client>(
    followed: &Followed<C>,
) -> impl Stream<Item = Result<BTreeSet<String>, ProviderError>> + Send + '_ {
    let start = (BTreeSet::new(), Backoff::new(), Duration::ZERO);
    stream::unfold(start, async move |(known, mut backoff, wait)| {
        tokio::time::sleep(wait).await;
        let read = read(followed, &known).await;
        let wait = match &read {
            Ok(_) => {
                backoff.reset();
                followed.pace.pause(0)
            }
            Err(error) => backoff.wait_after(error),
        };
        let known = read.as_ref().unwrap_or(&known).clone();
        Some((read, (known, backoff, wait)))
    })
}

/// The clusters; one that is no longer listed is gone when its description says so.
async fn read<C: Client>(
    followed: &Followed<C>,
    known: &BTreeSet<String>,
) -> Result<BTreeSet<String>, ProviderError> {
    let calls = &followed.calls;
    let mut listed = calls.list_clusters().await?;
    let lost: Vec<String> = known.difference(&listed).cloned().collect();
    for lost in lost {
        let cluster = calls.describe_cluster(&lost).await?;
        if cluster.is_some_and(|cluster| cluster.status == "ACTIVE") {
            listed.insert(lost);
        }
    }
    if listed.is_empty() && known.is_empty() {
        return Err(ProviderError::Unauthorized {
            endpoint: calls.endpoint(),
            reason: "it lists no cluster at all: are region and account the right ones?".to_owned(),
        });
    }
    Ok(listed)
}
