//! Components written by hand: one frame, in which a test sets what `generate` does.

use std::fmt::Write as _;

use serde::Deserialize;

/// Where the answer of `generate` lies: `result` at 0, its payload at 4. All zero is an empty contribution.
pub const ANSWER: u32 = 0x400;
/// Where [`Guest::data`] lies.
pub const DATA: u32 = 0x1000;
const NAME: u32 = 0x10;
const DESCRIPTOR: u32 = 0x100;
const SCHEMA: u32 = 0x30000;
/// Where the answer's workflow lies.
const WORKFLOW: u32 = ANSWER + 4;

/// A component under construction.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Guest {
    /// Core code of `generate`; it leaves nothing on the stack.
    generate: String,
    /// Core code of `describe`, before it answers.
    describe: String,
    /// More of the core module: globals, tables, memories, functions.
    globals: String,
    /// Bytes at [`DATA`].
    data: String,
    /// The settings schema.
    schema: String,
    /// Imports of the component.
    imports: String,
    /// How they are lowered, into an instance `$w`.
    lowered: String,
    /// How the core module takes them, from `"w"`.
    core_imports: String,
    /// The name under which it exports the generator.
    export: String,
}

impl Default for Guest {
    fn default() -> Self {
        Self {
            generate: String::new(),
            describe: String::new(),
            globals: String::new(),
            data: String::new(),
            schema: "{}".to_owned(),
            imports: String::new(),
            lowered: String::new(),
            core_imports: String::new(),
            export: "testbench:phase/generator@0.1.0".to_owned(),
        }
    }
}

impl Guest {
    /// `body` is the core code of `generate`; it leaves nothing on the stack.
    #[must_use]
    pub fn new(body: &str) -> Self {
        Self::default().with_body(body)
    }

    /// Answers with `json` as the workflow.
    #[must_use]
    pub fn answering(json: &str) -> Self {
        Self::new(&answer(DATA, json.len())).data(json)
    }

    /// Bytes at [`DATA`].
    #[must_use]
    pub fn data(mut self, text: &str) -> Self {
        text.clone_into(&mut self.data);
        self
    }

    /// More of the core module: globals, tables, memories, functions.
    #[must_use]
    pub fn globals(mut self, wat: &str) -> Self {
        wat.clone_into(&mut self.globals);
        self
    }

    /// Imports of the component, how they are lowered, and how the core module takes them (from `"w"`).
    #[must_use]
    pub fn wasi(mut self, component: &str, lowered: &str, core: &str) -> Self {
        component.clone_into(&mut self.imports);
        lowered.clone_into(&mut self.lowered);
        core.clone_into(&mut self.core_imports);
        self
    }

    /// The same component, doing something else.
    #[must_use]
    pub fn with_body(mut self, body: &str) -> Self {
        body.clone_into(&mut self.generate);
        self
    }

    /// The same component under another name.
    #[must_use]
    pub fn exported_as(mut self, export: &str) -> Self {
        export.clone_into(&mut self.export);
        self
    }

    /// The component's bytes.
    ///
    /// # Errors
    ///
    /// Where its parts make no component.
    pub fn wasm(&self) -> Result<Vec<u8>, wat::Error> {
        wat::parse_str(self.wat())
    }

    fn wat(&self) -> String {
        let Self {
            generate,
            describe,
            globals,
            data,
            schema,
            imports,
            lowered,
            core_imports,
            export,
        } = self;
        let (descriptor, data, schema) = (
            descriptor(schema.len()),
            escape(data.as_bytes()),
            escape(schema.as_bytes()),
        );
        format!(
            r#"(component
  (import "testbench:phase/types@0.1.0" (instance $types
    (type (record (field "api-version" string) (field "kind" string)))
    (export "gvk" (type $gvk (eq 0)))
    (type $descriptor' (record (field "name" string) (field "version" string) (field "settings-schema" string)
      (field "requires" (list string)) (field "inputs" (list string)) (field "creates" (list $gvk)) (field "ext" (option string))))
    (export "descriptor" (type (eq $descriptor')))
    (type $request' (record (field "phase" string) (field "namespace" string) (field "settings" string) (field "input" string)))
    (export "request" (type (eq $request')))
    (type $manifest' (record (field "key" string) (field "kind" $gvk) (field "body" string)))
    (export "manifest" (type $manifest (eq $manifest')))
    (type $severity' (enum "info" "warning"))
    (export "severity" (type $severity (eq $severity')))
    (type $diagnostic' (record (field "severity" $severity) (field "code" string) (field "message" string) (field "path" (option string))))
    (export "diagnostic" (type $diagnostic (eq $diagnostic')))
    (type $contribution' (record (field "workflow" (option string)) (field "objects" (list $manifest))
      (field "diagnostics" (list $diagnostic)) (field "ext" (option string))))
    (export "contribution" (type (eq $contribution')))
    (type $kind' (enum "rejected" "waiting"))
    (export "failure-kind" (type $kind (eq $kind')))
    (type $failure' (record (field "kind" $kind) (field "diagnostics" (list $diagnostic)) (field "ext" (option string))))
    (export "failure" (type (eq $failure')))))
  (import "testbench:phase/host@0.1.0" (instance $host
    (type $level' (enum "debug" "info" "warn" "error"))
    (export "level" (type $level (eq $level')))
    (export "log" (func (param "level" $level) (param "message" string)))
    (export "object-name" (func (param "key" string) (result string)))))
  {imports}
  (alias export $types "descriptor" (type $descriptor))
  (alias export $types "request" (type $request))
  (alias export $types "contribution" (type $contribution))
  (alias export $types "failure" (type $failure))
  (core module $libc
    (memory (export "memory") 64)
    (global $heap (mut i32) (i32.const 0x40000))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (global.get $heap))
      (global.set $heap (i32.and (i32.add (i32.add (global.get $heap) (local.get 3)) (i32.const 7)) (i32.const -8)))
      (local.get $at)))
  (core instance $libc (instantiate $libc))
  (core func $log (canon lower (func $host "log") (memory (core memory $libc "memory"))))
  (core func $name (canon lower (func $host "object-name") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  {lowered}
  (core module $main
    (import "libc" "memory" (memory 64))
    (import "host" "log" (func $log (param i32 i32 i32)))
    (import "host" "object-name" (func $object_name (param i32 i32 i32)))
    {core_imports}
    (data (i32.const {NAME}) "wat0.0.1")
    (data (i32.const {DESCRIPTOR}) "{descriptor}")
    (data (i32.const {DATA}) "{data}")
    (data (i32.const {SCHEMA}) "{schema}")
    (global $data i32 (i32.const {DATA}))
    (func $answer (param $at i32) (param $length i32)
      (i32.store8 (i32.const {WORKFLOW}) (i32.const 1))
      (i32.store offset=4 (i32.const {WORKFLOW}) (local.get $at))
      (i32.store offset=8 (i32.const {WORKFLOW}) (local.get $length)))
    {globals}
    (func (export "describe") (result i32)
      {describe}
      (i32.const {DESCRIPTOR}))
    (func (export "generate") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
      {generate}
      (i32.const {ANSWER})))
  (core instance $main (instantiate $main
    (with "libc" (instance $libc))
    (with "host" (instance (export "log" (func $log)) (export "object-name" (func $name))))
    {with_wasi}))
  (func $describe (result $descriptor)
    (canon lift (core func $main "describe") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (func $generate (param "req" $request) (result (result $contribution (error $failure)))
    (canon lift (core func $main "generate") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (instance $generator (export "describe" (func $describe)) (export "generate" (func $generate)))
  (export "{export}" (instance $generator)))"#,
            with_wasi = if lowered.is_empty() {
                ""
            } else {
                r#"(with "w" (instance $w))"#
            },
        )
    }
}

/// Core code that answers with the text at `at` as the workflow.
#[must_use]
pub fn answer(at: u32, length: usize) -> String {
    format!("(call $answer (i32.const {at}) (i32.const {length}))")
}

/// name `wat`, version `0.0.1`, a settings schema of this length, nothing else.
fn descriptor(schema: usize) -> String {
    let schema = u32::try_from(schema).unwrap_or(u32::MAX);
    let mut words = vec![NAME, 3, NAME + 3, 5, SCHEMA, schema];
    words.extend([0; 9]);
    let bytes: Vec<_> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    escape(&bytes)
}

/// As a string of WAT.
fn escape(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut all, byte| {
        let _ = write!(all, "\\{byte:02x}");
        all
    })
}
