//! The bundled phases as component bytes, built with the workspace and part of whatever links this crate.

/// A component that comes with the host.
#[derive(Clone, Copy, Debug)]
pub struct Bundled {
    /// The slot that it fills; `template` stands for `bundled: template` of PhasePlugins, and fills none of its own.
    pub phase: &'static str,
    /// The component.
    pub wasm: &'static [u8],
}

macro_rules! bundled {
    ($($phase:literal),+ $(,)?) => {
        &[$(Bundled {
            phase: $phase,
            wasm: include_bytes!(concat!(env!("OUT_DIR"), "/testbench-plugin-", $phase, ".wasm")),
        }),+]
    };
}

/// The bundled phases in slot order, and `template`.
pub const fn bundled() -> &'static [Bundled] {
    bundled![
        "experiment",
        "workflow",
        "setup",
        "run",
        "evaluate",
        "publish",
        "visualize",
        "trigger",
        "template",
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component's preamble; that of a core module differs in the second half.
    const COMPONENT: [u8; 8] = [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];

    #[test]
    fn every_phase_is_a_component_that_tells_nothing_of_the_machine() {
        for Bundled { phase, wasm } in bundled() {
            assert!(wasm.starts_with(&COMPONENT), "{phase}");
            for place in [env!("CARGO_MANIFEST_DIR"), env!("OUT_DIR"), "registry/src"] {
                let found = wasm
                    .windows(place.len())
                    .any(|bytes| bytes == place.as_bytes());
                assert!(!found, "{phase} holds {place}");
            }
        }
    }
}
