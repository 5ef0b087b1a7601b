//! Logs: to stderr, which a runtime keeps when the command succeeds, or to a file where the configuration names one.
//! What ends a command is said in its error object, never here alone.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Mutex;

use podnet_cni::json::decode;
use serde::Deserialize;
use serde_json::Value;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

/// The members of a network configuration that logging reads; who checks the configuration complains of them.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct LogConf {
    log_level: Level,
    log_file: Option<PathBuf>,
}

/// Sets up logging as the configuration says. A file that cannot be opened is no reason to leave a pod without
/// network: logs then go to stderr, the first of them saying so.
pub(crate) fn init(config: &Value) {
    let LogConf { log_level, log_file } = decode(config).unwrap_or_default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(log_level.0).with_ansi(false).with_target(false);
    let opened =
        log_file.as_ref().map(|path| File::options().append(true).create(true).open(path)).transpose();
    let (writer, failure) = match opened {
        Ok(Some(file)) => (BoxMakeWriter::new(Mutex::new(file)), None),
        Ok(None) => (BoxMakeWriter::new(std::io::stderr), None),
        Err(error) => (BoxMakeWriter::new(std::io::stderr), Some(error)),
    };
    // Only a second call in one process could fail.
    subscriber.with_writer(writer).try_init().ok();
    if let Some(error) = failure {
        tracing::warn!(%error, logFile = ?log_file, "cannot open the log file");
    }
}

/// How much to log: `logLevel`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Level(LevelFilter);

impl Default for Level {
    fn default() -> Self {
        Self(LevelFilter::WARN)
    }
}

impl TryFrom<String> for Level {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let levels = ["off", "error", "warn", "info", "debug", "trace"];
        let level = levels.contains(&text.as_str()).then(|| text.parse().ok()).flatten();
        level.map(Self).ok_or_else(|| format!("{text:?} is none of {}", levels.join(", ")))
    }
}
