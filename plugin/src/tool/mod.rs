//! The node's tool: what podnet is when a person runs it with arguments.

mod cached;
mod check;
mod conf;
mod conf_dir;
mod doctor;
mod gc;
mod list;
mod request;
mod table;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use podnet_cni::Version;

use crate::outcome::Outcome;

/// Where the plugins are, by convention.
const BIN_DIR: &str = "/opt/cni/bin";

/// The pod network of a Kubernetes node: the CNI plugin's tool.
///
/// Without arguments podnet is the plugin itself, which a container runtime starts with CNI_* variables and a network
/// configuration on stdin.
#[derive(Debug, Parser)]
#[command(name = "podnet", version, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print this version and the CNI versions that it speaks
    Version {
        #[command(flatten)]
        output: Output,
    },
    /// List the pods on this node: network, container, interface, addresses, host link
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Compare every pod with what its ADD made: every difference, exit code 1 where there is one
    Check {
        /// The pods of this network only
        #[arg(long)]
        network: Option<String>,
        /// Where IPAM plugins are that have to be asked
        #[arg(long, value_name = "DIR", default_value = BIN_DIR)]
        bin_dir: PathBuf,
        #[command(flatten)]
        output: Output,
    },
    /// Remove what is left of a network's dead pods
    Gc {
        #[command(flatten)]
        options: gc::Options,
        #[command(flatten)]
        output: Output,
    },
    /// Find what keeps pods from getting a network or from reaching each other; exit code 1 where there is something
    Doctor {
        #[command(flatten)]
        options: doctor::Options,
        #[command(flatten)]
        output: Output,
    },
    /// Check a network configuration file: every error and every unknown member
    Conf {
        /// A .conflist or .conf file; - for stdin
        file: PathBuf,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Debug, clap::Args)]
struct Output {
    /// How to print
    #[arg(long = "output", short = 'o', value_enum, default_value_t = Form::Table)]
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people
    Table,
    /// For programs
    Json,
}

/// Runs the command that the arguments name.
pub(crate) fn run(arguments: impl Iterator<Item = OsString>) -> Outcome {
    match Cli::try_parse_from(arguments) {
        Ok(Cli { command: Command::Version { output } }) => Outcome::success(version(output.form)),
        Ok(Cli { command: Command::List { output } }) => list::run(output.form),
        Ok(Cli { command: Command::Check { network, bin_dir, output } }) => {
            check::run(network.as_deref(), bin_dir, output.form)
        }
        Ok(Cli { command: Command::Gc { options, output } }) => gc::run(&options, output.form),
        Ok(Cli { command: Command::Doctor { options, output } }) => doctor::run(&options, output.form),
        Ok(Cli { command: Command::Conf { file, output } }) => conf::run(&file, output.form),
        Err(error) if error.use_stderr() => {
            Outcome { code: 2, ..Outcome::complaint(error.render().to_string()) }
        }
        Err(help) => Outcome::success(help.render().to_string()),
    }
}

fn version(form: Form) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let protocols = Version::SUPPORTED.map(|version| version.to_string());
    match form {
        Form::Table => format!("podnet {version}\nCNI {}\n", protocols.join(", ")),
        Form::Json => json(&serde_json::json!({"version": version, "cniVersions": protocols})),
    }
}

/// A document for programs, readable by people.
fn json(document: &serde_json::Value) -> String {
    format!("{document:#}\n")
}

/// What a command could not do, a line each.
fn complaints(command: &str, failures: &[String]) -> String {
    failures.iter().map(|failure| format!("podnet {command}: {failure}\n")).collect::<Vec<_>>().concat()
}
