use std::io::Write as _;

use crate::{CommandError, Verdict, failed};

pub(crate) fn run() -> Result<Verdict, CommandError> {
    let yaml = testbench_api::experiment_crd_yaml().map_err(failed)?;
    std::io::stdout()
        .write_all(yaml.as_bytes())
        .map_err(failed)?;
    Ok(Verdict::Good)
}
