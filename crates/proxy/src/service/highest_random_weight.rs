//! The same service for the same client, as long as it can serve.

use std::net::IpAddr;

use smallvec::SmallVec;

use super::{Asking, Pick, Share};

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
        let weighty = self.shares.iter().filter(|share| share.weight > 0);
        let mut order: SmallVec<[(f64, &Share); 8]> = weighty
            .map(|share| (score(asking.client, &share.written, share.weight), share))
            .collect();
        order.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        order.iter().find_map(|(_, share)| share.pick(asking))
    }
}

/// Who has the highest score among all gets the client: shares come out by weight, and only the clients of a service
/// that goes away move.
fn score(client: IpAddr, member: &str, weight: u32) -> f64 {
    let client = client.to_canonical().to_string();
    let hash = client
        .bytes()
        .chain(member.bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    #[expect(clippy::cast_precision_loss, reason = "a place in the unit interval")]
    let place = (mixed(hash) as f64 + 1.0) / (u64::MAX as f64 + 2.0);
    f64::from(weight) / -place.ln()
}

/// Spreads every bit over all: names that differ in their last letter would else have nearly the same score.
fn mixed(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}
