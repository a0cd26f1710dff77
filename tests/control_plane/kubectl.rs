//! YAML means to `render` what it means to kubectl.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;
use testbench_core::yaml;

use super::{by_value, control_plane};

/// The `spec` that kubectl reads in `text`, or why it does not. With --local, it asks no server.
fn as_kubectl_reads(text: &str) -> Result<Value, String> {
    let mut kubectl = Command::new(control_plane().kubectl())
        .args([
            "label",
            "--local",
            "-o",
            "json",
            "-f",
            "-",
            "read-by=kubectl",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = kubectl.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).unwrap();
    drop(stdin);
    let output = kubectl.wait_with_output().unwrap();
    if !output.status.success() {
        return Err(String::from_utf8(output.stderr).unwrap());
    }
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    Ok(by_value(object["spec"].clone()))
}

fn as_we_read(text: &str) -> Result<Value, String> {
    let documents = yaml::parse(text).map_err(|error| error.to_string())?;
    Ok(by_value(documents[0].value["spec"].clone()))
}

/// What we do read differently, each of them odd enough to be nobody's; whoever makes one the same takes it off.
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
    // To kubectl, a key is a scalar like any other, and then a text again: `n` becomes `false`, `0x1F` becomes `31`.
    "n: …",
    "y: …",
    "on: …",
    "no: …",
    "True: …",
    "01: …",
    "0777: …",
    "0x1F: …",
    "1.0: …",
    "1e3: …",
    ".5: …",
    "1_000: …",
    "9223372036854775808: …",
];

fn object(spec: &str) -> String {
    format!("apiVersion: example.com/v1\nkind: Thing\nmetadata: {{name: x}}\nspec: {spec}\n")
}

#[test]
fn scalars_mean_what_they_mean_to_kubectl() {
    let values = [
        "0777",
        "0o17",
        "0O17",
        "0x1F",
        "0X1f",
        "0b11",
        "0B11",
        "-0x1F",
        "-0777",
        "+0777",
        "1_000",
        "1_",
        "_1",
        "0x_1F",
        "08",
        "09",
        "00",
        "+1",
        "-0",
        "-0.0",
        "1.0",
        "1.",
        ".5",
        "-.5",
        "+.5",
        "1e3",
        "1E3",
        "1e+3",
        "1e-3",
        "1.5e300",
        "1e400",
        ".e3",
        "1_0.5",
        "0.1_0",
        "9007199254740993",
        "9007199254740993.0",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775808",
        "-9223372036854775809",
        "123456789012345678901234567890",
        "0xFFFFFFFFFFFFFFFF",
        "0x1FFFFFFFFFFFFFFFF",
        "07777777777777777777777777",
        "0.1",
        "0.30000000000000004",
        "1.7976931348623157e308",
        "5e-324",
        "100000000000000000000",
        "1e21",
        "123456789.125",
        "y",
        "Y",
        "n",
        "N",
        "yes",
        "Yes",
        "YES",
        "no",
        "No",
        "NO",
        "on",
        "On",
        "ON",
        "off",
        "Off",
        "OFF",
        "true",
        "True",
        "TRUE",
        "tRUE",
        "false",
        "False",
        "FALSE",
        "yEs",
        "~",
        "null",
        "Null",
        "NULL",
        "nULL",
        "",
        "''",
        "2001-12-14",
        "2001-12-14t21:59:43.10-05:00",
        "2001-12-14 21:59:43.10 -5",
        "1:30",
        "190:20:30",
        "1:30.5",
        "12e03",
        "1.2.3",
        "0.0.0.0",
        "-",
        "=",
        "<<",
        "0x",
        "0o",
        "0o8",
        "0b2",
        "1e",
        "e3",
        "+",
        ".",
        "..",
        "1__0",
        "'1'",
        "\"yes\"",
        "v1",
        "!!str 1",
        "!!str yes",
        "!!int \"1\"",
        "!!int '0777'",
        "!!float 1",
        "!!float \"1\"",
        "!!bool \"yes\"",
        "!!bool yes",
        "!!null \"\"",
        "!!null x",
        "! 1",
        "!custom x",
        "!!timestamp 2001-12-14",
        "!!binary aGk=",
        ".inf",
        "-.inf",
        ".nan",
        ".Inf",
        "+.inf",
        "infinity",
        "nan",
        "NaN",
        "Inf",
        "|\n  text\n",
        ">\n  a\n  b\n",
        "\"\\x41\\u00e4\\t\"",
        "a # comment",
        "a#b",
        "[a, b, ]",
        "{a: , b}",
        "{a: 1, <<: {b: 2}}",
        "\n  base: &base {a: 1}\n  more: {<<: *base, b: 2}",
        "\n  - &x 1\n  - *x",
    ];
    compare(values.map(|value| (value.to_owned(), object(value))));
}

#[test]
fn keys_mean_what_they_mean_to_kubectl() {
    let keys = [
        "n",
        "y",
        "on",
        "no",
        "true",
        "True",
        "false",
        "null",
        "~",
        "1",
        "01",
        "0777",
        "0x1F",
        "1.0",
        "1e3",
        ".5",
        "1_000",
        "9223372036854775808",
        "2001-12-14",
        "'n'",
        "\"1\"",
        "!!str n",
        "? a\n ",
        "''",
    ];
    compare(keys.map(|key| {
        (
            format!("{key}: …"),
            object(&format!("\n  {key}: x\n  other: z")),
        )
    }));
}

/// (what it is called, the document)
fn compare(cases: impl IntoIterator<Item = (String, String)>) {
    let mut wrong = Vec::new();
    for (name, text) in cases {
        let (theirs, ours) = (as_kubectl_reads(&text), as_we_read(&text));
        let same = match (&theirs, &ours) {
            (Ok(theirs), Ok(ours)) => theirs == ours,
            (Err(_), Err(_)) => true,
            _ => false,
        };
        let known = DIFFERENT.contains(&name.as_str());
        match (same, known) {
            (true, false) | (false, true) => {}
            (false, false) => wrong.push(format!("{name:?}: kubectl {theirs:?}, we {ours:?}")),
            (true, true) => wrong.push(format!("{name:?}: the same now; take it off the list")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
