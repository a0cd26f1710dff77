//! One kind of object, watched: a cache of what the cluster holds, kept up by a task of its own.
//!
//! Guarantees: a kind that is not installed, or whose watch fails, holds up no other kind. An object that does not parse is as good as
//! absent, and stops nobody. Deletes that were missed while the watch was broken are noticed at the next list.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use kube::api::Api;
use kube::core::{ApiResource, DynamicResourceScope};
use kube::runtime::watcher;
use kube::{Client, Resource, ResourceExt};
use testbench_core::error::with_causes;
use testbench_core::resolve::{Lookup, ObjectRef};
use tokio::sync::watch;

use crate::kinds::Kind;

/// The longest pause between two attempts to watch; a kind that is installed meanwhile is noticed after at most that.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Whether the cache speaks for the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// Not yet: nothing may be concluded from an absence.
    Pending,
    /// It holds what there is.
    Listed,
    /// The cluster does not know the kind.
    KindMissing,
}

/// Something that is different now.
#[derive(Debug)]
pub enum Change<T> {
    /// An object came, changed, or went.
    Object {
        /// Which one.
        object: ObjectRef,
        /// What the cache held before.
        before: Option<Arc<T>>,
        /// What it holds now.
        after: Option<Arc<T>>,
    },
    /// The kind was listed for the first time, or again after it had been missing, or went missing.
    Kind,
}

/// Where to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Namespaces {
    /// The whole cluster.
    All,
    /// These only.
    Named(Vec<String>),
}

type Objects<T> = HashMap<ObjectRef, Entry<T>>;

#[derive(Debug)]
struct Entry<T> {
    /// `metadata.resourceVersion`: our own writes are known before the watch brings them, and then it first brings older states.
    version: Option<u64>,
    value: Arc<T>,
}

impl<T> Clone for Entry<T> {
    fn clone(&self) -> Self {
        Self {
            version: self.version,
            value: self.value.clone(),
        }
    }
}

/// The API server counts versions up, across all objects of a kind.
fn version_of(resource_version: Option<&str>) -> Option<u64> {
    resource_version?.parse().ok()
}

/// Whether `version` is of a state before the one that is cached. Where one of them is no number, nobody can tell.
fn is_outdated<T>(version: Option<u64>, cached: Option<&Entry<T>>) -> bool {
    match (version, cached.and_then(|entry| entry.version)) {
        (Some(version), Some(cached)) => version < cached,
        _ => false,
    }
}

/// The cache of one kind.
#[derive(Debug)]
pub struct Watched<T> {
    kind: Kind,
    scopes: Vec<Scope<T>>,
}

/// The part of it that one watch keeps up.
#[derive(Debug)]
struct Scope<T> {
    namespace: Option<String>,
    objects: RwLock<Objects<T>>,
    listing: watch::Sender<Listing>,
}

impl<T: PartialEq + Debug + Send + Sync + 'static> Watched<T> {
    /// An empty cache, before its first list.
    #[must_use]
    pub fn new(kind: Kind, namespaces: &Namespaces) -> Self {
        let scope = |namespace| Scope {
            namespace,
            objects: RwLock::default(),
            listing: watch::Sender::new(Listing::Pending),
        };
        let scopes = match namespaces {
            Namespaces::All => vec![scope(None)],
            Namespaces::Named(names) => names.iter().cloned().map(Some).map(scope).collect(),
        };
        Self { kind, scopes }
    }

    /// The kind that this is a cache of.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Looks an object up. What lies outside the watched namespaces nobody can tell.
    pub fn get(&self, object: &ObjectRef) -> Lookup<T> {
        let Some(scope) = self.scope_of(&object.namespace) else {
            return Lookup::KindMissing;
        };
        if *scope.listing.borrow() == Listing::KindMissing {
            return Lookup::KindMissing;
        }
        scope
            .read()
            .get(object)
            .map_or(Lookup::Absent, |found| Lookup::Found(found.value.clone()))
    }

    /// Everything that is there.
    pub fn all(&self) -> Vec<(ObjectRef, Arc<T>)> {
        self.select(|_| true)
    }

    /// Everything for which `is_wanted` holds.
    pub fn select(&self, is_wanted: impl Fn(&T) -> bool) -> Vec<(ObjectRef, Arc<T>)> {
        let mut selected = Vec::new();
        for scope in &self.scopes {
            let objects = scope.read();
            let wanted = objects.iter().filter(|(_, entry)| is_wanted(&entry.value));
            selected.extend(wanted.map(|(object, entry)| (object.clone(), entry.value.clone())));
        }
        selected
    }

    /// Whether the cache speaks for the cluster: as its least certain part.
    pub fn listing(&self) -> Listing {
        let listings = || self.scopes.iter().map(|scope| *scope.listing.borrow());
        [Listing::Pending, Listing::KindMissing]
            .into_iter()
            .find(|uncertain| listings().any(|listing| listing == *uncertain))
            .unwrap_or(Listing::Listed)
    }

    /// Waits until every part was listed, or is known to be missing.
    pub async fn settled(&self) {
        for scope in &self.scopes {
            // Fails where the sender is gone, and it is here.
            let _ = scope
                .listing
                .subscribe()
                .wait_for(|listing| *listing != Listing::Pending)
                .await;
        }
    }

    /// Puts in what a write of our own has just answered, with the version that it got, so that nothing is concluded from an older state
    /// until the watch brings it.
    pub fn put(&self, object: ObjectRef, resource_version: Option<&str>, value: T) {
        let Some(scope) = self.scope_of(&object.namespace) else {
            return;
        };
        let version = version_of(resource_version);
        let mut objects = scope.write();
        if !is_outdated(version, objects.get(&object)) {
            let value = Arc::new(value);
            objects.insert(object, Entry { version, value });
        }
    }

    /// As [`Watched::put`], for a write that answers with a part only: `amended` gets what is cached, and says what it is now.
    pub fn amend(
        &self,
        object: &ObjectRef,
        resource_version: Option<&str>,
        amended: impl FnOnce(&T) -> Option<T>,
    ) {
        let Some(scope) = self.scope_of(&object.namespace) else {
            return;
        };
        let version = version_of(resource_version);
        let mut objects = scope.write();
        let Some(entry) = objects.get_mut(object) else {
            return;
        };
        if !is_outdated(version, Some(entry))
            && let Some(value) = amended(&entry.value)
        {
            let value = Arc::new(value);
            *entry = Entry { version, value };
        }
    }

    /// Takes out what a delete of our own has just removed.
    pub fn take_out(&self, object: &ObjectRef) {
        if let Some(scope) = self.scope_of(&object.namespace) {
            scope.write().remove(object);
        }
    }

    fn scope_of(&self, namespace: &str) -> Option<&Scope<T>> {
        self.scopes.iter().find(|scope| {
            scope
                .namespace
                .as_deref()
                .is_none_or(|watched| watched == namespace)
        })
    }

    /// Keeps the cache up for as long as it is polled. `open` starts a watch, in one namespace or in all; `read` makes what is cached
    /// of an object, and says why it cannot; `changed` hears of every difference.
    pub async fn follow<K: ResourceExt + Send + 'static>(
        &self,
        open: impl Fn(Option<&str>) -> BoxStream<'static, watcher::Result<watcher::Event<K>>>,
        read: impl Fn(K) -> Result<T, String>,
        changed: impl Fn(Change<T>),
    ) {
        let followed = self.scopes.iter().map(|scope| {
            follow(
                self.kind,
                scope,
                || open(scope.namespace.as_deref()),
                &read,
                &changed,
            )
        });
        futures::future::join_all(followed).await;
    }
}

impl<T> Scope<T> {
    // A panic while one of these was locked leaves the map whole: every change is one insertion or removal.
    fn read(&self) -> std::sync::RwLockReadGuard<'_, Objects<T>> {
        self.objects.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Objects<T>> {
        self.objects.write().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn follow<T: PartialEq, K: ResourceExt>(
    kind: Kind,
    scope: &Scope<T>,
    open: impl Fn() -> BoxStream<'static, watcher::Result<watcher::Event<K>>>,
    read: &impl Fn(K) -> Result<T, String>,
    changed: &impl Fn(Change<T>),
) {
    let mut pause = FIRST_PAUSE;
    let mut told = false;
    loop {
        let mut events = open();
        // What a list has brought so far; it counts once the list is complete.
        let mut listed = Objects::default();
        while let Some(event) = events.next().await {
            let error = match event {
                Ok(event) => {
                    // Each attempt begins with an `Init`, also one that fails next.
                    if !matches!(event, watcher::Event::Init | watcher::Event::InitApply(_)) {
                        (pause, told) = (FIRST_PAUSE, false);
                    }
                    take(kind, scope, event, &mut listed, read, changed);
                    continue;
                }
                Err(error) => error,
            };
            let missing = is_kind_missing(&error);
            if missing {
                forget(scope, changed);
            } else if !told {
                // Once, not at every attempt.
                told = true;
                tracing::warn!(kind = kind.kind, error = %with_causes(&error), "failed to watch; it is tried again and again");
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            if missing {
                break;
            }
        }
    }
}

fn take<T: PartialEq, K: ResourceExt>(
    kind: Kind,
    scope: &Scope<T>,
    event: watcher::Event<K>,
    listed: &mut Objects<T>,
    read: &impl Fn(K) -> Result<T, String>,
    changed: &impl Fn(Change<T>),
) {
    let parse = |object: &ObjectRef, found: K| match read(found) {
        Ok(value) => Some(Arc::new(value)),
        Err(why) => {
            tracing::warn!(kind = kind.kind, %object, why, "failed to read an object; it counts as absent");
            None
        }
    };
    match event {
        watcher::Event::Init => listed.clear(),
        watcher::Event::InitApply(found) => {
            let (object, version) = identity(&found);
            if let Some(value) = parse(&object, found) {
                listed.insert(object, Entry { version, value });
            }
        }
        watcher::Event::InitDone => {
            replace(scope, std::mem::take(listed), changed);
        }
        watcher::Event::Apply(found) => {
            let (object, version) = identity(&found);
            let value = parse(&object, found);
            update(scope, object, version, value, changed);
        }
        watcher::Event::Delete(found) => {
            let (object, version) = identity(&found);
            update(scope, object, version, None, changed);
        }
    }
}

fn update<T: PartialEq>(
    scope: &Scope<T>,
    object: ObjectRef,
    version: Option<u64>,
    after: Option<Arc<T>>,
    changed: &impl Fn(Change<T>),
) {
    let before = {
        let mut objects = scope.write();
        if is_outdated(version, objects.get(&object)) {
            return;
        }
        match after.clone() {
            Some(value) => objects.insert(object.clone(), Entry { version, value }),
            None => objects.remove(&object),
        }
    };
    let before = before.map(|entry| entry.value);
    if before != after {
        changed(Change::Object {
            object,
            before,
            after,
        });
    }
}

/// Takes a complete list, and tells what it says that was not known: also of objects that went while nobody watched.
fn replace<T: PartialEq>(scope: &Scope<T>, mut listed: Objects<T>, changed: &impl Fn(Change<T>)) {
    for (object, entry) in scope.read().iter() {
        // A list may have been taken before our own write.
        if let Some(listed) = listed.get_mut(object)
            && is_outdated(listed.version, Some(entry))
        {
            *listed = entry.clone();
        }
    }
    let before = std::mem::replace(&mut *scope.write(), listed.clone());
    let was = scope.listing.send_replace(Listing::Listed);
    if was != Listing::Listed {
        changed(Change::Kind);
    }
    let gone = before
        .keys()
        .filter(|object| !listed.contains_key(*object))
        .cloned();
    let objects = listed.keys().cloned().chain(gone).collect::<Vec<_>>();
    let value = |objects: &Objects<T>, object: &ObjectRef| {
        objects.get(object).map(|entry| entry.value.clone())
    };
    for object in objects {
        let (before, after) = (value(&before, &object), value(&listed, &object));
        if before != after {
            changed(Change::Object {
                object,
                before,
                after,
            });
        }
    }
}

fn forget<T>(scope: &Scope<T>, changed: &impl Fn(Change<T>)) {
    scope.write().clear();
    if scope.listing.send_replace(Listing::KindMissing) != Listing::KindMissing {
        changed(Change::Kind);
    }
}

fn identity(object: &impl ResourceExt) -> (ObjectRef, Option<u64>) {
    let version = version_of(object.resource_version().as_deref());
    let object = ObjectRef {
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
    };
    (object, version)
}

/// The objects of a kind, in one namespace or in all.
pub(crate) fn api<K>(client: &Client, kind: Kind, namespace: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = ApiResource, Scope = DynamicResourceScope>,
{
    let resource = kind.api_resource();
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

/// The API server answers 404 for a kind that it does not know; a list of a known kind is never 404.
fn is_kind_missing(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => status.code == 404,
        watcher::Error::WatchError(status) => status.code == 404,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::stream;
    use kube::api::DynamicObject;
    use kube::runtime::watcher::Event;

    use super::*;
    use crate::kinds::AGENT;

    type Events = Vec<watcher::Result<Event<DynamicObject>>>;

    fn agent(name: &str, url: &str) -> DynamicObject {
        let mut agent = DynamicObject::new(name, &AGENT.api_resource()).within("ns");
        agent.data = serde_json::json!({"url": url});
        agent
    }

    fn not_found() -> watcher::Error {
        let status = kube::core::Status {
            code: 404,
            ..kube::core::Status::default()
        };
        watcher::Error::InitialListFailed(kube::Error::Api(Box::new(status)))
    }

    fn url(agent: DynamicObject) -> Result<String, String> {
        let url = agent.data["url"].as_str().map(str::to_owned);
        url.ok_or_else(|| "no url".to_owned())
    }

    /// What is told while one watch after another brings these events, and what is cached then.
    async fn told(watches: Vec<Events>) -> (Vec<String>, Watched<String>) {
        let watched = Watched::new(AGENT, &Namespaces::All);
        let told = Mutex::new(Vec::new());
        let watches = Mutex::new(watches.into_iter());
        let (ended, mut end) = tokio::sync::mpsc::unbounded_channel();
        let open = |_: Option<&str>| match watches.lock().unwrap().next() {
            Some(events) => stream::iter(events).chain(stream::pending()).boxed(),
            None => {
                ended.send(()).unwrap();
                stream::pending().boxed()
            }
        };
        let changed = |change: Change<String>| {
            told.lock().unwrap().push(match change {
                Change::Kind => "kind".to_owned(),
                Change::Object {
                    object,
                    before,
                    after,
                } => format!(
                    "{}: {} -> {}",
                    object.name,
                    before.as_deref().map_or("-", String::as_str),
                    after.as_deref().map_or("-", String::as_str)
                ),
            });
        };
        {
            let follow = watched.follow(open, url, changed);
            tokio::select! {
                () = follow => {}
                // What a watch brings is taken at once; time stands still but for pauses between attempts.
                () = tokio::time::sleep(Duration::from_secs(600)) => {}
                _ = end.recv() => {}
            }
        }
        let told = told.into_inner().unwrap();
        (told, watched)
    }

    #[tokio::test(start_paused = true)]
    async fn a_delete_during_a_broken_watch_is_noticed_and_what_stayed_is_not_told_again() {
        let broken = watcher::Error::NoResourceVersion;
        let events = vec![
            Ok(Event::Init),
            Ok(Event::InitApply(agent("a", "1"))),
            Ok(Event::InitApply(agent("b", "1"))),
            Ok(Event::InitDone),
            Ok(Event::Apply(agent("a", "2"))),
            Ok(Event::Apply(agent("a", "2"))),
            Err(broken),
            Ok(Event::Init),
            Ok(Event::InitApply(agent("a", "2"))),
            Ok(Event::InitDone),
        ];
        let (mut told, watched) = told(vec![events]).await;
        told[1..3].sort();
        assert_eq!(
            told,
            ["kind", "a: - -> 1", "b: - -> 1", "a: 1 -> 2", "b: 1 -> -"]
        );
        assert_eq!(watched.listing(), Listing::Listed);
        assert_eq!(watched.all().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_kind_that_is_missing_is_asked_for_again_and_again() {
        let missing = || vec![Ok(Event::Init), Err(not_found())];
        let listed = vec![
            Ok(Event::Init),
            Ok(Event::InitApply(agent("a", "1"))),
            Ok(Event::InitDone),
            Err(not_found()),
        ];
        let start = tokio::time::Instant::now();
        let (told, watched) = told(vec![missing(), missing(), missing(), listed]).await;
        assert_eq!(told, ["kind", "kind", "a: - -> 1", "kind"]);
        // Pauses grow while attempts fail, and start again behind one that did not.
        assert_eq!(start.elapsed(), FIRST_PAUSE * (1 + 2 + 4 + 1));
        assert_eq!(watched.listing(), Listing::KindMissing);
        let a = ObjectRef {
            namespace: "ns".into(),
            name: "a".into(),
        };
        assert_eq!(watched.get(&a), Lookup::KindMissing);
    }

    /// However long it has been missing: what is installed is noticed within 5 s.
    #[tokio::test(start_paused = true)]
    async fn a_kind_is_never_left_alone_for_five_seconds() {
        let attempts = async |count: usize| {
            let missing = || vec![Ok(Event::Init), Err(not_found())];
            let start = tokio::time::Instant::now();
            told((0..count).map(|_| missing()).collect()).await;
            start.elapsed()
        };
        let mut until_now = Duration::ZERO;
        for count in 1..=20 {
            let elapsed = attempts(count).await;
            let pause = elapsed - until_now;
            assert!(
                pause > Duration::ZERO && pause < Duration::from_secs(5),
                "attempt {count}: {pause:?}"
            );
            until_now = elapsed;
        }
    }

    fn versioned(name: &str, url: &str, version: u64) -> DynamicObject {
        let mut agent = agent(name, url);
        agent.metadata.resource_version = Some(version.to_string());
        agent
    }

    /// Our own write is known before the watch brings what came before it.
    #[tokio::test(start_paused = true)]
    async fn what_is_older_than_our_own_write_is_passed_over() {
        let a = || ObjectRef {
            namespace: "ns".into(),
            name: "a".into(),
        };
        let watched = Watched::new(AGENT, &Namespaces::All);
        watched.put(a(), Some("10"), "ours".to_owned());
        watched.put(a(), Some("9"), "an answer that came late".to_owned());
        let scope = &watched.scopes[0];
        let mut listed = Objects::default();
        let told = Mutex::new(0);
        let changed = |_: Change<String>| *told.lock().unwrap() += 1;
        for event in [
            Event::Apply(versioned("a", "before ours", 8)),
            Event::Delete(versioned("a", "before ours", 9)),
        ] {
            take(AGENT, scope, event, &mut listed, &url, &changed);
            assert_eq!(watched.get(&a()).found(), Some(&"ours".to_owned()));
        }
        watched.amend(&a(), Some("11"), |ours| Some(format!("{ours}, amended")));
        assert_eq!(watched.get(&a()).found(), Some(&"ours, amended".to_owned()));
        let event = Event::Apply(versioned("a", "later", 12));
        take(AGENT, scope, event, &mut listed, &url, &changed);
        assert_eq!(watched.get(&a()).found(), Some(&"later".to_owned()));
        assert_eq!(*told.lock().unwrap(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_parse_counts_as_absent_and_stops_nobody() {
        let mut broken = agent("b", "");
        broken.data = serde_json::Value::Null;
        let events = vec![
            Ok(Event::Init),
            Ok(Event::InitApply(broken.clone())),
            Ok(Event::InitApply(agent("a", "1"))),
            Ok(Event::InitDone),
            Ok(Event::Apply(agent("b", "1"))),
            Ok(Event::Apply(broken)),
        ];
        let (told, _) = told(vec![events]).await;
        assert_eq!(told, ["kind", "a: - -> 1", "b: - -> 1", "b: 1 -> -"]);
    }
}
