//! Components written by hand: one frame, in which a test sets what `generate` does.

use std::fmt::Write as _;

/// Where the answer of `generate` lies: `result` at 0, its payload at 4. All zero is an empty contribution.
pub(crate) const ANSWER: u32 = 0x400;
/// Where [`Guest::data`] lies.
pub(crate) const DATA: u32 = 0x1000;
const NAME: u32 = 0x10;
const DESCRIPTOR: u32 = 0x100;

/// A component under construction.
#[derive(Default)]
pub(crate) struct Guest {
    generate: String,
    globals: String,
    data: String,
    wasi: String,
    wasi_core: String,
    core_imports: String,
}

impl Guest {
    /// `body` is the core code of `generate`; it leaves nothing on the stack.
    pub(crate) fn new(body: &str) -> Self {
        Self {
            generate: body.to_owned(),
            ..Self::default()
        }
    }

    /// Answers with `json` as the workflow.
    pub(crate) fn answering(json: &str) -> Self {
        Self::new(&some_text(4, DATA, json.len())).data(json)
    }

    /// Bytes at [`DATA`].
    pub(crate) fn data(mut self, text: &str) -> Self {
        let escaped = text.bytes().fold(String::new(), |mut all, byte| {
            let _ = write!(all, "\\{byte:02x}");
            all
        });
        self.data = format!(r#"(data (i32.const {DATA}) "{escaped}")"#);
        self
    }

    /// More of the core module: globals, tables, memories, functions.
    pub(crate) fn globals(mut self, wat: &str) -> Self {
        wat.clone_into(&mut self.globals);
        self
    }

    /// Imports of the component, how they are lowered, and how the core module takes them (from `"w"`).
    pub(crate) fn wasi(mut self, component: &str, lowered: &str, core: &str) -> Self {
        component.clone_into(&mut self.wasi);
        lowered.clone_into(&mut self.wasi_core);
        core.clone_into(&mut self.core_imports);
        self
    }

    /// The same component, doing something else.
    pub(crate) fn with_body(mut self, body: &str) -> Self {
        body.clone_into(&mut self.generate);
        self
    }

    /// The component's bytes.
    pub(crate) fn wasm(&self) -> Vec<u8> {
        let wat = self.wat("testbench:phase/generator@0.1.0");
        wat::parse_str(&wat).unwrap()
    }

    /// The component's text, exporting the generator under `export`.
    pub(crate) fn wat(&self, export: &str) -> String {
        let Self {
            generate,
            globals,
            data,
            wasi,
            wasi_core,
            core_imports,
        } = self;
        let descriptor = descriptor();
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
  {wasi}
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
  {wasi_core}
  (core module $main
    (import "libc" "memory" (memory 64))
    (import "host" "log" (func $log (param i32 i32 i32)))
    (import "host" "object-name" (func $object_name (param i32 i32 i32)))
    {core_imports}
    (data (i32.const {NAME}) "wat0.0.1{{}}")
    (data (i32.const {DESCRIPTOR}) "{descriptor}")
    {data}
    {globals}
    (func (export "describe") (result i32) (i32.const {DESCRIPTOR}))
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
            with_wasi = if wasi_core.is_empty() {
                ""
            } else {
                r#"(with "w" (instance $w))"#
            },
        )
    }
}

/// Core code that writes `some(text)` at `offset` of the answer.
pub(crate) fn some_text(offset: u32, at: u32, length: usize) -> String {
    let option = ANSWER + offset;
    format!(
        "(i32.store8 (i32.const {option}) (i32.const 1))
         (i32.store (i32.const {}) (i32.const {at}))
         (i32.store (i32.const {}) (i32.const {length}))",
        option + 4,
        option + 8,
    )
}

/// name `wat`, version `0.0.1`, settings schema `{}`, nothing else.
fn descriptor() -> String {
    let mut words = vec![NAME, 3, NAME + 3, 5, NAME + 8, 2];
    words.extend([0; 9]);
    words
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .fold(String::new(), |mut all, byte| {
            let _ = write!(all, "\\{byte:02x}");
            all
        })
}
