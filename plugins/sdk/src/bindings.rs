//! The WIT world as Rust: all generated code of a plugin lives here.
#![allow(
    missing_docs,
    unsafe_code,
    unreachable_pub,
    reason = "generated: the contract's own words document it, and crossing the component boundary is unsafe"
)]

wit_bindgen::generate!({
    path: "../../wit/0.1",
    world: "phase-plugin",
    pub_export_macro: true,
    default_bindings_module: "testbench_plugin_sdk::bindings",
    additional_derives: [Clone, PartialEq],
});
