//! The pool: states of addresses, assignment, cool-down, scaling; no clock, no I/O.
