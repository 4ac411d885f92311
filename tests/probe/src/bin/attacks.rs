//! The table of `docs/limits.md`: what the attacks of a review cost, in nanoseconds per byte: `attacks LENGTHS [WAY PART]`.
//!
//! The least of a few runs counts, since other programs run as well. With a way and a part, that text alone is measured.

use std::{
    io::{self, Write as _},
    sync::Arc,
    time::Instant,
};

use kt_policy::Engine;
use kt_probe::{PROSE, Way, engine, judge, shapes::Shape};

/// What is measured: a name, how it comes, and what is repeated.
const ATTACKS: [(&str, Way, &str); 20] = [
    ("prose", Way::Request, PROSE),
    ("braces of escapes that never end", Way::Request, "\\u{"),
    ("prefixes of a key in each other", Way::Request, "ghp_"),
    ("prefixes of another", Way::Request, "sk-"),
    ("beginnings of tokens", Way::Request, "eyJ."),
    ("digits for letters", Way::Request, "1gn0r3 "),
    ("binary digits", Way::Request, "01000001 "),
    ("telephone numbers", Way::Request, "415-555-2671 "),
    ("groups of digits", Way::Request, "1 "),
    ("escapes of JSON", Way::Request, "\\u0041"),
    ("references of HTML", Way::Request, "&#111;"),
    ("hexadecimal pairs", Way::Request, "41 "),
    ("addresses of machines", Way::Request, "10.1.2.3 "),
    ("addresses in each other", Way::Request, "@b.co"),
    ("users' terms, nearly", Way::Request, "project kalomi "),
    (
        "a user's expression that never ends",
        Way::Request,
        "EMP-12345678",
    ),
    ("quotes in quotes", Way::Request, "{\"a\": \"[\\\""),
    ("prose, streamed", Way::Stream, PROSE),
    ("prefixes of a key, streamed", Way::Stream, "ghp_"),
    ("addresses in each other, streamed", Way::Stream, "@b.co"),
];

/// The least time of a few runs, in nanoseconds.
fn measure(engine: &Arc<Engine>, way: Way, text: &str) -> u128 {
    let bytes = way.bytes(text);
    let runs = if std::env::var_os("KT_ONCE").is_some() {
        1
    } else {
        3
    };
    let run = |_| {
        let start = Instant::now();
        judge(engine, way, &bytes);
        start.elapsed().as_nanos()
    };
    (0..runs).map(run).min().unwrap_or(0)
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |at: usize| arguments.get(at).map_or("", String::as_str);
    let lengths: Vec<usize> = argument(0)
        .split(',')
        .filter_map(|len| len.parse().ok())
        .collect();
    let engine = engine().ok_or_else(|| io::Error::other("the engine does not compile"))?;
    let one = Way::from_name(argument(1)).map(|way| ("", way, argument(2)));
    let attacks: Vec<_> = match one {
        Some(one) => vec![one],
        None => ATTACKS.to_vec(),
    };
    let mut out = io::stdout().lock();
    for (name, way, part) in attacks {
        let part = part.to_owned();
        let shape = Shape {
            head: "a".to_owned(),
            part,
        };
        write!(out, "| {name} |")?;
        for len in &lengths {
            let took = measure(&engine, way, &shape.text(*len));
            let per_byte = took / u128::try_from(*len).unwrap_or(1).max(1);
            write!(out, " {} ms, {per_byte} ns |", took / 1_000_000)?;
        }
        writeln!(out)?;
    }
    Ok(())
}
