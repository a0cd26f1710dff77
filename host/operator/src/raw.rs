//! An object as the API server sends it, its content unread.
//!
//! The API server stores free-form fields that are nested deeper than the JSON reader of this program goes. Read with a whole list, one
//! such object would break the list, and with that everybody's watch; read on its own, it breaks nothing but itself.

use std::borrow::Cow;
use std::fmt;

use kube::Resource;
use kube::api::ObjectMeta;
use kube::core::{ApiResource, DynamicResourceScope};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// An object with its content as text.
#[derive(Debug, Clone, Default)]
pub struct RawObject {
    /// `metadata`.
    pub metadata: ObjectMeta,
    /// Everything else, by key.
    content: Vec<(String, Box<RawValue>)>,
}

impl RawObject {
    /// The value of one key, where there is one that can be read.
    #[must_use]
    pub fn field(&self, key: &str) -> Option<Value> {
        let (_, text) = self.content.iter().find(|(known, _)| known == key)?;
        serde_json::from_str(text.get()).ok()
    }

    /// Everything but `metadata`.
    ///
    /// # Errors
    ///
    /// Which part cannot be read, and why.
    pub fn content(&self) -> Result<Map<String, Value>, String> {
        let read = |(key, text): &(String, Box<RawValue>)| match serde_json::from_str(text.get()) {
            Ok(value) => Ok((key.clone(), value)),
            Err(error) => Err(format!("failed to read `{key}`: {error}")),
        };
        self.content.iter().map(read).collect()
    }
}

impl<'de> Deserialize<'de> for RawObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields)
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = RawObject;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a Kubernetes object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<RawObject, A::Error> {
        let mut object = RawObject::default();
        while let Some(key) = fields.next_key::<String>()? {
            if key == "metadata" {
                object.metadata = fields.next_value()?;
            } else {
                object.content.push((key, fields.next_value()?));
            }
        }
        Ok(object)
    }
}

impl Resource for RawObject {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn group(of: &ApiResource) -> Cow<'_, str> {
        of.group.as_str().into()
    }

    fn version(of: &ApiResource) -> Cow<'_, str> {
        of.version.as_str().into()
    }

    fn kind(of: &ApiResource) -> Cow<'_, str> {
        of.kind.as_str().into()
    }

    fn api_version(of: &ApiResource) -> Cow<'_, str> {
        of.api_version.as_str().into()
    }

    fn plural(of: &ApiResource) -> Cow<'_, str> {
        of.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use kube::core::WatchEvent;
    use kube::core::object::ObjectList;

    use super::*;

    fn list(depth: usize) -> String {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(
            r#"{{"apiVersion":"v1","kind":"List","metadata":{{}},"items":[{{"metadata":{{"name":"deep"}},"spec":{open}{close}}},{{"metadata":{{"name":"flat"}},"spec":1}}]}}"#
        )
    }

    #[test]
    fn an_object_that_is_too_deep_to_be_read_breaks_nothing_but_itself() {
        let list: ObjectList<RawObject> = serde_json::from_str(&list(10_000)).unwrap();
        let [deep, flat] = &list.items[..] else {
            panic!("expected two objects")
        };
        assert!(
            deep.content()
                .unwrap_err()
                .starts_with("failed to read `spec`: recursion limit")
        );
        assert_eq!(deep.metadata.name.as_deref(), Some("deep"));
        assert_eq!(flat.content().unwrap()["spec"], 1);
    }

    #[test]
    fn it_is_read_from_a_watch_too() {
        let event =
            r#"{"type":"ADDED","object":{"kind":"X","metadata":{"name":"a"},"spec":{"b":1}}}"#;
        match serde_json::from_str::<WatchEvent<RawObject>>(event).unwrap() {
            WatchEvent::Added(object) => assert_eq!(object.content().unwrap()["spec"]["b"], 1),
            other => panic!("{other:?}"),
        }
    }
}
