//! `podnet-ipamd grant` as a process, against an API server in memory.

#[cfg(test)]
mod access;
#[cfg(test)]
mod controller;
#[cfg(test)]
mod stage;
