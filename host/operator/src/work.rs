//! A queue of names, and who works it off: each name waits once, is worked on once at a time, and comes back when its worker says so.

use std::convert::Infallible;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{FutureExt as _, Stream, StreamExt as _};
use kube::ResourceExt as _;
use kube::api::DynamicObject;
use kube::runtime::controller::{Action, Config, applier};
use kube::runtime::reflector::store::{Store, Writer};
use kube::runtime::{reflector, watcher};
use testbench_core::resolve::ObjectRef;

use crate::kinds::Kind;

/// Works on objects by their names.
pub(crate) trait Worker: Send + Sync + 'static {
    /// Whether the object is there. Asked for each request, before it is queued: what is gone is not worked on, and can be forgotten.
    fn knows(&self, object: &ObjectRef) -> bool;

    /// Works on the object, and says when it should be worked on again.
    fn work(self: Arc<Self>, object: ObjectRef) -> BoxFuture<'static, Action>;
}

/// Works off `requests` until they end, at most `concurrency` at the same time; what goes on then is finished.
pub(crate) async fn work<W: Worker>(
    kind: Kind,
    concurrency: u16,
    requests: impl Stream<Item = ObjectRef> + Send + 'static,
    worker: Arc<W>,
) {
    let (known, mut names) = names(kind);
    let asked = worker.clone();
    let requests = requests.map(move |object| {
        let name = DynamicObject::new(&object.name, &kind.api_resource()).within(&object.namespace);
        let request = reflector::ObjectRef::from_obj_with(&name, kind.api_resource());
        names.apply_watcher_event(&if asked.knows(&object) {
            watcher::Event::Apply(name)
        } else {
            watcher::Event::Delete(name)
        });
        Ok::<_, Infallible>(request)
    });
    applier(
        |name: Arc<DynamicObject>, worker: Arc<W>| {
            let object = ObjectRef {
                namespace: name.namespace().unwrap_or_default(),
                name: name.name_any(),
            };
            worker.work(object).map(Ok)
        },
        |_, _: &Infallible, _| Action::await_change(),
        worker,
        known,
        Box::pin(requests),
        Config::default().concurrency(concurrency),
    )
    // What came of it has been told by then. An object that is gone needs nothing.
    .for_each(|_| std::future::ready(()))
    .await;
}

/// The queue looks names up in a store of its own kind, which therefore holds nothing but names.
fn names(kind: Kind) -> (Store<DynamicObject>, Writer<DynamicObject>) {
    let mut writer = Writer::new(kind.api_resource());
    writer.apply_watcher_event(&watcher::Event::Init);
    writer.apply_watcher_event(&watcher::Event::InitDone);
    (writer.as_reader(), writer)
}
