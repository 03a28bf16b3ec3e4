//! The built binary from outside: offline, in seconds.

mod docs;
