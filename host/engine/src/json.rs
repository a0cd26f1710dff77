//! Reads JSON from somebody who is not trusted: bounded in depth and size, and one meaning only.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// How deep and how large a document may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonLimits {
    /// Levels of objects and lists.
    pub depth: usize,
    /// Values in all, keys not counted.
    pub nodes: usize,
}

impl Default for JsonLimits {
    /// What the contract promises: 64 levels, 50,000 values.
    fn default() -> Self {
        Self {
            depth: 64,
            nodes: 50_000,
        }
    }
}

/// Parses `text`, refusing what is too deep, too large, or holds a key twice.
///
/// # Errors
///
/// What is wrong, with line and column.
pub fn parse(text: &str, limits: JsonLimits) -> Result<Value, serde_json::Error> {
    let nodes = Cell::new(0);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Strict {
        limits,
        nodes: &nodes,
        depth: 0,
    }
    .deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

#[derive(Clone, Copy)]
struct Strict<'a> {
    limits: JsonLimits,
    nodes: &'a Cell<usize>,
    depth: usize,
}

impl Strict<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == self.limits.depth {
            return Err(E::custom(format_args!(
                "more than {} levels deep",
                self.limits.depth
            )));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let nodes = self.nodes.get() + 1;
        self.nodes.set(nodes);
        if nodes > self.limits.nodes {
            return Err(D::Error::custom(format_args!(
                "more than {} values",
                self.limits.nodes
            )));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(entry) = entries.next_element_seed(inner)? {
            list.push(entry);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut object = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format_args!("key `{key}` is there twice")));
            }
            let value = fields.next_value_seed(inner)?;
            object.insert(key, value);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_documents_are_read_as_they_are() {
        for text in [
            "null",
            "[]",
            r#"{"a":[1,-2,1.5,true,"x",null],"b":{"c":18446744073709551615}}"#,
        ] {
            assert_eq!(
                parse(text, JsonLimits::default()).unwrap().to_string(),
                text
            );
        }
    }

    #[test]
    fn what_could_hurt_or_mislead_is_refused() {
        let limits = JsonLimits { depth: 2, nodes: 5 };
        for (text, why) in [
            ("[[[]]]", "more than 2 levels deep"),
            (r#"{"a":{"b":{}}}"#, "more than 2 levels deep"),
            ("[1,2,3,4,5]", "more than 5 values"),
            (r#"{"a":1,"a":1}"#, "key `a` is there twice"),
            ("{} {}", "trailing characters"),
            ("{", "EOF"),
            ("", "EOF"),
            ("1e999", "number out of range"),
        ] {
            let error = parse(text, limits).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(parse("[[1,2]]", limits).is_ok());
    }

    #[test]
    fn a_million_levels_do_not_overflow_the_stack() {
        assert!(parse(&"[".repeat(1_000_000), JsonLimits::default()).is_err());
    }
}
