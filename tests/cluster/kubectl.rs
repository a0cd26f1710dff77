//! YAML means to `render` what it means to kubectl.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde_json::Value;
use testbench_core::yaml;

use super::{by_value, shared};

/// What kubectl reads in each spec, or why it does not: one run for all, as each takes a while.
fn as_kubectl_reads(specs: &[&str]) -> Vec<Result<Value, String>> {
    let folder = tempfile::tempdir().unwrap();
    let name = |number: usize| format!("thing-{number}");
    for (number, spec) in specs.iter().enumerate() {
        let name = name(number);
        let file = folder.path().join(format!("{name}.yaml"));
        fs::write(file, object(&name, spec)).unwrap();
    }
    // With --local it asks no server; what it cannot read it reports, and goes on.
    let output = Command::new(shared().kubectl())
        .args(["label", "--local", "-o", "json", "read-by=kubectl", "-f"])
        .arg(folder.path())
        .output()
        .unwrap();
    let objects = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    let mut read: BTreeMap<_, _> = objects
        .map(|object| {
            let mut object = object.unwrap();
            let name = object["metadata"]["name"].as_str().unwrap().to_owned();
            (name, by_value(object["spec"].take()))
        })
        .collect();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let reason = |name: &str| {
        let mut lines = stderr.lines();
        let line = lines.find(|line| line.contains(&format!("{name}.yaml")));
        line.unwrap_or_else(|| panic!("kubectl does not say why: {stderr}"))
            .to_owned()
    };
    (0..specs.len())
        .map(|number| {
            let name = name(number);
            read.remove(&name).ok_or_else(|| reason(&name))
        })
        .collect()
}

fn as_we_read(spec: &str) -> Result<Value, String> {
    let documents = yaml::parse(&object("thing", spec)).map_err(|error| error.to_string())?;
    Ok(by_value(documents[0].value["spec"].clone()))
}

fn object(name: &str, spec: &str) -> String {
    format!("apiVersion: example.com/v1\nkind: Thing\nmetadata: {{name: {name}}}\nspec: {spec}\n")
}

/// What we do read differently, each of them odd enough to be nobody's; whoever makes one the same takes it off. All but the
/// last are for the reader to tell: it gives us a boolean or a number, and of a text not whether it was in quotes.
const DIFFERENT: &[&str] = &[
    // To kubectl, underscores may stand anywhere in a number.
    "1_",
    "1__0",
    "1_0.5",
    "0.1_0",
    // A text to kubectl, out of range to us.
    "1e400",
    // To kubectl, a boolean is written in one of three cases.
    "tRUE",
    "yEs",
    // A text to kubectl.
    "!!timestamp 2001-12-14",
    // kubectl refuses to make null of a text.
    "!!null x",
];

/// Keys of which we say something else.
const DIFFERENT_KEYS: &[&str] = &[
    // As with values: the reader decides before anything of ours sees the text.
    "tRUE", "yEs", "1_", "1e400",
    // A number that JSON has not; to kubectl the text it was.
    ".inf",
];

/// To kubectl, a key is a scalar like any other, and then a text again: `n` becomes `false`, `0x1F` becomes `31`; and an
/// integer that needs an unsigned type is none.
const KEYS: &str = r#"
    n y on no No True true false null ~ 'n' "no" ''
    1 01 0777 '0777' 0x1F 0b11 1.0 1e3 .5 0.1 1_000 -1 -0 -0.0 1_ "1"
    123456.0 1e6 1e21 1234567.5 16777217.0 123456789.0 1e-4 1e-5 1e-7 1e-46 3.4e38 1e39 -1e39 1e400 .inf
    9223372036854775807 9223372036854775808 18446744073709551615 18446744073709551616
    -9223372036854775808 -9223372036854775809
    2001-12-14 tRUE yEs = "<<"
"#;

/// What keys have to do with one another. kubectl never minds: we refuse, rather than choose, where what is meant is a guess.
const MAPPINGS: &[&str] = &[
    "{a: 1, <<: {b: 2}}",
    "{<<: {a: 2}, a: 1}",
    "{<<: [{a: 1}, {a: 2}]}",
    "{<<: 1}",
    "{<<: [1]}",
    "{\"<<\": {a: 1}}",
    "{? {a: b} : c}",
    "{? [a] : c}",
    "{a: 1, a: 2}",
    "{no: 1, false: 2}",
    "{1: a, 0x1: b}",
    "{<<: {no: 1}, false: 2}",
    "{<<: null}",
    "{a: 1, <<: {a: 2}}",
    "{<<: {a: 1}, <<: {a: 2}}",
];

const DIFFERENT_MAPPINGS: &[&str] = &[
    // kubectl takes the last, and where keys become the same only as texts, one by chance.
    "{a: 1, a: 2}",
    "{no: 1, false: 2}",
    "{1: a, 0x1: b}",
    "{<<: {no: 1}, false: 2}",
    // kubectl refuses to merge nothing.
    "{<<: null}",
    // To kubectl, the last wins also where it is merged; to YAML, and to us, what a mapping says itself, and the first merged.
    "{a: 1, <<: {a: 2}}",
    "{<<: {a: 1}, <<: {a: 2}}",
];

/// Between blanks.
const SCALARS: &str = r#"
    0777 0o17 0O17 0x1F 0X1f 0b11 0B11 -0x1F -0777 +0777 1_000 1_ _1 1__0 0x_1F 08 09 00 +1 -0 0x 0o 0o8 0b2
    1.0 1. .5 -.5 +.5 -0.0 1e3 1E3 1e+3 1e-3 12e03 1e e3 .e3 1_0.5 0.1_0 1.2.3 . .. + - =
    9007199254740993 9007199254740993.0 9223372036854775807 9223372036854775808 18446744073709551615 18446744073709551616
    -9223372036854775808 -9223372036854775809 123456789012345678901234567890
    0xFFFFFFFFFFFFFFFF 0x1FFFFFFFFFFFFFFFF 07777777777777777777777777
    0.1 0.30000000000000004 1.7976931348623157e308 5e-324 1.5e300 1e400 100000000000000000000 1e21 123456789.125
    .inf -.inf +.inf .Inf .nan infinity nan NaN Inf
    y Y n N yes Yes YES yEs no No NO on On ON off Off OFF true True TRUE tRUE false False FALSE
    ~ null Null NULL nULL '' '1' "yes" v1 << a#b
    2001-12-14 2001-12-14t21:59:43.10-05:00 1:30 190:20:30 1:30.5 0.0.0.0
"#;

/// With blanks.
const PHRASES: &[&str] = &[
    "",
    "2001-12-14 21:59:43.10 -5",
    "a # comment",
    "!!str 1",
    "!!str yes",
    "!!int \"1\"",
    "!!int '0777'",
    "!!float 1",
    "!!float \"1\"",
    "!!bool yes",
    "!!bool \"yes\"",
    "!!null \"\"",
    "!!null x",
    "!!timestamp 2001-12-14",
    "!!binary aGk=",
    "! 1",
    "!custom x",
    "\"\\x41\\u00e4\\t\"",
    "|\n  text\n",
    ">\n  a\n  b\n",
    "[a, b, ]",
    "{a: , b}",
    "{a: 1, <<: {b: 2}}",
    "\n  base: &base {a: 1}\n  more: {<<: *base, b: 2}",
    "\n  - &x 1\n  - *x",
];

#[test]
fn scalars_mean_what_they_mean_to_kubectl() {
    let specs = SCALARS.split_whitespace().chain(PHRASES.iter().copied());
    let specs: Vec<_> = specs.map(|spec| (spec, spec.to_owned())).collect();
    compare(&specs, DIFFERENT);
}

#[test]
fn keys_mean_what_they_mean_to_kubectl() {
    let keys = KEYS
        .split_whitespace()
        .chain(["!!str n", "! n", "!!bool \"yes\"", "? a\n "]);
    let specs: Vec<_> = keys
        .map(|key| (key, format!("\n  {key}: x\n  other: z")))
        .collect();
    compare(&specs, DIFFERENT_KEYS);
}

#[test]
fn mappings_mean_what_they_mean_to_kubectl() {
    let specs: Vec<_> = MAPPINGS
        .iter()
        .map(|spec| (*spec, (*spec).to_owned()))
        .collect();
    compare(&specs, DIFFERENT_MAPPINGS);
}

/// (what it is called, the spec)
fn compare(cases: &[(&str, String)], different: &[&str]) {
    let specs: Vec<_> = cases.iter().map(|(_, spec)| spec.as_str()).collect();
    let mut wrong = Vec::new();
    for ((name, spec), theirs) in cases.iter().zip(as_kubectl_reads(&specs)) {
        let ours = as_we_read(spec);
        let same = match (&theirs, &ours) {
            (Ok(theirs), Ok(ours)) => theirs == ours,
            (Err(_), Err(_)) => true,
            _ => false,
        };
        let known = different.contains(name);
        match (same, known) {
            (true, false) | (false, true) => {}
            (false, false) => wrong.push(format!("{name:?}: kubectl {theirs:?}, we {ours:?}")),
            (true, true) => wrong.push(format!("{name:?}: the same now; take it off the list")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
