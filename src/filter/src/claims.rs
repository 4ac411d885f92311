//! What an exchange takes of the limits: the shell around [`kt_policy::limits`].

use kt_policy::{
    CallerIds, ErrorReply,
    limits::{Accounts, Limit, Limits, Most, Room, Scope, Standing, Standings, Taken, Unit},
};

use crate::{head::Head, host};

/// Accounts of a limit are spread over so many places, so that few workers change the same one.
const PLACES: u64 = 64;
/// Limits that count money or tokens of a caller without a name.
const NOBODY: &str = "";

/// What one exchange holds.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    exchange: u64,
    /// Limits by their place, with the account.
    held: Vec<(usize, u64)>,
    pub(crate) standings: Standings,
}

impl Claims {
    /// `exchange` is a number that no other exchange has.
    pub(crate) fn new(exchange: u64) -> Self {
        Self {
            exchange,
            ..Self::default()
        }
    }

    /// Counts the request where requests are limited.
    pub(crate) fn count(&mut self, limits: &Limits, caller: &Caller<'_>) -> Result<(), ErrorReply> {
        for limit in &limits.limits {
            if limit.unit == Unit::Requests
                && let Some(account) = caller.account(&limit.scope)
            {
                self.ask(limit, account, 1, 0)?;
            }
        }
        Ok(())
    }

    /// Holds the most that the exchange can take of everything else. If one limit refuses, nothing is held of the others.
    pub(crate) fn hold(
        &mut self,
        limits: &Limits,
        caller: &Caller<'_>,
        most: &Most,
    ) -> Result<(), ErrorReply> {
        let expires_us = host::now_us() + limits.hold_seconds * 1_000_000;
        for (place, limit) in limits.limits.iter().enumerate() {
            if limit.unit == Unit::Requests {
                continue;
            }
            let Some(account) = caller.account(&limit.scope) else {
                continue;
            };
            let asked = self.ask(limit, account, most.in_unit(limit.unit), expires_us);
            if asked.is_err() {
                self.settle(limits, |_| Some(0));
                return asked;
            }
            self.held.push((place, account));
        }
        Ok(())
    }

    fn ask(
        &mut self,
        limit: &Limit,
        account: u64,
        amount: u128,
        expires_us: u64,
    ) -> Result<(), ErrorReply> {
        let room = room(limit);
        let exchange = self.exchange;
        let asked = change(limit, account, |accounts| {
            accounts.hold(account, exchange, amount, expires_us, &room)
        });
        let asked = asked.ok_or_else(ErrorReply::engine_unavailable)?;
        let left = asked.unwrap_or_else(|refusal| refusal.left);
        let standing = Standing {
            max: limit.max,
            left,
            reset_us: room.rest_us(),
        };
        self.standings.note(limit.unit, standing);
        asked
            .map(|_| ())
            .map_err(|refusal| ErrorReply::over_limit(limit, &refusal))
    }

    /// Says what the exchange took.
    pub(crate) fn settle_by(&mut self, limits: &Limits, taken: &Taken) {
        self.settle(limits, |unit| taken.in_unit(unit));
    }

    fn settle(&mut self, limits: &Limits, taken: impl Fn(Unit) -> Option<u128>) {
        for (place, account) in self.held.drain(..) {
            let Some(limit) = limits.limits.get(place) else {
                continue;
            };
            let (room, exchange) = (room(limit), self.exchange);
            change(limit, account, |accounts| {
                accounts.settle(account, exchange, taken(limit.unit), &room);
            });
        }
    }

    /// Whether anything is held.
    pub(crate) fn is_open(&self) -> bool {
        !self.held.is_empty()
    }
}

fn room(limit: &Limit) -> Room {
    Room {
        max: limit.max,
        window_us: limit.window_seconds * 1_000_000,
        now_us: host::now_us(),
    }
}

/// Changes the accounts beside which `account` lies. `None` when they cannot be read or written.
fn change<T>(limit: &Limit, account: u64, mut change: impl FnMut(&mut Accounts) -> T) -> Option<T> {
    let key = format!("kt.limit.{}.{}", limit.id, account % PLACES);
    host::update(&key, |bytes| {
        let read = bytes.map_or_else(|| Some(Accounts::default()), Accounts::from_bytes);
        match read {
            Some(mut accounts) => {
                let result = change(&mut accounts);
                (accounts.to_bytes(), Some(result))
            }
            None => (bytes.unwrap_or_default().to_vec(), None),
        }
    })
    .flatten()
}

/// Who asks.
pub(crate) struct Caller<'c> {
    pub(crate) head: &'c Head,
    pub(crate) ids: &'c CallerIds,
    /// Whose key the request has, where there are consumers.
    pub(crate) consumer: Option<&'c str>,
    /// The class of its limits.
    pub(crate) limited: usize,
}

impl Caller<'_> {
    /// The account of the caller under a scope; none where the scope is not the caller's. Callers that do not say who they are
    /// share one.
    fn account(&self, scope: &Scope) -> Option<u64> {
        let name = match scope {
            Scope::Global => return Some(0),
            Scope::Consumer { class } if *class != self.limited => return None,
            Scope::Consumer { .. } => self.consumer.map(str::to_owned),
            Scope::Ip { depth } => self.address(*depth),
            Scope::User { headers } => headers.iter().find_map(|name| self.head.get(name)),
            Scope::Key => match self.consumer {
                Some(id) => Some(id.to_owned()),
                None => self.head.get("authorization"),
            },
        };
        Some(self.ids.number(name.as_deref().unwrap_or(NOBODY)))
    }

    /// The address that sent the request, or the one that the outermost of `depth` trusted proxies saw.
    fn address(&self, depth: u32) -> Option<String> {
        let peer = || {
            let address = host::property(&["source", "address"])?;
            Some(
                address
                    .rsplit_once(':')
                    .map_or(address.clone(), |(address, _)| address.to_owned()),
            )
        };
        let nth = usize::try_from(depth).ok()?.checked_sub(1);
        let forwarded = nth.and_then(|nth| {
            let list = self.head.get("x-forwarded-for")?;
            list.rsplit(',')
                .nth(nth)
                .map(|address| address.trim().to_owned())
        });
        forwarded.or_else(peer)
    }
}
