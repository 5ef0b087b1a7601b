//! Structured logs on stderr: a line an event, `TIME LEVEL MESSAGE key=value …`.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;

/// A library that logs what its caller is told anyway, and says.
const ECHO: &str = "kube_client";

/// Sends the process's events of `level` and above to stderr, each with one write(2); what cannot be written is lost.
/// Does nothing the second time.
pub fn to_stderr(level: LevelFilter) {
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(false)
        .with_target(false)
        // It would be reported on stderr, which is what failed, and end the process.
        .log_internal_errors(false)
        .with_writer(std::io::stderr)
        .finish()
        .with(Targets::new().with_default(level).with_target(ECHO, LevelFilter::OFF));
    // Fails only where a subscriber is set already.
    tracing::subscriber::set_global_default(subscriber).ok();
}
