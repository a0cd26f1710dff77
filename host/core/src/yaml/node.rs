//! What kubectl makes of a node: JSON as the API server would deliver it.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// A value.
pub(super) struct Node(pub(super) Value);

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor).map(Self)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    /// To the API server, integers have 64 bits and a sign; what is larger is a float.
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        #[expect(clippy::cast_precision_loss, reason = "as the API server loses it")]
        Ok(i64::try_from(value).map_or_else(|_| Value::from(value as f64), Value::from))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut read = Vec::new();
        while let Some(Node(entry)) = entries.next_element()? {
            read.push(entry);
        }
        Ok(Value::Array(read))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut read = Map::new();
        while let Some(key) = fields.next_key_seed(NewKey { of: &read })? {
            let Node(field) = fields.next_value()?;
            read.insert(key, field);
        }
        Ok(Value::Object(read))
    }
}

/// Whole floats come back from the API server without a fraction.
fn number(value: f64) -> Value {
    /// Up to here they are exact, and integers of 64 bits.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a whole number within 2^53"
        )]
        return Value::from(value as i64);
    }
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

/// A key, which kubectl reads as any other scalar and writes down as a text again: `no` is the key `false`.
struct NewKey<'a> {
    /// The mapping, as far as it is read.
    of: &'a Map<String, Value>,
}

impl<'de> DeserializeSeed<'de> for NewKey<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        let key = deserializer.deserialize_any(KeyVisitor)?;
        if self.of.contains_key(&key) {
            return Err(D::Error::custom(format_args!(
                "duplicate mapping key: {key}; keep one of them"
            )));
        }
        Ok(key)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a key that is a text, a boolean, or a number of at most 64 bits; put it in quotes",
        )
    }

    fn visit_bool<E>(self, key: bool) -> Result<String, E> {
        Ok(key.to_string())
    }

    fn visit_i64<E>(self, key: i64) -> Result<String, E> {
        Ok(key.to_string())
    }

    /// As a value it would be a float. As a key it is nothing that kubectl knows.
    fn visit_u64<E: Error>(self, key: u64) -> Result<String, E> {
        match i64::try_from(key) {
            Ok(key) => self.visit_i64(key),
            Err(_) => Err(E::invalid_type(serde::de::Unexpected::Unsigned(key), &self)),
        }
    }

    fn visit_f64<E>(self, key: f64) -> Result<String, E> {
        Ok(float_key(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<String, E> {
        Ok(key.to_owned())
    }

    fn visit_string<E>(self, key: String) -> Result<String, E> {
        Ok(key)
    }
}

/// In kubectl's words: of single precision, and with an exponent of two digits where it is below -4 or above 5.
fn float_key(key: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "as kubectl does")]
    let key = key as f32;
    if key.is_infinite() {
        return if key > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let scientific = format!("{key:e}");
    let parts = scientific.split_once('e');
    let exponent =
        parts.and_then(|(digits, exponent)| Some((digits, exponent.parse::<i32>().ok()?)));
    match exponent {
        Some((digits, exponent)) if !(-4..6).contains(&exponent) => {
            format!(
                "{digits}e{}{:02}",
                if exponent < 0 { '-' } else { '+' },
                exponent.abs()
            )
        }
        _ => key.to_string(),
    }
}
