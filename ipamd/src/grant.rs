pub mod allocator;
pub mod decide;
pub mod ledger;
pub mod name;
pub mod observed;
pub mod round;
pub mod settings;
pub mod state;
pub mod subnet;

#[cfg(test)]
mod tests;
