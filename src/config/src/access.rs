//! `routes`, `consumers`, `consumer_groups` and `model_groups`: who may ask for what, and what follows from it.

pub(crate) mod consumers;
mod models;
mod routes;

use kt_policy::{Access, ChainConfig, OnBlock, PolicyKind, Way, limits::Limit};

use crate::{
    diagnostic::{Code, Position, Report},
    fields::{Fields, join, wrong_type},
    gateway::Target,
    policies::{self, Policies},
    seen::Kind,
    yaml::{Node, Scalar, Value},
};

use consumers::Consumers;
use models::Models;
use routes::Route;

/// What the sections say, before chains and targets are known.
pub(crate) struct Sections<'n> {
    routes: Vec<Route<'n>>,
    consumers: Consumers,
    models: Models,
}

/// Reads the sections.
pub(crate) fn sections<'n>(root: &mut Fields<'n>, report: &mut Report) -> Sections<'n> {
    Sections {
        routes: routes::read(root, report),
        consumers: consumers::read(root, report),
        models: models::read(root, report),
    }
}

impl Sections<'_> {
    /// Kinds of the chains of routes and consumers.
    pub(crate) fn kinds(&self) -> Vec<PolicyKind> {
        let routes = self.routes.iter().filter_map(|route| route.chain.as_ref());
        routes
            .chain(&self.consumers.chains)
            .flatten()
            .copied()
            .collect()
    }

    /// `rate_limits` of consumers and groups.
    pub(crate) fn limits(&self) -> Vec<Limit> {
        self.consumers.limits()
    }

    /// Resolves names. `policy` holds the settings of all policies, `default` is the file's own chain. A disabled pack has no
    /// policies in any.
    pub(crate) fn resolve(
        self,
        policy: Option<&Node>,
        default: &Policies,
        targets: &[Target],
        is_enabled: bool,
        report: &mut Report,
    ) -> Access {
        if self.routes.is_empty() && self.consumers.list.is_empty() && self.models.groups.is_empty()
        {
            return Access::default();
        }
        let mut access = Access {
            model_groups: self.models.groups.clone(),
            refuses_unknown_models: self.models.refuses_unknown,
            consumers: self.consumers.list.clone(),
            ..Access::default()
        };
        for consumer in &mut access.consumers {
            self.models.resolve_allowed(consumer);
        }
        let groups = self.models.sets(targets, report);
        let own = default.chain.iter().map(kt_policy::PolicyConfig::kind);
        let own: Vec<PolicyKind> = own.collect();
        let mut tables = Tables {
            default,
            chains: Vec::new(),
            sets: Vec::new(),
            all: (0..targets.len()).collect(),
        };
        let mut way = |route: Option<&Route<'_>>, report: &mut Report| {
            let base = route.and_then(|route| route.chain.as_ref()).unwrap_or(&own);
            let over = route.and_then(|route| route.policy);
            // Clients may choose a route. Where their key gives them a chain, they choose no settings for it by that.
            let of_consumers = self.consumers.chains.iter().map(|kinds| (kinds, None));
            let chains: Vec<usize> = std::iter::once((base, over))
                .chain(of_consumers)
                .map(|(kinds, over)| {
                    let kinds = if is_enabled { kinds.as_slice() } else { &[] };
                    let refusal = route.and_then(|route| route.on_block);
                    let policies = settings(kinds, policy, (over, refusal), default, &own, report);
                    tables.chain(policies)
                })
                .collect();
            let among = route.and_then(|route| route.target_places(targets, report));
            let sets = std::iter::once(None).chain(groups.iter().map(Some));
            let sets = sets.map(|group| tables.set(among.as_deref(), group.map(Vec::as_slice)));
            Way {
                chains,
                targets: sets.collect(),
            }
        };
        access.otherwise = way(None, report);
        for route in &self.routes {
            let resolved = way(Some(route), report);
            access.routes.push(route.resolved(resolved));
        }
        access.chains = tables.chains;
        access.target_sets = tables.sets;
        access
    }
}

/// Chains and sets of targets, each once.
struct Tables<'p> {
    default: &'p Policies,
    chains: Vec<ChainConfig>,
    sets: Vec<Vec<usize>>,
    all: Vec<usize>,
}

impl Tables<'_> {
    /// The place of a chain: 0 is the file's own.
    fn chain(&mut self, policies: Policies) -> usize {
        if policies == *self.default {
            return 0;
        }
        let chain = ChainConfig {
            policies: policies.chain,
            controls: policies.controls,
        };
        1 + place_of(&mut self.chains, chain)
    }

    /// The place of what two sets of targets have in common; nothing if that is nothing.
    fn set(&mut self, route: Option<&[usize]>, group: Option<&[usize]>) -> Option<usize> {
        let is_in = |set: Option<&[usize]>, target| set.is_none_or(|set| set.contains(target));
        // In the order of the group, or else the route: its first target comes first.
        let ordered = group.or(route).unwrap_or(&self.all);
        let common = ordered.iter().filter(|target| is_in(route, target));
        let common: Vec<usize> = common.copied().collect();
        if common.is_empty() {
            return None;
        }
        if common == self.all {
            return Some(0);
        }
        Some(1 + place_of(&mut self.sets, common))
    }
}

fn place_of<T: PartialEq>(list: &mut Vec<T>, item: T) -> usize {
    let known = list.iter().position(|known| *known == item);
    known.unwrap_or_else(|| {
        list.push(item);
        list.len() - 1
    })
}

/// The policies of a chain with their settings, and with those of a route put over them.
fn settings(
    kinds: &[PolicyKind],
    policy: Option<&Node>,
    (over, refusal): (Option<&Node>, Option<OnBlock>),
    default: &Policies,
    own: &[PolicyKind],
    report: &mut Report,
) -> Policies {
    if over.is_none() && refusal.is_none() && kinds == own {
        return default.clone();
    }
    let mut policies = policies::with_settings(kinds, policy, over, report);
    if let Some(on_block) = refusal {
        let stops = |kind: &&PolicyKind| **kind != PolicyKind::AuditLogger;
        for kind in kinds.iter().filter(stops) {
            policies.controls.set_on_block(*kind, on_block);
        }
    }
    policies
}

/// The names of a list of strings, with their places.
fn names(
    fields: &mut Fields<'_>,
    key: &'static str,
    report: &mut Report,
) -> Option<Vec<(String, String, Position)>> {
    let path = fields.path_of(key);
    report.asks(|| path.clone(), || Kind::Strings);
    let nodes = fields.list(key, report)?;
    let mut names = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        let path = format!("{path}[{at}]");
        match &node.value {
            Value::Scalar(Scalar::Text(text)) => names.push((text.clone(), path, node.position)),
            _ => wrong_type(node, &path, "a string", report),
        }
    }
    Some(names)
}

/// Reports a name that is there twice.
fn unique<'a>(
    seen: &mut Vec<&'a str>,
    name: &'a str,
    path: &str,
    position: Position,
    report: &mut Report,
) {
    if seen.contains(&name) {
        let message = format!("`{name}` is there twice");
        report.error(
            Code::Duplicate,
            path,
            position,
            message,
            "give each its own name",
        );
    }
    seen.push(name);
}

/// Places of targets by their ids.
fn places(
    ids: &[(String, String, Position)],
    targets: &[Target],
    report: &mut Report,
) -> Vec<usize> {
    let mut places = Vec::new();
    for (id, path, position) in ids {
        let Some(place) = targets.iter().position(|target| target.id == *id) else {
            let message = format!("there is no target `{id}`");
            let known = join(targets.iter().map(|target| target.id.as_str()));
            let hint = format!("known targets: {known}");
            report.error(Code::InvalidValue, path, *position, message, hint);
            continue;
        };
        places.push(place);
    }
    places
}
