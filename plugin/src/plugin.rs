//! What a CNI plugin does: one function a command of the protocol.
//!
//! The program is several plugins: podnet ([`crate::cmd::Podnet`]), and those that it takes the place of
//! ([`crate::dropin`]). What they have in common (environment, stdin, versions, errors, logs) is done before and after.

use podnet_cni::{Attachment, Network, Version};

use crate::error::Error;

/// A CNI plugin. The requests that it gets are whole: `netns` is not empty, the version allows the command.
pub(crate) trait Plugin {
    /// The name that people know it by.
    fn name(&self) -> &'static str;

    /// The first version of the protocol that it knows.
    fn oldest_version(&self) -> Version {
        Version::V0_1_0
    }

    /// ADD; gives the result in the configuration's version, as JSON.
    fn add(&self, attachment: &Attachment, netns: &str) -> Result<String, Error>;

    /// CHECK.
    fn check(&self, attachment: &Attachment, netns: &str) -> Result<(), Error>;

    /// DEL. Also called after an ADD whose result could not be delivered, then without `netns`.
    fn del(&self, attachment: &Attachment, netns: Option<&str>) -> Result<(), Error>;

    /// GC.
    fn gc(&self, network: &Network) -> Result<(), Error>;

    /// STATUS.
    fn status(&self, network: &Network) -> Result<(), Error>;
}
