//! What both daemons share: logging, metrics and health endpoints, signals.
