//! Case folders for phase plugins: input.yaml in, expected.yaml out.
