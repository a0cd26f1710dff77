use std::io::Write as _;

use crate::{CommandError, Verdict, failed};

pub(crate) fn run() -> Result<Verdict, CommandError> {
    let crds = testbench_api::crds_yaml().map_err(failed)?;
    let documents: Vec<_> = crds.into_iter().map(|(_file, yaml)| yaml).collect();
    std::io::stdout()
        .write_all(documents.join("---\n").as_bytes())
        .map_err(failed)?;
    Ok(Verdict::Good)
}
