//! The pool's journal and snapshot, and what is recovered from them.
