//! The contract as Rust types, generated from `wit/`. They stay inside this crate: what goes out is in [`crate::contract`].

#![allow(missing_docs, reason = "generated; the WIT file documents every item")]
#![allow(clippy::all, reason = "generated")]

wasmtime::component::bindgen!({
    path: "../../wit/0.1",
    world: "phase-plugin",
    imports: { default: trappable },
    exports: { default: async },
});
