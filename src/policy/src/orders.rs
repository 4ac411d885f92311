//! Orders: the clusters through which an exchange is tried on one target after the other.
//!
//! An order is named by what it is, a hash of its targets' ids, and not by its place in the file: a name never changes its meaning. An
//! exchange that began under one file ends, while another file takes effect, with the targets of the first or with none.

use sha2::{Digest as _, Sha256};

use crate::event::hex;

/// Digits of a name.
const DIGITS: usize = 16;

/// The name of the order of these targets, by their ids.
pub fn order_name<'t>(ids: impl Iterator<Item = &'t str>) -> String {
    let mut hash = Sha256::new();
    for id in ids {
        hash.update(id.as_bytes());
        hash.update([0]);
    }
    let digits = hex(&hash.finalize());
    format!("kt_order_{}", digits.get(..DIGITS).unwrap_or_default())
}

/// The Envoy cluster that tries target number `first` of an order and then its others.
pub fn order_cluster(name: &str, first: usize) -> String {
    format!("{name}.{first}")
}

/// The order of which a cluster is.
pub(crate) fn order_of(cluster: &str) -> &str {
    cluster.split_once('.').map_or("", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_targets_are_another_order() {
        let name = |ids: &[&str]| order_name(ids.iter().copied());
        let orders = [
            &["a", "b"][..],
            &["b", "a"],
            &["ab"],
            &["a"],
            &["a", "b", "c"],
            &[],
        ];
        for (at, one) in orders.iter().enumerate() {
            for other in orders.iter().skip(at + 1) {
                assert_ne!(name(one), name(other));
            }
            assert_eq!(name(one).len(), "kt_order_".len() + DIGITS);
            assert_eq!(order_of(&order_cluster(&name(one), 3)), name(one));
        }
    }
}
