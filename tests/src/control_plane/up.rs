//! A control plane by hand.

use std::path::Path;
use std::time::Instant;

use super::supervisor::end_of_input;
use super::{ControlPlane, StartError};

/// Starts a control plane, prints the path of its kubeconfig, and keeps it until Ctrl-C or the end of standard input.
///
/// # Errors
///
/// As [`ControlPlane::start`].
pub fn up(binary: &Path) -> Result<(), StartError> {
    let started = Instant::now();
    let control_plane = ControlPlane::start(binary)?;
    println!("{}", control_plane.kubeconfig().display());
    eprintln!(
        "\nStarted in {:.1} s. In another terminal:\n\n    export KUBECONFIG={}\n    {} get namespaces\n\nLogs, the audit log too, are in {}. Ctrl-C ends it all, and removes that folder.",
        started.elapsed().as_secs_f64(),
        control_plane.kubeconfig().display(),
        control_plane.kubectl().display(),
        control_plane.folder().display(),
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| StartError(format!("failed to start a runtime: {error}")))?;
    runtime.block_on(async {
        tokio::select! {
            _ = end_of_input() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    });
    Ok(())
}
