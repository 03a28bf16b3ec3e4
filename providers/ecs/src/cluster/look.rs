//! A look at what events spoke of, between two reads of everything.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use mesh_discovery::{ProviderError, retry::Backoff};
use tokio::time::{Instant, sleep_until};

use super::{News, Reader, Turn, whole};
use crate::{
    client::Client,
    events::{Expected, Subject, Told, Waiting},
    known::{Known, service_name},
};

/// Shortest time between two looks. What comes in between is looked at together.
const APART: Duration = Duration::from_millis(250);

/// The same in a storm, where looks follow each other.
const APART_IN_A_STORM: Duration = Duration::from_secs(1);

/// Shortest time from one read of everything to one that events ask for, and from a look that failed to the next one.
const READS_APART: Duration = Duration::from_secs(5);

/// How often a task is looked at again that ECS still describes as it was before an event, or does not know, and how
/// often what could not be read.
const MAX_LOOKS: u8 = 3;

/// Most subjects whose last version is remembered.
const MAX_SEEN: usize = 10_000;

/// When to look, and what was looked at already.
pub(super) struct Looks {
    /// `None` where no events are heard.
    waiting: Option<Arc<Waiting>>,
    /// Not before.
    next: Instant,
    apart: Duration,
    /// End of the last read of everything.
    read: Option<Instant>,
    /// The version of each subject that needs no further look.
    seen: BTreeMap<Subject, u64>,
    /// Since looks fail.
    backoff: Backoff,
}

impl Looks {
    pub(super) fn new(waiting: Option<Arc<Waiting>>) -> Self {
        Self {
            waiting,
            next: Instant::now(),
            apart: APART,
            read: None,
            seen: BTreeMap::new(),
            backoff: Backoff::new(),
        }
    }

    /// Waits until there is something to look at, for ever where no events are heard.
    async fn some(&mut self) -> Told {
        let Some(waiting) = &self.waiting else {
            return std::future::pending().await;
        };
        waiting.some().await;
        let follows_closely = Instant::now() < self.next;
        sleep_until(self.next).await;
        self.apart = match follows_closely {
            true => (self.apart * 2).min(APART_IN_A_STORM),
            false => APART,
        };
        waiting.take()
    }

    /// A read of everything or a look has ended. After one that failed events wait: they come whether AWS answers or not.
    pub(super) fn finished(&mut self, is_look: bool, failed: Option<&ProviderError>) {
        let now = Instant::now();
        match failed {
            _ if !is_look => self.read = Some(now),
            Some(error) => self.next = now + self.backoff.wait_after(error).max(READS_APART),
            None => self.backoff.reset(),
        }
    }

    /// When everything may be read because events ask for it.
    pub(super) fn read_again(&self) -> Instant {
        let now = Instant::now();
        self.read.map_or(now, |read| now.max(read + READS_APART))
    }

    /// False for an event that tells what is known already, because it came twice or late.
    fn is_news(&self, known: &Known, subject: &Subject, version: u64) -> bool {
        let seen = self.seen.get(subject).copied().unwrap_or(0);
        version == 0 || version > seen.max(described(known, subject))
    }

    /// Notes what was looked at. A task that is not described yet as its event says is looked at once more; gives those
    /// that were looked at often enough.
    fn looked(
        &mut self,
        known: &Known,
        missing: &BTreeSet<String>,
        subjects: BTreeMap<Subject, Expected>,
    ) -> BTreeMap<Subject, Expected> {
        let mut lagging = BTreeMap::new();
        for (subject, expected) in subjects {
            let described = described(known, &subject);
            let is_missing = matches!(&subject, Subject::Task(arn) if missing.contains(arn));
            if is_missing || (described > 0 && described < expected.version) {
                lagging.insert(subject, expected);
                continue;
            }
            if self.seen.len() >= MAX_SEEN {
                // Events that come twice come soon.
                self.seen.clear();
            }
            self.seen.insert(subject, expected.version);
        }
        self.again(lagging)
    }

    /// Has `subjects` looked at once more; gives those that were looked at often enough. Their events are not noted:
    /// one that tells of a version that never comes hides no other.
    fn again(&self, subjects: BTreeMap<Subject, Expected>) -> BTreeMap<Subject, Expected> {
        let Some(waiting) = &self.waiting else {
            return subjects;
        };
        let is_enough = |_: &Subject, expected: &mut Expected| expected.looks >= MAX_LOOKS;
        let mut subjects = subjects;
        let enough = subjects.extract_if(.., is_enough).collect();
        for (subject, expected) in subjects {
            let looks = expected.looks + 1;
            waiting.tell(subject, Expected { looks, ..expected });
        }
        enough
    }
}

/// The version of a subject that is described; 0 where there is none.
fn described(known: &Known, subject: &Subject) -> u64 {
    match subject {
        Subject::Task(arn) => known.version(arn),
        Subject::Service(_) | Subject::Machine(_) => 0,
    }
}

impl<C: Client> Reader<'_, C> {
    /// Waits for what comes first: the next read of everything, or something to look at.
    pub(super) async fn wake(&mut self) -> Option<Told> {
        loop {
            // Before a first read there is nothing to look at more closely.
            let told = async {
                match self.scopes.is_empty() {
                    true => std::future::pending().await,
                    false => self.looks.some().await,
                }
            };
            let mut told = tokio::select! {
                biased;
                () = sleep_until(self.due) => return None,
                told = told => told,
            };
            if told.everything {
                self.due = self.due.min(self.looks.read_again());
            }
            let (looks, known) = (&self.looks, &self.known);
            told.subjects
                .retain(|subject, expected| looks.is_news(known, subject, expected.version));
            if !told.subjects.is_empty() {
                return Some(told);
            }
        }
    }

    /// Reads what events spoke of, and nothing else.
    pub(super) async fn look(&mut self, told: Told) -> Vec<News> {
        self.turn = Turn::new(true);
        let news = match self.read(&told.subjects).await {
            Ok((groups, missing)) => {
                let unsettled = self.looks.looked(&self.known, &missing, told.subjects);
                self.leave_to_a_read(&unsettled);
                self.lay_out(&groups)
            }
            Err(error) => {
                self.doubt(&told.subjects);
                self.looks.again(told.subjects);
                self.turn.failed = Some(error);
                Vec::new()
            }
        };
        self.looks.next = Instant::now() + self.looks.apart;
        news
    }

    /// What ECS does not show as events say, a read of everything settles, and soon.
    fn leave_to_a_read(&mut self, unsettled: &BTreeMap<Subject, Expected>) {
        let is_known =
            |subject: &Subject| matches!(subject, Subject::Task(arn) if self.known.task(arn).is_some());
        if unsettled.keys().any(is_known) {
            self.doubt(unsettled);
            self.due = self.due.min(self.looks.read_again());
        }
    }

    /// Reads `subjects`; gives the groups of tasks of which there may be news, and the tasks that ECS does not know.
    async fn read(
        &mut self,
        subjects: &BTreeMap<Subject, Expected>,
    ) -> Result<(BTreeSet<String>, BTreeSet<String>), ProviderError> {
        let (mut tasks, mut services, mut machines) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        for subject in subjects.keys() {
            match subject {
                Subject::Task(arn) if self.may_have(arn) => tasks.push(arn.clone()),
                // One without tasks has nothing to say.
                Subject::Service(name) if self.known.service(name).is_some() => {
                    services.extend([name.clone()]);
                }
                Subject::Machine(arn) => {
                    self.machines.doubt(arn);
                    machines.insert(arn.as_str());
                }
                Subject::Task(_) | Subject::Service(_) => {}
            }
        }
        let calls = &self.followed.calls;
        let is_meant = |arn: &String| tasks.binary_search(arn).is_ok();
        let mut groups = self.known.groups_of(|task| is_meant(&task.task_arn));
        self.known.look();
        let described = calls.describe_tasks(&self.cluster, &tasks).await?;
        let missing = described.missing.iter().cloned().collect();
        self.known.looked_at(described);
        services.extend(self.known.unknown_services(&tasks));
        let names: Vec<String> = services.iter().cloned().collect();
        let described = calls.describe_services(&self.cluster, &names).await?;
        let changed = self.known.services_described(described);
        let described = calls.describe_tasks(&self.cluster, &changed).await?;
        self.known.looked_at(described);
        self.known.settle();
        groups.extend(self.known.groups_of(|task| {
            let is_of = |name: &str| services.contains(name);
            is_meant(&task.task_arn)
                || service_name(&task.group).is_some_and(is_of)
                || machines.contains(task.container_instance_arn.as_str())
        }));
        Ok((groups, missing))
    }

    /// False for a task of another account or region, which has a cluster of this name, too.
    fn may_have(&self, arn: &str) -> bool {
        let home = |arn: &str| arn.split(':').take(5).map(str::to_owned).collect::<Vec<_>>();
        let mut known = self.known.tasks();
        known.next().is_none_or(|task| home(&task.task_arn) == home(arn))
    }

    /// What could not be read is read with the next lists.
    fn doubt(&mut self, subjects: &BTreeMap<Subject, Expected>) {
        for subject in subjects.keys() {
            match subject {
                Subject::Task(arn) => self.known.doubt_task(arn),
                Subject::Service(name) => self.known.doubt_service(name),
                Subject::Machine(arn) => self.machines.doubt(arn),
            }
        }
    }

    /// Has `groups` told of, and says which are new or gone.
    fn lay_out(&mut self, groups: &BTreeSet<String>) -> Vec<News> {
        let mut all = self.known.groups();
        let (mut news, mut is_new) = (Vec::new(), false);
        for group in groups {
            let scope = self.scope_of(group);
            match all.remove_entry(group) {
                Some(told) => {
                    is_new |= self.scopes.insert(scope);
                    self.groups.push_back(told);
                }
                None if self.scopes.remove(&scope) => {
                    is_new = true;
                    news.push(whole(scope, Vec::new()));
                }
                None => {}
            }
        }
        if is_new {
            news.push(News::Listed(self.scopes.clone()));
        }
        news
    }
}
