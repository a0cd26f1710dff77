//! A real Kubernetes control plane, by hand, and what tests start it with.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use testbench_tests::control_plane::{self, Ports};

/// A real Kubernetes control plane: etcd, API server and controller manager. Its programs come from `make control-plane`.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start one, print the path of its kubeconfig, and keep it until Ctrl-C or the end of standard input.
    Up,
    /// Start one for the process at the other end of standard input.
    #[command(hide = true)]
    Supervise {
        /// Of etcd, of etcd for its peers, of the API server: tried before free ones are looked for. Tests give ports that
        /// are taken.
        #[arg(long, num_args = 3, value_names = ["ETCD", "PEER", "APISERVER"])]
        first_ports: Option<Vec<u16>>,
    },
    /// Become a program that ends with the process PARENT.
    #[command(hide = true)]
    Tied {
        parent: u32,
        program: PathBuf,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    let up = || {
        let binary = std::env::current_exe().map_err(|error| error.to_string())?;
        control_plane::up(&binary).map_err(|error| error.to_string())
    };
    match Arguments::parse().command {
        Command::Up => match up() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        },
        Command::Supervise { first_ports } => control_plane::supervise(first_ports.map(ports)),
        Command::Tied {
            parent,
            program,
            arguments,
        } => control_plane::tied(parent, &program, &arguments),
    }
}

/// clap counts them.
fn ports(ports: Vec<u16>) -> Ports {
    let port = |which: usize| ports.get(which).copied().unwrap_or_default();
    Ports {
        etcd: port(0),
        etcd_peer: port(1),
        apiserver: port(2),
    }
}
