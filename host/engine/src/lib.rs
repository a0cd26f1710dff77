//! Sandboxed execution of phase plugins: a façade over wasmtime.
