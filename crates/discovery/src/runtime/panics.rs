//! Panics, as far as the log can tell them.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// What `act` gives, or the words of its panic.
///
/// Whoever calls it answers for what `act` leaves half done: here a map that is whole after every single step, where
/// at worst one object stays as it was.
pub(super) fn caught<T>(act: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(act)).map_err(|panic| words(&*panic))
}

/// What a panic says.
pub(super) fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    format!("it panicked: {}", text.unwrap_or("without words"))
}
