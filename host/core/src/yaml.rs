//! YAML as kubectl reads it, and as people like to read it.

mod node;

use serde_json::Value;
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::granit_parser::ErrorKind;
use serde_saphyr::{Error, ExternalMessageSource, Spanned};

use self::node::Node;

/// How deep lists and mappings may be nested in one another. Reading recurses, so it is the stack that is bounded.
const DEPTH: usize = 64;

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

/// In words that help.
fn readable(error: &Error) -> YamlError {
    if !is_too_deep(error) {
        return YamlError(error.to_string());
    }
    let place = error.location().map_or_else(String::new, |location| {
        format!(" at line {}, column {}", location.line(), location.column())
    });
    YamlError(format!(
        "lists and mappings are nested more than {DEPTH} levels deep; flatten them{place}"
    ))
}

/// The reader counts levels in two places, and says it in two ways that only it understands.
fn is_too_deep(error: &Error) -> bool {
    match error {
        Error::Budget { breach, .. } => matches!(breach, BudgetBreach::Depth { .. }),
        Error::ExternalMessage { source, .. } => matches!(
            &**source,
            ExternalMessageSource::Parser(error)
                if matches!(error.kind(), ErrorKind::RecursionLimitExceeded)
        ),
        Error::AliasError { error, .. } => is_too_deep(error),
        _ => false,
    }
}

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
        // It would compare them as they are written: `no` and `false` are one key.
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::PassThrough,
        // Room for thousands of large Experiments; what a small file makes of aliases stays bounded.
        budget: serde_saphyr::budget! { max_depth: DEPTH, max_documents: 100_000, max_nodes: 10_000_000, max_events: 40_000_000 },
    };
    let documents: Vec<Spanned<Node>> = serde_saphyr::from_multiple_with_options(text, options)
        .map_err(|error| readable(&error))?;
    let documents = documents.into_iter().map(
        |Spanned {
             value: Node(value),
             referenced,
             ..
         }| Document {
            line: referenced.line(),
            value,
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

    /// The right column is what kubectl 1.32 made of the left.
    #[test]
    fn keys_are_read_as_kubectl_reads_them() {
        for (text, expected) in [
            ("a", "a"),
            ("n", "false"),
            ("no", "false"),
            ("'no'", "no"),
            ("\"no\"", "no"),
            ("!!str no", "no"),
            ("! no", "no"),
            ("y", "true"),
            ("on", "true"),
            ("True", "true"),
            ("01", "1"),
            ("0777", "511"),
            ("'0777'", "0777"),
            ("0x1F", "31"),
            ("1.0", "1"),
            ("1e3", "1000"),
            ("1_000", "1000"),
            (".5", "0.5"),
            ("0.1", "0.1"),
            ("-0.0", "-0"),
            ("-1", "-1"),
            ("123456.0", "123456"),
            ("1e6", "1e+06"),
            ("1234567.5", "1.2345675e+06"),
            ("16777217.0", "1.6777216e+07"),
            ("1e-4", "0.0001"),
            ("1e-5", "1e-05"),
            ("1e-46", "0"),
            ("1e39", ".inf"),
            ("9223372036854775807", "9223372036854775807"),
            ("18446744073709551616", "1.8446744e+19"),
            ("2001-12-14", "2001-12-14"),
            ("''", ""),
        ] {
            let documents = parse(&format!("{text}: x")).unwrap();
            assert_eq!(documents[0].value, json!({expected: "x"}), "{text}");
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
    fn what_cannot_be_meant_is_refused_with_its_place() {
        for (text, why) in [
            // kubectl takes the last, or one by chance where only their texts are the same.
            (
                "a: 1\na: 2",
                "duplicate mapping key: a; keep one of them at line 2, column 1",
            ),
            (
                "no: 1\nfalse: 2",
                "duplicate mapping key: false; keep one of them at line 2",
            ),
            (
                "1: a\n'1': b",
                "duplicate mapping key: 1; keep one of them at line 2",
            ),
            ("a: [", "line 1"),
            ("a: *nobody", "alias"),
            ("a: 1\n9223372036854775808: x", "put it in quotes at line 2"),
            ("<<: {no: 1}\nfalse: 2", "keep one of them at line 1"),
            ("null: x", "put it in quotes at line 1"),
            ("~: x", "put it in quotes at line 1"),
            ("? [a]\n: x", "put it in quotes at line 1"),
            ("? {a: b}\n: x", "put it in quotes at line 1"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn what_a_mapping_says_itself_is_kept_when_another_is_merged_into_it() {
        for text in [
            "<<: {a: 2, b: 3}\na: 1",
            "a: 1\n<<: [{a: 2}, {b: 3}, {b: 4}]",
        ] {
            assert_eq!(
                parse(text).unwrap()[0].value,
                json!({"a": 1, "b": 3}),
                "{text}"
            );
        }
    }

    #[test]
    fn sixty_four_levels_are_read_and_one_more_is_refused() {
        let nested = |open: &str, levels: usize, close: &str| {
            format!("{}1{}", open.repeat(levels), close.repeat(levels))
        };
        for (open, close) in [("[", "]"), ("{a: ", "}"), ("- ", "")] {
            parse(&nested(open, DEPTH, close)).unwrap();
            let error = parse(&nested(open, DEPTH + 1, close)).unwrap_err();
            assert!(
                error
                    .to_string()
                    .contains("nested more than 64 levels deep; flatten them at line 1"),
                "{error}"
            );
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
