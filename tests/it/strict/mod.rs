//! What Mesh makes of bytes: raw ones through the binary, to a server that keeps what it got.
//!
//! A row is what a client sends, what it gets, and what the server may see of it. After each row another client
//! asks for something and gets its own answer, so that no row leaves anything behind on a connection.

mod answer;
mod answers;
mod caller;
mod conversation;
mod differential;
mod early;
mod framing;
mod head;
mod message;
mod odd;
mod pipelining;
mod recorder;
mod reuse;
mod slow;
mod stand;
mod target;
mod trust;
mod upgrades;
mod versions;

use self::{
    answer::Answer,
    caller::{Caller, End},
    message::Message,
    recorder::{Act, Recorder},
    stand::{Row, Stand},
};
