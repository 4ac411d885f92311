//! `routes`: the first that matches a request says which chain and which targets it gets.

use std::collections::BTreeMap;

use kt_policy::{OnBlock, PolicyKind, Way, access::is_below};

use super::{names, places, unique};
use crate::{
    diagnostic::{Code, Position, Report},
    fields::{Fields, wrong_type},
    gateway::Target,
    policies,
    yaml::{Node, Scalar, Value},
};

/// One of them.
pub(super) struct Route<'n> {
    name: String,
    path: Option<String>,
    methods: Vec<String>,
    headers: BTreeMap<String, String>,
    model: Option<String>,
    pub(super) chain: Option<Vec<PolicyKind>>,
    pub(super) policy: Option<&'n Node>,
    pub(super) on_block: Option<OnBlock>,
    targets: Option<Vec<(String, String, Position)>>,
    at: (String, Position),
}

const UPSTREAM: &str = "list ids of `providers.targets` in `targets`";
const MATCH: &str = "write it in `match`";

pub(super) fn read<'n>(root: &mut Fields<'n>, report: &mut Report) -> Vec<Route<'n>> {
    let nodes = root.list("routes", report).unwrap_or_default();
    let mut routes: Vec<Route<'n>> = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        let path = format!("routes[{at}]");
        let route = Fields::of(node, &path, report).and_then(|fields| read_one(fields, report));
        let Some(route) = route else { continue };
        let mut seen: Vec<&str> = routes.iter().map(|route| route.name.as_str()).collect();
        unique(&mut seen, &route.name, &route.at.0, route.at.1, report);
        if let Some(first) = routes.iter().find(|first| first.covers(&route)) {
            let message = format!(
                "no request reaches the route `{}`: `{}` before it matches all of them",
                route.name, first.name
            );
            report.warning(
                Code::NoEffect,
                &route.at.0,
                route.at.1,
                message,
                "put the narrower route first",
            );
        }
        routes.push(route);
    }
    routes
}

fn read_one<'n>(mut fields: Fields<'n>, report: &mut Report) -> Option<Route<'n>> {
    let name = fields.required_text("name", "name the route; events name it", report);
    let chain = policies::kinds_at(&mut fields, "chain", report);
    let words = [("error", OnBlock::Error), ("refusal", OnBlock::Refusal)];
    let on_block = fields.choice("on_block", &words, &[], report);
    let targets = names(&mut fields, "targets", report);
    if targets.as_ref().is_some_and(Vec::is_empty) {
        let path = fields.path_of("targets");
        let position = fields.key_position("targets");
        report.error(
            Code::InvalidValue,
            &path,
            position,
            format!("`{path}` is empty"),
            UPSTREAM,
        );
    }
    let policy = fields.get("policy");
    if let Some(node) = policy {
        let path = fields.path_of("policy");
        policies::check_settings(node, &path, report);
    }
    let at = (fields.path_of("name"), fields.key_position("name"));
    let matched = fields.mapping("match", report);
    if matched.is_none() && fields.get("match").is_none() {
        fields.missing(
            "match",
            "say which requests it is for; `match: {}` is for all",
            report,
        );
    }
    fields.finish(
        &[
            ("upstream", UPSTREAM),
            ("path", MATCH),
            ("methods", MATCH),
            ("headers", MATCH),
        ],
        report,
    );
    let (path, methods, headers, model) = matched.map(|fields| read_match(fields, report))?;
    Some(Route {
        name: name?.0.to_owned(),
        path,
        methods,
        headers,
        model,
        chain,
        policy,
        on_block,
        targets,
        at,
    })
}

type Match = (
    Option<String>,
    Vec<String>,
    BTreeMap<String, String>,
    Option<String>,
);

fn read_match(mut fields: Fields<'_>, report: &mut Report) -> Match {
    let path = fields.text("path", report).filter(|(path, position)| {
        let segments = || path.trim_matches('/').split('/');
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_-.~".contains(&byte);
        let fits = path.starts_with('/')
            && path.bytes().all(is_plain)
            && segments().all(|segment| !matches!(segment, "" | "." | ".."));
        if !fits {
            let message = format!("`{path}` is no prefix of a path");
            let hint = "write `/team-a`, or `/v1/embeddings`: letters, digits, `_`, `-`, `.` and `~` between single slashes";
            report.error(Code::InvalidValue, &fields.path_of("path"), *position, message, hint);
        }
        fits
    });
    let mut methods = Vec::new();
    for (method, path, position) in names(&mut fields, "methods", report).unwrap_or_default() {
        let message = match method.as_str() {
            "POST" => {
                methods.push(method);
                continue;
            }
            "GET" => "no route decides on a `GET`: lists and pages are the same on every route"
                .to_owned(),
            _ => format!("`{method}` is served nowhere"),
        };
        report.error(Code::InvalidValue, &path, position, message, "write `POST`");
    }
    let headers = headers(&mut fields, report);
    let model = fields
        .text("model", report)
        .map(|(model, _)| model.to_owned());
    fields.finish(&[("prefix", "write the prefix in `path`")], report);
    let path = path.map(|(path, _)| path.trim_end_matches('/').to_owned());
    (path, methods, headers, model)
}

fn headers(fields: &mut Fields<'_>, report: &mut Report) -> BTreeMap<String, String> {
    let base = fields.path_of("headers");
    let mut headers = BTreeMap::new();
    for (name, node) in fields.entries_of("headers", report) {
        let path = format!("{base}.{name}");
        let Value::Scalar(Scalar::Text(value)) = &node.value else {
            wrong_type(node, &path, "a string", report);
            continue;
        };
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let lower = name.to_ascii_lowercase();
        if name.is_empty() || !name.bytes().all(is_name) {
            let message = format!("`{name}` is no name of a header");
            report.error(
                Code::InvalidValue,
                &path,
                node.position,
                message,
                "write letters, digits and hyphens",
            );
        } else if lower == "authorization" || lower.starts_with("x-kt-") {
            let message = format!("a route cannot match on `{name}`");
            report.error(
                Code::InvalidValue,
                &path,
                node.position,
                message,
                "give the key's consumer a `chain`",
            );
        }
        headers.insert(lower, value.clone());
    }
    headers
}

impl Route<'_> {
    /// Whether every request of `other` is this one's.
    fn covers(&self, other: &Self) -> bool {
        let by_path = match (&self.path, &other.path) {
            (None, _) => true,
            (Some(prefix), Some(path)) => is_below(path, prefix),
            (Some(_), None) => false,
        };
        let by_method = self.methods.is_empty()
            || !other.methods.is_empty()
                && other
                    .methods
                    .iter()
                    .all(|method| self.methods.contains(method));
        let by_header = self
            .headers
            .iter()
            .all(|(name, value)| other.headers.get(name) == Some(value));
        by_path && by_method && by_header && (self.model.is_none() || self.model == other.model)
    }

    /// Its targets' places.
    pub(super) fn target_places(
        &self,
        targets: &[Target],
        report: &mut Report,
    ) -> Option<Vec<usize>> {
        let ids = self.targets.as_ref()?;
        Some(places(ids, targets, report))
    }

    /// As the filter reads it.
    pub(super) fn resolved(&self, way: Way) -> kt_policy::Route {
        kt_policy::Route {
            name: self.name.clone(),
            path: self.path.clone(),
            methods: self.methods.clone(),
            headers: self.headers.clone(),
            model: self.model.clone(),
            way,
        }
    }
}
