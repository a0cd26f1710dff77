//! YAML as kubectl reads it, and as people like to read it.

use serde_json::{Number, Value};
use serde_saphyr::Spanned;

/// One document of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Line of its first node, from 1.
    pub line: u64,
    /// What it holds, as the API server would deliver it.
    pub value: Value,
}

/// Text that is no YAML, or says something twice; or a document that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct YamlError(String);

/// Reads every document of `text`; empty ones do not count. JSON is YAML.
///
/// # Errors
///
/// What is wrong, with its place.
pub fn parse(text: &str) -> Result<Vec<Document>, YamlError> {
    let options = serde_saphyr::options! {
        // To kubectl, which reads YAML 1.1, `0777` is octal.
        legacy_octal_numbers: true,
        with_snippet: false,
        // Room for thousands of large Experiments; what a small file makes of aliases stays bounded.
        budget: serde_saphyr::budget! { max_documents: 100_000, max_nodes: 10_000_000, max_events: 40_000_000 },
    };
    let documents: Vec<Spanned<Value>> = serde_saphyr::from_multiple_with_options(text, options)
        .map_err(|error| YamlError(error.to_string()))?;
    let documents = documents.into_iter().map(
        |Spanned {
             value, referenced, ..
         }| Document {
            line: referenced.line(),
            value: as_delivered(value),
        },
    );
    Ok(documents
        .filter(|document| !document.value.is_null())
        .collect())
}

/// `value` as block YAML, keys in alphabetical order.
///
/// # Errors
///
/// Where the writer refuses it, which no JSON value makes it do.
pub fn to_yaml(value: &Value) -> Result<String, YamlError> {
    serde_saphyr::to_string(&sorted(value)).map_err(|error| YamlError(error.to_string()))
}

/// `values` as one file of several documents.
///
/// # Errors
///
/// As [`to_yaml`].
pub fn documents<'a>(values: impl IntoIterator<Item = &'a Value>) -> Result<String, YamlError> {
    let documents: Result<Vec<_>, _> = values.into_iter().map(to_yaml).collect();
    Ok(documents?.join("---\n"))
}

/// With its keys in order, whatever order the map keeps.
pub(crate) fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(key, _)| *key);
            Value::Object(
                fields
                    .into_iter()
                    .map(|(key, field)| (key.clone(), sorted(field)))
                    .collect(),
            )
        }
        Value::Array(entries) => entries.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

/// Numbers as they come back from the API server: whole ones without a fraction, and those beyond 64 bits as floats.
fn as_delivered(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(delivered_number(number)),
        Value::Array(entries) => entries.into_iter().map(as_delivered).collect(),
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(key, field)| (key, as_delivered(field)))
                .collect(),
        ),
        other => other,
    }
}

fn delivered_number(number: Number) -> Number {
    /// Whole floats up to here are exact, and integers of 64 bits.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.is_i64() {
        return number;
    }
    let Some(float) = number.as_f64() else {
        return number;
    };
    if float.fract() == 0.0 && float.abs() <= EXACT {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a whole number within 2^53"
        )]
        return Number::from(float as i64);
    }
    Number::from_f64(float).unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The right column is what kubectl 1.32 made of the left (`kubectl label --local -o json`), numbers compared by value.
    #[test]
    fn scalars_are_read_as_kubectl_reads_them() {
        for (text, expected) in [
            ("0777", json!(511)),
            ("0o17", json!(15)),
            ("0x1F", json!(31)),
            ("0b11", json!(3)),
            ("1_000", json!(1000)),
            ("08", json!(8)),
            ("+1", json!(1)),
            ("1.0", json!(1)),
            ("1e3", json!(1000)),
            (".5", json!(0.5)),
            ("9223372036854775807", json!(9_223_372_036_854_775_807_i64)),
            ("9223372036854775808", json!(9_223_372_036_854_775_808.0)),
            (
                "123456789012345678901234567890",
                json!(1.234_567_890_123_456_8e29),
            ),
            ("-9223372036854775809", json!(-9_223_372_036_854_775_809.0)),
            ("y", json!(true)),
            ("n", json!(false)),
            ("on", json!(true)),
            ("\"yes\"", json!("yes")),
            ("~", Value::Null),
            ("2001-12-14", json!("2001-12-14")),
            ("1:30", json!("1:30")),
            ("!!str 1", json!("1")),
        ] {
            let documents = parse(&format!("a: {text}")).unwrap();
            assert_eq!(documents[0].value["a"], expected, "{text}");
        }
    }

    #[test]
    fn documents_are_told_apart_by_their_lines() {
        let documents = parse("# nothing\n---\na: 1\n---\n---\n{\"b\": [1.0, null]}\n").unwrap();
        let expected = [(3, json!({"a": 1})), (6, json!({"b": [1, null]}))];
        assert_eq!(
            documents
                .into_iter()
                .map(|d| (d.line, d.value))
                .collect::<Vec<_>>(),
            expected
        );
    }

    #[test]
    fn what_kubectl_refuses_is_refused_with_its_place() {
        for (text, why) in [
            ("a: 1\na: 2", "duplicate"),
            ("a: [", "line 1"),
            ("a: *nobody", "alias"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for i in 1..9 {
            let aliases = vec![format!("*a{}", i - 1); 10].join(", ");
            bomb.push_str(&format!("a{i}: &a{i} [{aliases}]\n"));
        }
        assert!(parse(&bomb).is_err());
    }

    #[test]
    fn ten_thousand_levels_are_an_error_and_no_overflow() {
        const LEVELS: usize = 10_000;
        let open = |text: &str| text.repeat(LEVELS);
        let blocks: String = (0..LEVELS / 10)
            .map(|level| " ".repeat(level) + "a:\n")
            .collect();
        let aliases: String = (1..LEVELS)
            .map(|level| format!("- &a{level} [*a{}]\n", level - 1))
            .collect();
        let merges: String = (1..LEVELS)
            .map(|level| format!("a{level}: &a{level} {{<<: *a{}}}\n", level - 1))
            .collect();
        for text in [
            open("["),
            open("[") + &open("]"),
            open("{a: ") + &open("}"),
            open("{\"a\":") + "1" + &open("}"),
            open("- "),
            open("? "),
            open("{? "),
            blocks,
            format!("- &a0 [x]\n{aliases}"),
            format!("a0: &a0 {{x: 1}}\n{merges}"),
        ] {
            assert!(parse(&text).is_err(), "{}", &text[..20]);
        }
    }

    #[test]
    fn texts_that_look_like_something_else_survive() {
        let nasty = [
            "yes",
            "n",
            "on",
            "0777",
            "1e3",
            "~",
            "null",
            "",
            " lead",
            "trail ",
            "a\nb",
            "a\nb\n",
            "a\n\n",
            "\na",
            "x: y",
            "# no",
            "1_000",
            "0x1f",
            "2001-12-14",
            "-",
            "tab\tx",
            "{{ }}",
            "1:30",
            "=",
            "<<",
            ".5",
            "a \nb",
            "ä€😀",
            "\u{7f}",
            "'",
            "\"",
        ];
        let value = json!({"list": nasty, "map": nasty.iter().map(|text| ((*text).to_owned(), json!(text))).collect::<serde_json::Map<_, _>>()});
        assert_eq!(parse(&to_yaml(&value).unwrap()).unwrap()[0].value, value);
    }

    #[test]
    fn a_document_of_several_lines_stays_readable() {
        assert_eq!(
            to_yaml(&json!({"b": "{\n  \"x\": 1\n}\n", "a": {}})).unwrap(),
            "a: {}\nb: |\n  {\n    \"x\": 1\n  }\n"
        );
    }
}
