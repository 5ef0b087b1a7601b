//! Configuration files: YAML or JSON, as upstream, Azure's v2 and its merger read them.
//!
//! Where upstream (v1) and Azure's agent (v2) take the same file differently, nothing is masqueraded by accident:
//!
//! | a file | v1 | v2 | here |
//! |---|---|---|---|
//! | empty, only comments | default ranges | no ranges | default ranges |
//! | without `nonMasqueradeCIDRs` | default ranges | no ranges | default ranges, unless another file lists some |
//! | `nonMasqueradeCIDRs:` null or `[]` | no ranges | no ranges | no ranges, with a warning |
//! | a null item | a default range in its place | exit | the file is bad |
//! | `nonMasqueradeCIDRs` mistyped, and absent | default ranges, silently | no ranges, silently | the file is bad |
//! | another unknown key | ignored, silently | ignored, silently | ignored, with a warning and the nearest known key |
//! | a range twice | two rules | one rule | one rule, with a warning |
//! | several files, in which order | one file only | another each cycle | by file name |
//! | `resyncInterval` that is no duration | the file is bad | ignored | ignored, with a warning |
//! | `resyncInterval` below 1s | busy loop | ignored | 1s, with a warning |
//! | `cidrLimit` | obeyed | ignored, 64 | obeyed |
//! | IPv4 written as IPv6 | no rules at all | exit | the file is bad |
//! | a bad file | no repair until it is mended | exit | the last good rules, else those of the good files, else defaults |

mod document;
mod duration;
mod file;
mod finding;
mod merge;
mod nearest;

pub use file::{File, Listed, Reading, SIZE_LIMIT, read};
pub use finding::{Finding, Problem};
pub use merge::merge;

#[cfg(test)]
mod tests;
