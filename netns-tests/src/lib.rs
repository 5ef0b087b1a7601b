//! The harness of the tests that need root, of the benchmark and of the demo.
//!
//! A test is a function in a table ([`harness`]). It runs in a [`sandbox`], a whole node of its own, makes pods
//! ([`netns`]), other nodes ([`node`], or whole ones, [`machine`]) and networks ([`fabric`]), calls a plugin as a runtime does ([`network`], or the reference runtime's own
//! tool, [`cnitool`], or a container [`engine`]), and then looks at the kernel, the files ([`snapshot`]) and the traffic ([`probe`]).
//! The same tests run against podnet and against the reference plugins ([`subject`]): a test that the reference fails
//! is either wrong or a difference that has to be explained.

pub mod cnitool;
pub mod dropin;
pub mod engine;
pub mod fabric;
pub mod failure;
pub mod fleet;
pub mod harness;
pub mod installed;
pub mod ipamd;
pub mod machine;
pub mod masq;
pub mod netns;
pub mod network;
pub mod node;
pub mod observed;
pub mod origin;
pub mod parallel;
pub mod probe;
pub mod process;
pub mod reply;
pub mod rows;
pub mod samples;
pub mod sandbox;
pub mod sctp;
pub mod seccomp;
pub mod snapshot;
pub mod stand_in;
pub mod subject;
pub mod talk;
pub mod tools;
pub mod tracer;
pub mod view;
pub mod wait;
pub mod watch;
