use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use testbench_core::alone::Request;
use testbench_engine::{Cost, Limits};
use testbench_testkit::read_request;

use super::{load, megabytes};
use crate::{CommandError, Verdict, failed, print};

/// Measure a plugin on this machine: its size, how long it takes to load and to call, and its memory, beside the limits.
///
/// To load is to compile, once for each version of a component. A call is what each reconcile of an Experiment costs.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The component.
    file: PathBuf,
    /// The request to call it with, a `request.yaml` of a case; by default, the base of an Experiment.
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    /// How often.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    calls: u32,
}

pub(super) async fn run(args: Args) -> Result<Verdict, CommandError> {
    let Args {
        file,
        request,
        calls,
    } = args;
    let request = match request {
        Some(file) => read_request(&file).map_err(failed)?,
        None => Request::default(),
    };
    let start = Instant::now();
    let plugin = load(&file).await?;
    let loaded = start.elapsed();
    let mut costs = Vec::new();
    for _ in 0..calls {
        let answer = plugin.answer(&request).await;
        // A refusal is an answer, and costs what it costs.
        match (answer.cost, answer.result) {
            (Some(cost), _) => costs.push(cost),
            (None, Err(error)) => return Err(failed(error)),
            (None, Ok(_)) => {}
        }
    }
    print(&table(plugin.plugin().size(), loaded, &costs))?;
    Ok(Verdict::Good)
}

fn table(size: usize, loaded: Duration, costs: &[Cost]) -> String {
    let limits = Limits::default();
    let mut walls: Vec<_> = costs.iter().map(|cost| cost.wall).collect();
    walls.sort();
    let quantile = |percent: usize| walls[(walls.len() - 1) * percent / 100];
    let memory = costs.iter().map(|cost| cost.memory).max().unwrap_or(0);
    let mut text = String::new();
    let mut row = |name: &str, found: String, limit: String| {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{name:<18}{found:>12}{limit}");
    };
    let of = |limit: String| format!("   limit {limit}");
    row("size", megabytes(size), String::new());
    row("load", milliseconds(loaded), String::new());
    for (name, percent) in [("call, median", 50), ("call, 99 of 100", 99)] {
        let limit = format!("{} ms of CPU", limits.cpu.as_millis());
        row(name, milliseconds(quantile(percent)), of(limit));
    }
    row(
        "memory, most",
        mebibytes(memory),
        of(mebibytes(limits.memory)),
    );
    text
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

fn mebibytes(bytes: usize) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one digit is shown")]
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    format!("{mebibytes:.1} MiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_stand_beside_their_limits() {
        let cost = |milliseconds, memory| Cost {
            wall: Duration::from_millis(milliseconds),
            memory,
        };
        let costs = [cost(3, 1 << 20), cost(1, 3 << 19), cost(2, 1 << 20)];
        let expected = "\
size                    1.6 MB
load                 250.00 ms
call, median           2.00 ms   limit 200 ms of CPU
call, 99 of 100        2.00 ms   limit 200 ms of CPU
memory, most           1.5 MiB   limit 64.0 MiB
";
        assert_eq!(
            table(1_600_000, Duration::from_millis(250), &costs),
            expected
        );
    }
}
