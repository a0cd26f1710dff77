;; A component of contract 0.1, written by hand, as it was on the day when wit/0.1/ was frozen. Nothing makes this file, and nothing
;; may change it: what it says has to load, and to be understood, for as long as a host speaks 0.1.
;;
;; It has all of 0.1. Its descriptor fills every field, except `requires`, which would make it unusable. `generate` logs the four
;; parts of its request, one at each level, and answers as its settings say: with everything that a contribution can hold for {},
;; with a failure for {"answer":"rejected"} and {"answer":"waiting"}.
;;
;; It also has what toolchains add: the interface `types` as an import, and exports that are not part of the contract.
(component
  (import "testbench:phase/types@0.1.0" (instance $types
    (type $gvk' (record
      (field "api-version" string)
      (field "kind" string)))
    (export "gvk" (type $gvk (eq $gvk')))
    (type $descriptor' (record
      (field "name" string)
      (field "version" string)
      (field "settings-schema" string)
      (field "requires" (list string))
      (field "inputs" (list string))
      (field "creates" (list $gvk))
      (field "ext" (option string))))
    (export "descriptor" (type (eq $descriptor')))
    (type $request' (record
      (field "phase" string)
      (field "namespace" string)
      (field "settings" string)
      (field "input" string)))
    (export "request" (type (eq $request')))
    (type $manifest' (record
      (field "key" string)
      (field "kind" $gvk)
      (field "body" string)))
    (export "manifest" (type $manifest (eq $manifest')))
    (type $severity' (enum "info" "warning"))
    (export "severity" (type $severity (eq $severity')))
    (type $diagnostic' (record
      (field "severity" $severity)
      (field "code" string)
      (field "message" string)
      (field "path" (option string))))
    (export "diagnostic" (type $diagnostic (eq $diagnostic')))
    (type $contribution' (record
      (field "workflow" (option string))
      (field "objects" (list $manifest))
      (field "diagnostics" (list $diagnostic))
      (field "ext" (option string))))
    (export "contribution" (type (eq $contribution')))
    (type $failure-kind' (enum "rejected" "waiting"))
    (export "failure-kind" (type $failure-kind (eq $failure-kind')))
    (type $failure' (record
      (field "kind" $failure-kind)
      (field "diagnostics" (list $diagnostic))
      (field "ext" (option string))))
    (export "failure" (type (eq $failure')))))
  (import "testbench:phase/host@0.1.0" (instance $host
    (type $level' (enum "debug" "info" "warn" "error"))
    (export "level" (type $level (eq $level')))
    (export "log" (func (param "level" $level) (param "message" string)))
    (export "object-name" (func (param "key" string) (result string)))
    (export "literal" (func (param "text" string) (result string)))))
  (alias export $types "descriptor" (type $descriptor))
  (alias export $types "request" (type $request))
  (alias export $types "contribution" (type $contribution))
  (alias export $types "failure" (type $failure))

  ;; Memory, and room in it for what the host passes.
  (core module $libc
    (memory (export "memory") 16)
    (global $free (mut i32) (i32.const 0x8000))
    (func (export "realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (global.get $free))
      (global.set $free
        (i32.and (i32.add (i32.add (global.get $free) (local.get $size)) (i32.const 7)) (i32.const -8)))
      (local.get $at)))
  (core instance $libc (instantiate $libc))
  (core func $log (canon lower (func $host "log") (memory (core memory $libc "memory"))))
  (core func $object-name (canon lower (func $host "object-name")
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core func $literal (canon lower (func $host "literal")
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))

  (core module $main
    (import "libc" "memory" (memory 16))
    (import "host" "log" (func $log (param $level i32) (param $text i32) (param $length i32)))
    (import "host" "object-name" (func $object-name (param $key i32) (param $length i32) (param $result i32)))
    (import "host" "literal" (func $literal (param $text i32) (param $length i32) (param $result i32)))

    ;; Texts, each with its length behind it.
    (data (i32.const 0x1000) "frozen")                                        ;; 6
    (data (i32.const 0x1010) "1.2.3-rc.1")                                    ;; 10
    (data (i32.const 0x1020) "{\"properties\":{\"answer\":{\"enum\":[\"rejected\",\"waiting\"]}},\"additionalProperties\":false}") ;; 86
    (data (i32.const 0x1080) "scenarios")                                     ;; 9
    (data (i32.const 0x1090) "env")                                           ;; 3
    (data (i32.const 0x10a0) "v1")                                            ;; 2
    (data (i32.const 0x10b0) "ConfigMap")                                     ;; 9
    (data (i32.const 0x10c0) "tests.testkube.io/v1")                          ;; 20
    (data (i32.const 0x10e0) "TestTrigger")                                   ;; 11
    (data (i32.const 0x10f0) "{\"of\":\"0.1\"}")                              ;; 12
    (data (i32.const 0x1100) "report")                                        ;; 6
    (data (i32.const 0x1110) "trigger")                                       ;; 7
    (data (i32.const 0x1120) "{\"data\":{\"report.json\":\"{}\"}}")           ;; 29
    (data (i32.const 0x1140) "Warned")                                        ;; 6
    (data (i32.const 0x1150) "look at the variables")                         ;; 21
    (data (i32.const 0x1170) "/input/env")                                    ;; 10
    (data (i32.const 0x1180) "Typed")                                         ;; 5
    (data (i32.const 0x1190) "a {{ b }} c")                                   ;; 11
    (data (i32.const 0x1200) "{\"content\":{\"files\":[{\"path\":\"/data/report.json\",\"contentFrom\":{\"configMapKeyRef\":{\"name\":\"") ;; 91
    (data (i32.const 0x1280) "\",\"key\":\"report.json\"}}}]}}")              ;; 27
    (data (i32.const 0x12a0) "{\"spec\":{\"settings\":")                      ;; 20
    (data (i32.const 0x12c0) ",\"input\":")                                   ;; 9
    (data (i32.const 0x12d0) "}}")                                            ;; 2

    ;; Where texts of several parts are put together.
    (global $end (mut i32) (i32.const 0x2000))

    (func $append (param $from i32) (param $length i32)
      (memory.copy (global.get $end) (local.get $from) (local.get $length))
      (global.set $end (i32.add (global.get $end) (local.get $length))))

    ;; A string, or a list, at `$at`.
    (func $put (param $at i32) (param $from i32) (param $length i32)
      (i32.store (local.get $at) (local.get $from))
      (i32.store offset=4 (local.get $at) (local.get $length)))

    ;; The string from `$from` to what was appended last.
    (func $put-appended (param $at i32) (param $from i32)
      (call $put (local.get $at) (local.get $from) (i32.sub (global.get $end) (local.get $from))))

    ;; An optional string that is there.
    (func $put-some (param $at i32) (param $from i32) (param $length i32)
      (i32.store8 (local.get $at) (i32.const 1))
      (call $put (i32.add (local.get $at) (i32.const 4)) (local.get $from) (local.get $length)))

    ;; The descriptor at 0x100, `inputs` at 0x180, `creates` at 0x1c0.
    (func (export "describe") (result i32)
      (call $put (i32.const 0x180) (i32.const 0x1080) (i32.const 9))
      (call $put (i32.const 0x188) (i32.const 0x1090) (i32.const 3))
      (call $put (i32.const 0x1c0) (i32.const 0x10a0) (i32.const 2))
      (call $put (i32.const 0x1c8) (i32.const 0x10b0) (i32.const 9))
      (call $put (i32.const 0x1d0) (i32.const 0x10c0) (i32.const 20))
      (call $put (i32.const 0x1d8) (i32.const 0x10e0) (i32.const 11))
      (call $put (i32.const 0x100) (i32.const 0x1000) (i32.const 6))       ;; name
      (call $put (i32.const 0x108) (i32.const 0x1010) (i32.const 10))      ;; version
      (call $put (i32.const 0x110) (i32.const 0x1020) (i32.const 86))      ;; settings-schema
      (call $put (i32.const 0x118) (i32.const 0) (i32.const 0))            ;; requires
      (call $put (i32.const 0x120) (i32.const 0x180) (i32.const 2))        ;; inputs
      (call $put (i32.const 0x128) (i32.const 0x1c0) (i32.const 2))        ;; creates
      (call $put-some (i32.const 0x130) (i32.const 0x10f0) (i32.const 12)) ;; ext
      (i32.const 0x100))

    ;; Two diagnostics at 0x300: one of each severity, with a path and without.
    (func $diagnostics
      (i32.store8 (i32.const 0x300) (i32.const 1))                          ;; warning
      (call $put (i32.const 0x304) (i32.const 0x1140) (i32.const 6))        ;; code
      (call $put (i32.const 0x30c) (i32.const 0x1150) (i32.const 21))       ;; message
      (call $put-some (i32.const 0x314) (i32.const 0x1170) (i32.const 10))  ;; path
      (i32.store8 (i32.const 0x320) (i32.const 0))                          ;; info
      (call $put (i32.const 0x324) (i32.const 0x1180) (i32.const 5))        ;; code
      (call $literal (i32.const 0x1190) (i32.const 11) (i32.const 0x32c)))  ;; message; no path

    ;; The workflow, appended: a file from the object `report`, by the name that the host gives it.
    (func $workflow
      (call $object-name (i32.const 0x1100) (i32.const 6) (i32.const 0x600))
      (call $append (i32.const 0x1200) (i32.const 91))
      (call $append (i32.load (i32.const 0x600)) (i32.load (i32.const 0x604)))
      (call $append (i32.const 0x1280) (i32.const 27)))

    ;; The body of `trigger`, appended: settings and input as they came.
    (func $body (param $settings i32) (param $settings-length i32) (param $input i32) (param $input-length i32)
      (call $append (i32.const 0x12a0) (i32.const 20))
      (call $append (local.get $settings) (local.get $settings-length))
      (call $append (i32.const 0x12c0) (i32.const 9))
      (call $append (local.get $input) (local.get $input-length))
      (call $append (i32.const 0x12d0) (i32.const 2)))

    ;; Two objects at 0x400.
    (func $objects (param $settings i32) (param $settings-length i32) (param $input i32) (param $input-length i32)
      (local $from i32)
      (call $put (i32.const 0x400) (i32.const 0x1100) (i32.const 6))        ;; key
      (call $put (i32.const 0x408) (i32.const 0x10a0) (i32.const 2))        ;; kind
      (call $put (i32.const 0x410) (i32.const 0x10b0) (i32.const 9))
      (call $put (i32.const 0x418) (i32.const 0x1120) (i32.const 29))       ;; body
      (call $put (i32.const 0x420) (i32.const 0x1110) (i32.const 7))        ;; key
      (call $put (i32.const 0x428) (i32.const 0x10c0) (i32.const 20))       ;; kind
      (call $put (i32.const 0x430) (i32.const 0x10e0) (i32.const 11))
      (local.set $from (global.get $end))
      (call $body (local.get $settings) (local.get $settings-length) (local.get $input) (local.get $input-length))
      (call $put-appended (i32.const 0x438) (local.get $from)))             ;; body

    ;; The answer at 0x200: which of the two it is, and at 0x204 a contribution …
    (func $contribution (param $settings i32) (param $settings-length i32) (param $input i32) (param $input-length i32)
      (local $from i32)
      (i32.store8 (i32.const 0x200) (i32.const 0))
      (local.set $from (global.get $end))
      (call $workflow)
      (i32.store8 (i32.const 0x204) (i32.const 1))
      (call $put-appended (i32.const 0x208) (local.get $from))              ;; workflow
      (call $objects (local.get $settings) (local.get $settings-length) (local.get $input) (local.get $input-length))
      (call $put (i32.const 0x210) (i32.const 0x400) (i32.const 2))         ;; objects
      (call $put (i32.const 0x218) (i32.const 0x300) (i32.const 2))         ;; diagnostics
      (call $put-some (i32.const 0x220) (i32.const 0x10f0) (i32.const 12))) ;; ext

    ;; … or a failure.
    (func $failure (param $kind i32)
      (i32.store8 (i32.const 0x200) (i32.const 1))
      (i32.store8 (i32.const 0x204) (local.get $kind))                      ;; kind
      (call $put (i32.const 0x208) (i32.const 0x300) (i32.const 2))         ;; diagnostics
      (call $put-some (i32.const 0x210) (i32.const 0x10f0) (i32.const 12))) ;; ext

    (func (export "generate")
      (param $phase i32) (param $phase-length i32) (param $namespace i32) (param $namespace-length i32)
      (param $settings i32) (param $settings-length i32) (param $input i32) (param $input-length i32)
      (result i32)
      (call $log (i32.const 0) (local.get $phase) (local.get $phase-length))
      (call $log (i32.const 1) (local.get $namespace) (local.get $namespace-length))
      (call $log (i32.const 2) (local.get $settings) (local.get $settings-length))
      (call $log (i32.const 3) (local.get $input) (local.get $input-length))
      (call $diagnostics)
      (if (i32.eq (local.get $settings-length) (i32.const 2))
        (then
          (call $contribution
            (local.get $settings) (local.get $settings-length) (local.get $input) (local.get $input-length)))
        (else
          ;; {"answer":"w…
          (call $failure (i32.eq (i32.load8_u offset=11 (local.get $settings)) (i32.const 0x77)))))
      (i32.const 0x200))

    (func (export "init")))
  (core instance $main (instantiate $main
    (with "libc" (instance $libc))
    (with "host" (instance
      (export "log" (func $log))
      (export "object-name" (func $object-name))
      (export "literal" (func $literal))))))

  (func $describe (result $descriptor) (canon lift (core func $main "describe")
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (func $generate (param "req" $request) (result (result $contribution (error $failure))) (canon lift (core func $main "generate")
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (instance $generator (export "describe" (func $describe)) (export "generate" (func $generate)))
  (export "testbench:phase/generator@0.1.0" (instance $generator))

  (func $init (canon lift (core func $main "init")))
  (export "init" (func $init))
  (instance $exports (export "init" (func $init)))
  (export "exports" (instance $exports)))
