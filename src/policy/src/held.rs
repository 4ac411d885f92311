//! How much of bodies one worker holds, so that nobody fills the memory by sending and never ending.
//!
//! When there is no more room, the oldest upload that has had its time makes some: first one of the same client, if that
//! has more than its half. Whoever sends a small request, or a large one without delay, is served meanwhile.

use std::collections::{BTreeMap, BTreeSet};

/// From here on a body counts for its client.
const LARGE: usize = 64 * 1024;
/// An upload that is not done after this, in microseconds, may have to make room.
const GRACE_US: u64 = 2_000_000;

/// What all exchanges of a worker hold.
#[derive(Debug)]
pub struct Held {
    limit: usize,
    total: usize,
    clients: BTreeMap<String, usize>,
    /// By their number, which grows, so the oldest is first.
    bodies: BTreeMap<u32, Body>,
    evicted: BTreeSet<u32>,
}

#[derive(Debug)]
struct Body {
    bytes: usize,
    client: Option<String>,
    began_us: u64,
    is_complete: bool,
}

/// Whether there is room for a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// There is.
    Enough,
    /// When this other exchange is ended; ask again then.
    After(u32),
    /// There is none.
    Nothing,
}

impl Held {
    /// At most `limit` bytes are held.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            total: 0,
            clients: BTreeMap::new(),
            bodies: BTreeMap::new(),
            evicted: BTreeSet::new(),
        }
    }

    /// Changes the limit. What is held already stays.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Says that `exchange` holds `bytes` now. Exchanges have growing numbers.
    pub fn hold(
        &mut self,
        exchange: u32,
        bytes: usize,
        now_us: u64,
        client: impl FnOnce() -> String,
    ) -> Room {
        let body = self.bodies.entry(exchange).or_insert(Body {
            bytes: 0,
            client: None,
            began_us: now_us,
            is_complete: false,
        });
        let before = std::mem::replace(&mut body.bytes, bytes);
        self.total = (self.total + bytes).saturating_sub(before);
        let mut counted = before;
        if bytes >= LARGE && body.client.is_none() {
            body.client = Some(client());
            counted = 0;
        }
        let client = body.client.clone();
        if let Some(client) = &client {
            let sum = self.clients.entry(client.clone()).or_default();
            *sum = (*sum + bytes).saturating_sub(counted);
        }
        self.room(exchange, client.as_deref(), now_us)
    }

    fn room(&mut self, exchange: u32, client: Option<&str>, now_us: u64) -> Room {
        let of_client = client.and_then(|client| self.clients.get(client));
        let is_greedy = of_client.is_some_and(|bytes| *bytes > self.limit / 2);
        if !is_greedy && self.total <= self.limit {
            return Room::Enough;
        }
        let oldest = self
            .bodies
            .iter()
            .take_while(|(_, body)| body.began_us + GRACE_US < now_us)
            .find(|(_, body)| !body.is_complete && (!is_greedy || body.client.as_deref() == client))
            .map(|(exchange, _)| *exchange);
        match oldest {
            Some(oldest) if oldest != exchange => {
                self.release(oldest);
                self.evicted.insert(oldest);
                Room::After(oldest)
            }
            _ => {
                self.release(exchange);
                Room::Nothing
            }
        }
    }

    /// The whole body is there: what it waits for is not its client's to delay.
    pub fn complete(&mut self, exchange: u32) {
        if let Some(body) = self.bodies.get_mut(&exchange) {
            body.is_complete = true;
        }
    }

    /// Nothing is held for `exchange` any more.
    pub fn release(&mut self, exchange: u32) {
        let Some(body) = self.bodies.remove(&exchange) else {
            return;
        };
        self.total = self.total.saturating_sub(body.bytes);
        let Some(client) = body.client else { return };
        if let Some(sum) = self.clients.get_mut(&client) {
            *sum = sum.saturating_sub(body.bytes);
            if *sum == 0 {
                self.clients.remove(&client);
            }
        }
    }

    /// Ends the account of `exchange`. True if it had to make room for others.
    pub fn end(&mut self, exchange: u32) -> bool {
        self.release(exchange);
        self.evicted.remove(&exchange)
    }

    /// How many bytes are held.
    pub fn total(&self) -> usize {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;
    const SECOND: u64 = 1_000_000;

    fn client(name: &'static str) -> impl FnOnce() -> String {
        move || name.to_owned()
    }

    #[test]
    fn an_attacker_gets_half_and_others_their_share() {
        let mut held = Held::new(64 * MIB);
        let refused = (0..250)
            .filter(|exchange| {
                held.hold(*exchange, 8 * MIB - 100, 0, client("mallory")) != Room::Enough
            })
            .count();
        assert_eq!(refused, 246);
        assert!(held.total() <= 32 * MIB);
        assert_eq!(
            held.hold(300, 8 * MIB, SECOND, client("alice")),
            Room::Enough
        );
        // Small ones go on until the whole is used up, whoever sends them.
        assert_eq!(
            held.hold(301, 1000, SECOND, client("mallory")),
            Room::Enough
        );
    }

    #[test]
    fn old_uploads_make_room_for_new_ones_of_the_same_client() {
        let mut held = Held::new(64 * MIB);
        for exchange in 0..4 {
            assert_eq!(held.hold(exchange, 8 * MIB, 0, client("x")), Room::Enough);
        }
        assert_eq!(
            held.hold(4, 8 * MIB, 3 * SECOND, client("x")),
            Room::After(0)
        );
        assert_eq!(held.hold(4, 8 * MIB, 3 * SECOND, client("x")), Room::Enough);
        assert!(held.end(0) && !held.end(0));
        assert_eq!(held.total(), 32 * MIB);
    }

    #[test]
    fn what_waits_for_its_answer_is_not_ended() {
        let mut held = Held::new(16 * MIB);
        assert_eq!(held.hold(0, 8 * MIB, 0, client("x")), Room::Enough);
        held.complete(0);
        assert_eq!(
            held.hold(1, 8 * MIB, 9 * SECOND, client("x")),
            Room::Nothing
        );
        assert_eq!(held.total(), 8 * MIB);
        held.release(0);
        assert_eq!(held.hold(2, 8 * MIB, 9 * SECOND, client("x")), Room::Enough);
    }

    #[test]
    fn a_growing_body_counts_once() {
        let mut held = Held::new(64 * MIB);
        for bytes in [1000, 40_000, 70_000, 200_000, MIB] {
            assert_eq!(held.hold(7, bytes, 0, client("x")), Room::Enough);
            assert_eq!(held.total(), bytes);
        }
        assert_eq!(held.clients.get("x"), Some(&MIB));
        held.end(7);
        assert_eq!(
            (held.total(), held.clients.len(), held.bodies.len()),
            (0, 0, 0)
        );
    }

    #[test]
    fn many_small_bodies_are_bounded_too() {
        let mut held = Held::new(MIB);
        let kept = (0..10_000)
            .filter(|exchange| held.hold(*exchange, 1000, 0, client("x")) == Room::Enough)
            .count();
        assert_eq!(kept, 1048);
        assert!(held.total() <= MIB);
    }
}
