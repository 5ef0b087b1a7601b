//! The contract of Azure's CNS, as it was recorded: whatever server speaks it answers so.
//!
//! By default podnet-ipamd is asked, started for the purpose. `CNS_URL=http://HOST:PORT` names another server, whose pool
//! must have two addresses free: a CNS is so compared with what was recorded, and podnet-ipamd with both.

#[cfg(test)]
mod http;
#[cfg(test)]
mod pattern;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod server;
