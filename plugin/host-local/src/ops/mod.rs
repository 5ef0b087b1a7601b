//! What the plugin does with addresses: one operation a file.

pub(crate) mod allocate;
pub(crate) mod allocate_error;
pub(crate) mod check;
pub(crate) mod find;
pub(crate) mod gc;
pub(crate) mod liveness;
pub(crate) mod probe;
pub(crate) mod release;
pub(crate) mod reservations;
pub(crate) mod status;
#[cfg(test)]
mod tests;
pub(crate) mod usage;
