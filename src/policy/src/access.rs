//! Who may ask for what, and which chain and targets an exchange gets: routes, consumers and groups of models.
//!
//! All of it follows from the operator's file and from five things of a request: method, path, headers, model and key. [`Access::caller`]
//! and [`Access::plan`] are pure functions of those. A client chooses no chain: where it has a key, the chain of its consumer goes before
//! that of a route.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    controls::Controls,
    error::ErrorReply,
    narrowing::Exception,
    policy::{PolicyConfig, PolicyKind},
};

/// `routes`, `consumers` and `model_groups`, resolved. Numbers are places: of chains in [`Access::chains`], of sets of targets in
/// [`Access::target_sets`], each counted from 1, with 0 for the file's own chain and for all targets.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Access {
    /// Chains beside `policies.chain`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chains: Vec<ChainConfig>,
    /// Sets of targets, by their places among the targets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub target_sets: Vec<Vec<usize>>,
    /// `routes`, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// What a request gets that no route matches.
    pub otherwise: Way,
    /// `consumers`; if there are any, every request needs a key.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub consumers: Vec<Consumer>,
    /// `model_groups`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub model_groups: Vec<ModelGroup>,
    /// Whether a model that no group has is refused.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub refuses_unknown_models: bool,
}

/// A chain with how far it is switched on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainConfig {
    /// The policies.
    pub policies: Vec<PolicyConfig>,
    /// Beside their own settings.
    #[serde(default, skip_serializing_if = "Controls::is_empty")]
    pub controls: Controls,
}

/// What a request gets.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Way {
    /// The chain, by the class of the consumer: those of one class have the same `chain` of their own, those of class 0 none.
    pub chains: Vec<usize>,
    /// The set of targets, by the group of models: group `n` at `n + 1`, no group at 0. Nothing where none is left.
    pub targets: Vec<Option<usize>>,
}

/// One of `routes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// `name`
    pub name: String,
    /// `match.path`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// `match.methods`; none for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// `match.headers`, names in lower case.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// `match.model`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What its requests get.
    pub way: Way,
}

/// One of `consumers`, with what its group says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consumer {
    /// `id`
    pub id: String,
    /// `key_sha256`, in lower-case hexadecimal digits.
    pub key_sha256: String,
    /// `group`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// `allowed_models`: names of groups, or of models as clients write them. Nothing: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_models: Option<Vec<String>>,
    /// See [`Way::chains`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub class: usize,
    /// Which of the limits for consumers are its own ([`crate::limits::Scope::Consumer`]); 0 for none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub limited: usize,
}

/// One of `model_groups`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelGroup {
    /// `name`
    pub name: String,
    /// `aliases`
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// The exceptions of all chains, each once.
pub fn exceptions<'c>(first: &'c Controls, access: &'c Access) -> Vec<(PolicyKind, &'c Exception)> {
    let others = access.chains.iter().map(|chain| &chain.controls);
    let all = std::iter::once(first).chain(others);
    let mut exceptions: Vec<(PolicyKind, &Exception)> = Vec::new();
    for (kind, exception) in all.flat_map(Controls::exceptions) {
        if !exceptions
            .iter()
            .any(|(known, other)| *known == kind && other.id() == exception.id())
        {
            exceptions.push((kind, exception));
        }
    }
    exceptions
}

/// What of a request's head decides.
pub trait RequestHead {
    /// The value of a header, by its name in lower case; of one that came several times all values, joined by commas.
    fn header(&self, name: &str) -> Option<String>;
}

/// What an exchange gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Plan {
    /// Its chain: 0 for the file's own.
    pub chain: usize,
    /// Its set of targets: 0 for all.
    pub targets: usize,
    /// Its route, by its place.
    pub route: Option<usize>,
}

impl Access {
    /// Whether nothing is to be decided.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the model of a request has a say.
    pub fn depends_on_model(&self) -> bool {
        self.refuses_unknown_models
            || !self.model_groups.is_empty()
            || self.routes.iter().any(|route| route.model.is_some())
            || self
                .consumers
                .iter()
                .any(|consumer| consumer.allowed_models.is_some())
    }

    /// The consumer with the key of this `Authorization`, by its place; nobody in particular where there are no consumers.
    pub fn caller(
        &self,
        index: &KeyIndex,
        authorization: Option<&str>,
    ) -> Result<Option<usize>, ErrorReply> {
        if self.consumers.is_empty() {
            return Ok(None);
        }
        let key = authorization
            .and_then(bearer)
            .ok_or_else(ErrorReply::no_key)?;
        let caller = index.find(self, key).ok_or_else(ErrorReply::unknown_key)?;
        Ok(Some(caller))
    }

    /// Some targets are gone: `places` says where each of the others is now. A set of which none is left is no way for anybody.
    pub fn move_targets(&mut self, places: &[Option<usize>]) {
        let all: Vec<usize> = (0..places.iter().flatten().count()).collect();
        let mut sets: Vec<Vec<usize>> = Vec::new();
        let mut number = |set: &Vec<usize>| {
            let moved = set.iter().filter_map(|place| *places.get(*place)?);
            let moved: Vec<usize> = moved.collect();
            if moved.is_empty() {
                return None;
            }
            if moved == all {
                return Some(0);
            }
            let known = sets.iter().position(|known| *known == moved);
            Some(
                1 + known.unwrap_or_else(|| {
                    sets.push(moved);
                    sets.len() - 1
                }),
            )
        };
        let numbers: Vec<Option<usize>> = self.target_sets.iter().map(&mut number).collect();
        let routes = self.routes.iter_mut().map(|route| &mut route.way);
        for way in routes.chain([&mut self.otherwise]) {
            for set in way.targets.iter_mut().filter(|set| **set != Some(0)) {
                *set = set.and_then(|set| *numbers.get(set.checked_sub(1)?)?);
            }
        }
        self.target_sets = sets;
    }

    /// What a request gets.
    pub fn plan(
        &self,
        method: &str,
        path: &str,
        head: &impl RequestHead,
        caller: Option<usize>,
        model: Option<&str>,
    ) -> Result<Plan, ErrorReply> {
        let group = model.and_then(|model| self.group_of(model));
        let consumer = caller.and_then(|caller| self.consumers.get(caller));
        if let Some(allowed) = consumer.and_then(|consumer| consumer.allowed_models.as_ref())
            && !self.is_allowed(allowed, group, model)
        {
            return Err(ErrorReply::model_not_allowed());
        }
        if group.is_none() && self.refuses_unknown_models {
            return Err(ErrorReply::model_not_found());
        }
        let path = path.split('?').next().unwrap_or_default();
        let fits = |route: &Route| self.matches(route, method, path, head, group, model);
        let route = self.routes.iter().position(fits);
        let way = route
            .and_then(|route| self.routes.get(route))
            .map_or(&self.otherwise, |route| &route.way);
        let class = consumer.map_or(0, |consumer| consumer.class);
        let targets = way.targets.get(group.map_or(0, |group| group + 1));
        Ok(Plan {
            // A file that loads has a chain for every class; without one nothing may pass.
            chain: *way
                .chains
                .get(class)
                .ok_or_else(ErrorReply::engine_unavailable)?,
            targets: targets
                .copied()
                .flatten()
                .ok_or_else(ErrorReply::model_not_found)?,
            route,
        })
    }

    /// The names of models that a consumer may use: those of groups, or else `models`, of the targets.
    pub fn models<'a>(
        &'a self,
        caller: Option<usize>,
        models: impl Iterator<Item = &'a str>,
    ) -> Vec<&'a str> {
        let groups = self.model_groups.iter().map(|group| group.name.as_str());
        let mut all: Vec<&str> = if self.model_groups.is_empty() {
            models.collect()
        } else {
            groups.collect()
        };
        let consumer = caller.and_then(|caller| self.consumers.get(caller));
        if let Some(allowed) = consumer.and_then(|consumer| consumer.allowed_models.as_ref()) {
            all.retain(|model| self.is_allowed(allowed, self.group_of(model), Some(model)));
        }
        all
    }

    /// The group that a client's word for a model names, to the letter.
    fn group_of(&self, model: &str) -> Option<usize> {
        let is_it = |group: &ModelGroup| {
            group.name == model || group.aliases.iter().any(|alias| alias == model)
        };
        self.model_groups.iter().position(is_it)
    }

    fn is_allowed(&self, allowed: &[String], group: Option<usize>, model: Option<&str>) -> bool {
        match (group.and_then(|group| self.model_groups.get(group)), model) {
            // Whatever word names a group: the group is what is allowed or not.
            (Some(group), _) => allowed.contains(&group.name),
            (None, Some(model)) => allowed.iter().any(|name| name == model),
            (None, None) => false,
        }
    }

    fn matches(
        &self,
        route: &Route,
        method: &str,
        path: &str,
        head: &impl RequestHead,
        group: Option<usize>,
        model: Option<&str>,
    ) -> bool {
        let by_path = route
            .path
            .as_deref()
            .is_none_or(|prefix| is_below(path, prefix));
        let by_method =
            route.methods.is_empty() || route.methods.iter().any(|known| known == method);
        let by_headers = || {
            let mut headers = route.headers.iter();
            headers.all(|(name, value)| head.header(name).as_ref() == Some(value))
        };
        let by_model = |wanted: &str| {
            model == Some(wanted) || group.is_some() && group == self.group_of(wanted)
        };
        by_path && by_method && route.model.as_deref().is_none_or(by_model) && by_headers()
    }
}

/// Whether `path` is `prefix`, or lies below it.
pub fn is_below(path: &str, prefix: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The key of `Authorization: Bearer …`.
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, key) = authorization.trim_ascii().split_once(' ')?;
    let key = key.trim_ascii();
    (scheme.eq_ignore_ascii_case("bearer") && !key.is_empty()).then_some(key)
}

/// The hash of a key, as it stands in a policy file.
pub fn key_sha256(key: &str) -> String {
    crate::event::hex(&Sha256::digest(key.as_bytes()))
}

/// Consumers by their keys' hashes, sorted: ten thousand cost a few comparisons. The order tells nothing of a key, since who looks for
/// one cannot choose its hash, and what is found is compared in constant time.
#[derive(Debug, Clone, Default)]
pub struct KeyIndex(Vec<([u8; 32], usize)>);

impl KeyIndex {
    /// Of the consumers of `access`. Those whose hash is none have no key.
    pub fn new(access: &Access) -> Self {
        let consumers = access.consumers.iter().enumerate();
        let known =
            consumers.filter_map(|(place, consumer)| Some((unhex(&consumer.key_sha256)?, place)));
        let mut known: Vec<_> = known.collect();
        known.sort_unstable();
        Self(known)
    }

    fn find(&self, access: &Access, key: &str) -> Option<usize> {
        let hash: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        let begins = hash.first_chunk::<8>();
        let start = self
            .0
            .partition_point(|(known, _)| known.first_chunk::<8>() < begins);
        let candidates = self.0.get(start..)?.iter();
        let mut found = None;
        for (known, place) in candidates.take_while(|(known, _)| known.first_chunk::<8>() == begins)
        {
            if is_same(known, &hash) {
                found = Some(*place);
            }
        }
        found.filter(|place| *place < access.consumers.len())
    }
}

/// Looks at every byte, whatever the first ones say.
fn is_same(left: &[u8; 32], right: &[u8; 32]) -> bool {
    let differs = left
        .iter()
        .zip(right)
        .fold(0, |differs, (left, right)| differs | (left ^ right));
    std::hint::black_box(differs) == 0
}

fn unhex(digits: &str) -> Option<[u8; 32]> {
    let nibble = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let mut bytes = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(bytes)
}
