//! Tells operators when an object breaks and when it is mended; not again with every table.

use mesh_config::{Kind, Origin, QualifiedName};
use tracing::{info, warn};

/// Logs what changed between the errors of an object in the last table and in this one.
pub(super) fn tell(kind: Kind, name: &QualifiedName, origin: &Origin, before: &[String], now: &[String]) {
    tell_places(kind, name, |_| origin.clone(), before, now);
}

/// The same for an object that knows the place of each error.
pub(super) fn tell_places(
    kind: Kind,
    name: &QualifiedName,
    place: impl Fn(&str) -> Origin,
    before: &[String],
    now: &[String],
) {
    for error in now.iter().filter(|error| !before.contains(error)) {
        let origin = place(error);
        warn!(%kind, %name, %origin, %error, "object cannot be used as it is written");
    }
    if now.is_empty() && !before.is_empty() {
        info!(%kind, %name, "object is in order again");
    }
}
