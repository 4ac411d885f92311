//! `global_rate_limit`, `ip_rate_limit`, `user_rate_limit`, `token_rate_limit`, `size_limits` and `budgets`.

use kt_policy::{
    Usd,
    limits::{Limit, Limits, Scope, Unit},
};

use crate::{
    diagnostic::{Code, Report},
    fields::Fields,
    gateway::{Sizes, Target},
    yaml::{Node, Scalar, Value},
};

/// A year.
const LONGEST: u32 = 31_536_000;
const HOUR: u32 = 3600;
const DAY: u32 = 86_400;
/// Windows have a fixed length.
const MONTH: u32 = 30 * DAY;
/// Tokens of an answer where neither the request nor the file states a number.
const ANSWER_TOKENS: u32 = 4096;
/// What Envoy takes of a body.
const MAX_BYTES: u32 = 8 << 20;

/// Reads all of them; those of consumers were read with the consumers. The lengths of exchanges are not known here, so `hold_seconds` is
/// not set.
pub(crate) fn limits(
    root: &mut Fields<'_>,
    of_consumers: Vec<Limit>,
    report: &mut Report,
) -> (Limits, Sizes) {
    let mut read = Limits::default();
    read.limits.extend(global(root, report));
    read.limits.extend(ip(root, report));
    read.limits.extend(user(root, report));
    read.limits.extend(tokens(root, report));
    read.limits.extend(of_consumers);
    budgets(root, &mut read, report);
    if read.answer_tokens == 0 && read.counts_tokens() {
        read.answer_tokens = ANSWER_TOKENS.into();
    }
    (read, sizes(root, report))
}

/// A limit of requests.
fn requests(
    section: &'static str,
    scope: Scope,
    fields: &mut Fields<'_>,
    report: &mut Report,
) -> Option<Limit> {
    let max = required(fields, "max_requests", 1..=u32::MAX, report);
    let window = required(fields, "window_seconds", 1..=LONGEST, report);
    Some(Limit {
        id: section.to_owned(),
        scope,
        unit: Unit::Requests,
        max: max?.into(),
        window_seconds: window?.into(),
        is_budget: false,
    })
}

fn required(
    fields: &mut Fields<'_>,
    key: &'static str,
    range: std::ops::RangeInclusive<u32>,
    report: &mut Report,
) -> Option<u32> {
    let read = fields.integer(key, range, report);
    if fields.get(key).is_none() {
        fields.missing(key, "a limit needs a number and a window", report);
    }
    read
}

fn global(root: &mut Fields<'_>, report: &mut Report) -> Option<Limit> {
    let mut fields = root.mapping("global_rate_limit", report)?;
    let limit = requests("global_rate_limit", Scope::Global, &mut fields, report);
    fields.finish(&[], report);
    limit
}

fn ip(root: &mut Fields<'_>, report: &mut Report) -> Option<Limit> {
    let mut fields = root.mapping("ip_rate_limit", report)?;
    let depth = fields
        .integer("trust_proxy_depth", 0..=16, report)
        .unwrap_or(0);
    let limit = requests("ip_rate_limit", Scope::Ip { depth }, &mut fields, report);
    fields.finish(&[], report);
    limit
}

fn user(root: &mut Fields<'_>, report: &mut Report) -> Option<Limit> {
    let mut fields = root.mapping("user_rate_limit", report)?;
    let path = fields.path_of("header_names");
    let names = fields.list("header_names", report);
    let headers = names.map_or_else(by_default, |nodes| header_names(nodes, &path, report));
    let limit = requests(
        "user_rate_limit",
        Scope::User { headers },
        &mut fields,
        report,
    );
    fields.finish(&[], report);
    limit
}

fn by_default() -> Vec<String> {
    vec!["x-user-id".to_owned()]
}

fn header_names(nodes: &[Node], path: &str, report: &mut Report) -> Vec<String> {
    let is_token = |name: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=64).contains(&name.len()) && name.bytes().all(is_plain)
    };
    let mut names = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let path = format!("{path}[{index}]");
        match &node.value {
            Value::Scalar(Scalar::Text(name)) if is_token(name) => {
                names.push(name.to_ascii_lowercase());
            }
            _ => report.error(
                Code::InvalidValue,
                &path,
                node.position,
                "this is no name of a header",
                "use letters, digits and `-`, such as `x-user-id`",
            ),
        }
    }
    names
}

/// What makes a scope.
type Maker = fn() -> Scope;

const SCOPES: &[(&str, Maker)] = &[
    ("global", || Scope::Global),
    ("user", || Scope::User {
        headers: by_default(),
    }),
    ("key", || Scope::Key),
];

fn tokens(root: &mut Fields<'_>, report: &mut Report) -> Option<Limit> {
    let mut fields = root.mapping("token_rate_limit", report)?;
    let max = required(&mut fields, "max_tokens", 1..=u32::MAX, report);
    let window = required(&mut fields, "window_seconds", 1..=LONGEST, report);
    let scope = fields.choice("scope", SCOPES, &[], report);
    fields.finish(&[], report);
    Some(Limit {
        id: "token_rate_limit".to_owned(),
        scope: scope.map_or(Scope::Global, |scope| scope()),
        unit: Unit::Tokens,
        max: max?.into(),
        window_seconds: window?.into(),
        is_budget: false,
    })
}

fn budgets(root: &mut Fields<'_>, read: &mut Limits, report: &mut Report) {
    let Some(nodes) = root.list("budgets", report) else {
        return;
    };
    for (index, node) in nodes.iter().enumerate() {
        let path = format!("budgets[{index}]");
        let Some(fields) = Fields::of(node, &path, report) else {
            continue;
        };
        let Some((limit, answer_tokens)) = budget(fields, report) else {
            continue;
        };
        if read.limits.iter().any(|other| other.id == limit.id) {
            report.error(
                Code::Duplicate,
                &path,
                node.position,
                "there is another budget of the same scope, window and unit",
                "keep the smaller one",
            );
        }
        let known = Some(read.answer_tokens).filter(|tokens| *tokens > 0);
        read.answer_tokens = known.map_or(answer_tokens, |known| known.min(answer_tokens));
        read.limits.push(limit);
    }
}

/// A budget, and how many tokens it takes an answer for that nobody limits.
fn budget(mut fields: Fields<'_>, report: &mut Report) -> Option<(Limit, u64)> {
    let (name, _) = fields.required_text("scope", "use `global`, `user` or `key`", report)?;
    let scope = fields.choice("scope", SCOPES, &["target"], report);
    let window = window(&mut fields, report);
    let amount = amount(&mut fields, report);
    fields.choice("on_exceeded", &[("block", ())], &["clamp"], report);
    let answer = fields
        .integer("max_completion_tokens", 1..=10_000_000, report)
        .unwrap_or(ANSWER_TOKENS);
    fields.finish(&[], report);
    let (scope, window_seconds, (unit, max)) = (scope?(), window?, amount?);
    let unit_name = if unit == Unit::Usd { "usd" } else { "tokens" };
    let limit = Limit {
        id: format!("budget.{name}.{window_seconds}.{unit_name}"),
        scope,
        unit,
        max,
        window_seconds: window_seconds.into(),
        is_budget: true,
    };
    Some((limit, answer.into()))
}

fn window(fields: &mut Fields<'_>, report: &mut Report) -> Option<u32> {
    let Some(node) = fields.get("window") else {
        fields.missing(
            "window",
            "use `hour`, `day`, `month` or a number of seconds",
            report,
        );
        return None;
    };
    match &node.value {
        Value::Scalar(Scalar::Int(_)) => fields.integer("window", 1..=LONGEST, report),
        _ => fields.choice(
            "window",
            &[("hour", HOUR), ("day", DAY), ("month", MONTH)],
            &[],
            report,
        ),
    }
}

/// `usd` or `tokens`.
fn amount(fields: &mut Fields<'_>, report: &mut Report) -> Option<(Unit, u128)> {
    let tokens = fields.integer("tokens", 1..=u32::MAX, report);
    let usd = fields.get("usd");
    match (usd, fields.get("tokens")) {
        (Some(_), Some(_)) => {
            let message = "a budget counts `usd` or `tokens`, not both";
            let position = fields.key_position("tokens");
            let hint = "make two budgets of it";
            report.error(
                Code::Contradiction,
                &fields.path_of("tokens"),
                position,
                message,
                hint,
            );
            None
        }
        (None, None) => {
            fields.missing(
                "tokens",
                "say how much there is: `usd: 10` or `tokens: 100000`",
                report,
            );
            None
        }
        (Some(node), None) => dollars(fields, node, report).map(|usd| (Unit::Usd, usd)),
        (None, Some(_)) => Some((Unit::Tokens, tokens?.into())),
    }
}

fn dollars(fields: &mut Fields<'_>, node: &Node, report: &mut Report) -> Option<u128> {
    let number = fields.number("usd", 0.0..=1e12, report)?;
    // The shortest text that means this number is the one that was written.
    let usd = number
        .to_string()
        .parse::<Usd>()
        .ok()
        .filter(|usd| *usd > Usd::default());
    if usd.is_none() {
        let path = fields.path_of("usd");
        let message = format!("`{path}` is no amount above zero with at most 15 decimals");
        report.error(
            Code::InvalidValue,
            &path,
            node.position,
            message,
            "use an amount such as `250.50`",
        );
    }
    usd.map(Usd::units)
}

fn sizes(root: &mut Fields<'_>, report: &mut Report) -> Sizes {
    let mut sizes = Sizes::default();
    if let Some(mut fields) = root.mapping("size_limits", report) {
        let mut bytes = |key, most| {
            let read = fields.integer(key, 1..=most, report);
            // As many are the limit anyway.
            read.filter(|bytes| *bytes < MAX_BYTES)
        };
        sizes.max_body_bytes = bytes("max_body_bytes", MAX_BYTES);
        sizes.max_response_bytes = bytes("max_response_bytes", 10 << 20);
        fields.finish(
            &[
                ("max_header_bytes", "remove it; headers have 32 KiB"),
                ("max_headers", "remove it; there are at most 100"),
            ],
            report,
        );
    }
    sizes
}

/// Money can only be counted where everything has a price.
pub(crate) fn check_prices(
    limits: &Limits,
    targets: &[Target],
    root: &Fields<'_>,
    report: &mut Report,
) {
    let counts_money = limits.limits.iter().any(|limit| limit.unit == Unit::Usd);
    if let Some(target) = targets.iter().find(|target| target.pricing.is_none())
        && counts_money
    {
        report.error(
            Code::Contradiction,
            "budgets",
            root.key_position("budgets"),
            format!(
                "a budget in `usd` needs to know what the target `{}` costs",
                target.id
            ),
            "add `pricing: {prompt, completion}` to every target, or count `tokens`",
        );
    }
}
