//! The built binary from outside: offline, in seconds.
