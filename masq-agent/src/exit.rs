//! Exit codes: what went wrong, for scripts and unit files.

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// It did what it was asked to.
    Done = 0,
    /// Rules could not be read or written: the kernel refused, or others held the lock for too long.
    Failed = 1,
    /// Unknown flags or words, or flags with values that cannot be.
    Usage = 2,
    /// A configuration file is bad, or the directory cannot be read.
    Configuration = 3,
    /// No iptables or nft on this node, or a kernel without their tables.
    NoBackend = 4,
    /// The chain belongs to another program.
    ForeignChain = 5,
    /// `show`: the rules found are not the rules wanted.
    Different = 6,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
