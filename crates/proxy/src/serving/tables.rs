//! What becomes of tables that are replaced.

use std::sync::Arc;

use mesh_config::Configuration;

use super::start;

#[tokio::test]
async fn a_table_is_freed_as_soon_as_it_is_replaced_unless_somebody_uses_it() {
    let running = start(|_| {});
    let used = running.table();
    running.publish(&Configuration::default());
    // The second one is the compiler's: it frees the table, and not who uses it last.
    assert_eq!(Arc::strong_count(&used), 2);
    let unused = Arc::downgrade(&running.table());
    running.publish(&Configuration::default());
    assert_eq!(unused.strong_count(), 0);
}
