//! The same service for the same client, as long as it can serve.

use mesh_config::model::HashKey;
use smallvec::SmallVec;

use super::{Asking, Pick, Share, key, strategy::time_of, turn::mix};

/// Services that share clients.
#[derive(Debug)]
pub struct HighestRandomWeight {
    shares: Vec<Share>,
}

impl HighestRandomWeight {
    pub(crate) fn new(shares: Vec<Share>) -> Self {
        Self { shares }
    }

    /// The services and their shares.
    pub fn shares(&self) -> &[Share] {
        &self.shares
    }

    /// A server of the client's service; of the next one in its order when that has none left.
    pub(super) fn pick(&self, asking: &Asking<'_>) -> Option<Pick> {
        let client = key::of(&HashKey::ClientIp, asking);
        let weighty = self.shares.iter().filter(|share| share.weight > 0);
        let mut order: SmallVec<[(f64, &Share); 8]> = weighty
            .map(|share| {
                let number = mix(client ^ key::fnv(share.written.as_bytes()));
                (time_of(number, f64::from(share.weight)), share)
            })
            .collect();
        order.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        order.iter().find_map(|(_, share)| share.pick(asking))
    }
}
