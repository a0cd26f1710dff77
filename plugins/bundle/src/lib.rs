//! The bundled phases as component bytes.
