//! The accounts of one limit, as bytes that all workers change by compare-and-swap.

use std::collections::BTreeMap;

/// Accounts that lie together; whoever comes when all are in use shares the last one with others.
const MOST: usize = 1024;
/// The account of those for whom there is none.
const SHARED: u64 = u64::MAX;

/// What was taken of one account in a window, and what is held.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Account {
    /// Number of the window that `taken` is of.
    window: u64,
    taken: u128,
    holds: Vec<Hold>,
}

/// What an exchange may still take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hold {
    exchange: u64,
    amount: u128,
    expires_us: u64,
    /// In which window it was made.
    window: u64,
}

/// Some accounts of one limit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Accounts(BTreeMap<u64, Account>);

/// The limit that accounts are asked by, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// How much there is in a window.
    pub max: u128,
    /// Length of a window.
    pub window_us: u64,
    /// Now.
    pub now_us: u64,
}

/// There is too little left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// What is left.
    pub left: u128,
    /// When the window ends, in microseconds from now.
    pub wait_us: u64,
}

impl Room {
    fn window(&self) -> u64 {
        self.now_us / self.window_us.max(1)
    }

    /// How long the window goes on.
    pub fn rest_us(&self) -> u64 {
        let window = self.window_us.max(1);
        window - self.now_us % window
    }
}

impl Account {
    /// Ends windows and holds that are over.
    fn settle_time(&mut self, room: &Room) {
        let window = room.window();
        if self.window != window {
            self.window = window;
            self.taken = 0;
        }
        let taken = &mut self.taken;
        self.holds.retain(|hold| {
            let is_open = hold.expires_us > room.now_us;
            if !is_open && hold.window == window {
                *taken = taken.saturating_add(hold.amount);
            }
            is_open
        });
    }

    fn left(&self, room: &Room) -> u128 {
        let held = self.holds.iter().map(|hold| hold.amount);
        let used = held.fold(self.taken, u128::saturating_add);
        room.max.saturating_sub(used)
    }

    fn is_unused(&self) -> bool {
        self.taken == 0 && self.holds.is_empty()
    }
}

impl Accounts {
    /// Holds `amount` for an exchange until it is settled or expires. What is left is returned.
    pub fn hold(
        &mut self,
        whose: u64,
        exchange: u64,
        amount: u128,
        expires_us: u64,
        room: &Room,
    ) -> Result<u128, Refusal> {
        for account in self.0.values_mut() {
            account.settle_time(room);
        }
        self.0.retain(|_, account| !account.is_unused());
        let account = self.0.entry(self.place(whose)).or_default();
        account.settle_time(room);
        let left = account.left(room);
        if amount > left {
            let wait_us = room.rest_us();
            return Err(Refusal { left, wait_us });
        }
        account.holds.push(Hold {
            exchange,
            amount,
            expires_us,
            window: room.window(),
        });
        Ok(left - amount)
    }

    /// Ends what an exchange holds: it took `taken`, or all of it if that is not known. An exchange that holds nothing any
    /// more, since it expired, was taken for spent.
    pub fn settle(&mut self, whose: u64, exchange: u64, taken: Option<u128>, room: &Room) {
        for place in [whose, SHARED] {
            let Some(account) = self.0.get_mut(&place) else {
                continue;
            };
            account.settle_time(room);
            let held = account
                .holds
                .iter()
                .position(|hold| hold.exchange == exchange);
            if let Some(at) = held {
                let hold = account.holds.swap_remove(at);
                let taken = taken.unwrap_or(hold.amount);
                account.taken = account.taken.saturating_add(taken);
                return;
            }
        }
    }

    fn place(&self, whose: u64) -> u64 {
        if self.0.contains_key(&whose) || self.0.len() < MOST {
            whose
        } else {
            SHARED
        }
    }

    /// As bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.0.len() * 80);
        for (whose, account) in &self.0 {
            out.extend(whose.to_le_bytes());
            out.extend(account.window.to_le_bytes());
            out.extend(account.taken.to_le_bytes());
            out.extend((account.holds.len() as u64).to_le_bytes());
            for hold in &account.holds {
                out.extend(hold.exchange.to_le_bytes());
                out.extend(hold.amount.to_le_bytes());
                out.extend(hold.expires_us.to_le_bytes());
                out.extend(hold.window.to_le_bytes());
            }
        }
        out
    }

    /// From bytes of [`Self::to_bytes`]; `None` if they are anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let mut accounts = BTreeMap::new();
        while !reader.0.is_empty() {
            let whose = reader.number()?;
            let mut account = Account {
                window: reader.number()?,
                taken: reader.amount()?,
                holds: Vec::new(),
            };
            for _ in 0..reader.number()? {
                account.holds.push(Hold {
                    exchange: reader.number()?,
                    amount: reader.amount()?,
                    expires_us: reader.number()?,
                    window: reader.number()?,
                });
            }
            accounts.insert(whose, account);
        }
        Some(Self(accounts))
    }
}

struct Reader<'b>(&'b [u8]);

impl Reader<'_> {
    fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*number))
    }

    fn amount(&mut self) -> Option<u128> {
        let (amount, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u128::from_le_bytes(*amount))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOW_US: u64 = 1000;

    fn room(max: u128, now_us: u64) -> Room {
        Room {
            max,
            window_us: WINDOW_US,
            now_us,
        }
    }

    /// Takes something that needs no settling.
    fn take(
        accounts: &mut Accounts,
        whose: u64,
        amount: u128,
        room: &Room,
    ) -> Result<u128, Refusal> {
        accounts.hold(whose, 0, amount, 0, room)
    }

    fn kept(accounts: &Accounts) -> Accounts {
        let read = Accounts::from_bytes(&accounts.to_bytes());
        assert_eq!(read.as_ref(), Some(accounts));
        read.unwrap()
    }

    #[test]
    fn what_is_held_is_not_there_for_others() {
        let mut accounts = Accounts::default();
        assert_eq!(accounts.hold(1, 10, 60, 500, &room(100, 1)), Ok(40));
        accounts = kept(&accounts);
        let refused = Err(Refusal {
            left: 40,
            wait_us: 998,
        });
        assert_eq!(accounts.hold(1, 11, 41, 500, &room(100, 2)), refused);
        assert_eq!(
            accounts.hold(2, 11, 41, 500, &room(100, 2)),
            Ok(59),
            "another account"
        );
        accounts.settle(1, 10, Some(5), &room(100, 3));
        assert_eq!(accounts.hold(1, 12, 95, 500, &room(100, 3)), Ok(0));
        // Twice the same is nothing.
        accounts.settle(1, 10, Some(5), &room(100, 3));
        accounts.settle(1, 12, None, &room(100, 4));
        assert_eq!(
            take(&mut accounts, 1, 1, &room(100, 5)),
            Err(Refusal {
                left: 0,
                wait_us: 995
            })
        );
        assert_eq!(
            take(&mut accounts, 1, 100, &room(100, WINDOW_US)),
            Ok(0),
            "the next window"
        );
    }

    #[test]
    fn what_nobody_settles_counts_as_taken_and_ends_with_its_window() {
        let mut accounts = Accounts::default();
        accounts.hold(1, 10, 60, 500, &room(100, 1)).unwrap();
        assert!(take(&mut accounts, 1, 50, &room(100, 600)).is_err());
        assert_eq!(take(&mut accounts, 1, 100, &room(100, 1001)), Ok(0));
        // One that is still open counts in the next window too.
        accounts.hold(2, 20, 60, 1500, &room(100, 999)).unwrap();
        assert!(take(&mut accounts, 2, 50, &room(100, 1100)).is_err());
        assert_eq!(take(&mut accounts, 2, 100, &room(100, 1600)), Ok(0));
    }

    #[test]
    fn whoever_comes_when_all_accounts_are_in_use_shares_one() {
        let mut accounts = Accounts::default();
        for whose in 0..3 * MOST as u64 {
            let _ = accounts.hold(whose, whose + 1, 1, 900, &room(10, 1));
        }
        assert_eq!(accounts.0.len(), MOST + 1);
        assert!(
            take(&mut accounts, 5000, 1, &room(10, 2)).is_err(),
            "never more than is left"
        );
        accounts.settle(MOST as u64, MOST as u64 + 1, Some(0), &room(10, 3));
        assert!(take(&mut accounts, 5000, 1, &room(10, 4)).is_ok());
        assert!(take(&mut accounts, 5000, 1, &room(10, 1000)).is_ok());
        assert_eq!(accounts.0.len(), 1, "old accounts go");
    }

    proptest! {
        /// Whatever comes in whatever order: what was let through and has not been given back never exceeds the limit.
        #[test]
        fn nothing_interleaved_spends_more_than_there_is(steps in prop::collection::vec((0..4u8, 0..6usize, 0..40u128, 0..120u64), 1..120)) {
            let (max, mut now) = (100_u128, 0_u64);
            let mut accounts = Accounts::default();
            // Amounts by exchange: what is held, and when that ends; what was really taken, by window.
            let mut open: BTreeMap<u64, (u128, u64)> = BTreeMap::new();
            let mut taken: BTreeMap<u64, u128> = BTreeMap::new();
            for (at, (step, pick, amount, pause)) in steps.into_iter().enumerate() {
                now += pause;
                let room = room(max, now);
                let exchange = at as u64 + 1;
                match step {
                    0 | 1 => {
                        let expires = now + 300;
                        if accounts.hold(7, exchange, amount, expires, &room).is_ok() {
                            open.insert(exchange, (amount, expires));
                        }
                    }
                    _ => {
                        let nth = open.keys().nth(pick % open.len().max(1)).copied();
                        if let Some(nth) = nth {
                            let (held, expires) = open.remove(&nth).unwrap();
                            let spent = if step == 2 { None } else { Some(amount.min(held)) };
                            accounts.settle(7, nth, spent, &room);
                            let spent = if expires <= now { held } else { spent.unwrap_or(held) };
                            if expires > now {
                                *taken.entry(now / WINDOW_US).or_default() += spent;
                            }
                        }
                    }
                }
                let live = open.values().filter(|(_, expires)| *expires > now);
                let held: u128 = live.map(|(amount, _)| amount).sum();
                let spent = taken.get(&(now / WINDOW_US)).copied().unwrap_or(0);
                prop_assert!(held + spent <= max, "{held} + {spent}");
                accounts = kept(&accounts);
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(mut accounts) = Accounts::from_bytes(&bytes) {
                let _ = accounts.hold(1, 2, 3, 4, &room(5, 6));
                accounts.settle(1, 2, None, &room(5, 6));
            }
        }
    }
}
