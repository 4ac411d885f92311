//! What users look for themselves: regular expressions, and terms that may be misspelt.
//!
//! *Regular expressions* are compiled into one automaton, so that a text is read once however many there are, in time
//! proportional to its length; no pattern can be catastrophic. `\d`, `\w`, `\s` and `\b` are ASCII, `.` and letters are Unicode,
//! matches are leftmost-first. Look-around and references back do not exist. A match is at most [`MAX_MATCH`] bytes long, so that a stream
//! can be released while it is read.
//!
//! *Terms* are compared word by word after folding (case, width, look-alikes, invisible characters).

mod regexes;

use std::{fmt, ops::Range};

use regex_automata::{
    Anchored, Input,
    hybrid::{LazyStateID, dfa::DFA},
    nfa::thompson,
    util::syntax,
};
use serde::{Deserialize, Serialize};

use regexes::Regexes;

use crate::{detect::Window, steps::Steps, terms::TermSet};

/// Longest match.
pub const MAX_MATCH: usize = 1024;
/// Longest expression, in bytes.
pub const MAX_EXPRESSION: usize = 2000;
/// Most memory that one compiled expression may take, in bytes.
const MAX_COMPILED: usize = 256 << 10;
/// Memory for the states of the automaton, per worker.
const CACHE: usize = 4 << 20;

/// Something to look for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pattern {
    /// What a match is called in markers and events: capital letters, digits and underscores.
    pub name: String,
    /// What matches.
    pub find: Find,
}

/// What matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Find {
    /// A regular expression.
    Regex(String),
    /// Words.
    Term {
        /// The words.
        text: String,
        /// How many letters may be missing, added or exchanged.
        #[serde(default)]
        max_distance: u8,
    },
}

/// A match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternMatch {
    /// Place of the pattern in its set.
    pub pattern: u16,
    /// Where it lies, in bytes of the window's text.
    pub range: Range<usize>,
}

/// Why an expression cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadPattern {
    /// What is wrong.
    pub problem: String,
    /// How to mend it.
    pub remedy: &'static str,
    /// First character that is concerned.
    pub at: usize,
}

/// All patterns of one phase, compiled.
#[derive(Default)]
pub struct PatternSet {
    regexes: Option<Regexes>,
    terms: TermSet,
}

impl fmt::Debug for PatternSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let regexes = self.regexes.as_ref().map_or(0, Regexes::len);
        f.debug_struct("PatternSet")
            .field("regexes", &regexes)
            .field("terms", &self.terms)
            .finish()
    }
}

impl PatternSet {
    /// Compiles `patterns`, each with its place. The error names the expression that does not compile.
    pub fn compile<'p>(patterns: impl Iterator<Item = (u16, &'p Pattern)>) -> Result<Self, String> {
        let (mut expressions, mut places, mut terms) = (Vec::new(), Vec::new(), TermSet::default());
        for (place, pattern) in patterns {
            match &pattern.find {
                Find::Regex(expression) => {
                    let ascii = in_ascii(expression)
                        .map_err(|bad| format!("the pattern {}: {}", pattern.name, bad.problem))?;
                    expressions.push(ascii);
                    places.push(place);
                }
                Find::Term { text, max_distance } => terms.add(place, text, *max_distance),
            }
        }
        terms.link();
        let regexes = match expressions.as_slice() {
            [] => None,
            some => {
                let dfa = automaton(some).map_err(|error| format!("the patterns: {error}"))?;
                Some(Regexes::new(dfa, places))
            }
        };
        Ok(Self { regexes, terms })
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.regexes.is_none() && self.terms.is_empty()
    }

    /// Adds the matches of `window` to `found` and returns the first position whose fate is open. Where the steps are spent, something is
    /// missing.
    pub fn scan(
        &self,
        window: &Window<'_>,
        steps: &mut Steps,
        found: &mut Vec<PatternMatch>,
    ) -> usize {
        let mut open = window.text.len();
        if let Some(regexes) = &self.regexes {
            open = regexes.scan(window, steps, found).unwrap_or_else(|| {
                found.extend(regexes.everything(window));
                open
            });
        }
        if !self.terms.is_empty() {
            open = open.min(self.terms.scan(window, found));
        }
        open
    }
}

fn automaton(expressions: &[String]) -> Result<DFA, String> {
    DFA::builder()
        .configure(
            DFA::config()
                .starts_for_each_pattern(true)
                .cache_capacity(CACHE)
                .skip_cache_capacity_check(true),
        )
        .syntax(syntax::Config::new())
        .thompson(thompson::Config::new().nfa_size_limit(Some(MAX_COMPILED * expressions.len())))
        .build_many(expressions)
        .map_err(|error| error.to_string())
}

/// Checks one expression as the engine will read it.
pub fn check(expression: &str) -> Result<(), BadPattern> {
    let bad = |problem: String, remedy, at| {
        Err(BadPattern {
            problem,
            remedy,
            at,
        })
    };
    if expression.len() > MAX_EXPRESSION {
        return bad(
            format!(
                "the expression has {} bytes, more than {MAX_EXPRESSION}",
                expression.len()
            ),
            "split it into several",
            MAX_EXPRESSION,
        );
    }
    let ascii = in_ascii(expression)?;
    let hir = regex_syntax::parse(&ascii).map_err(|error| BadPattern {
        problem: first_line(&error.to_string()),
        remedy: SYNTAX,
        at: 0,
    })?;
    let properties = hir.properties();
    match properties.minimum_len() {
        None => {
            return bad(
                "the expression can never match".into(),
                "remove the part that nothing fits",
                0,
            );
        }
        Some(0) => {
            return bad(
                "the expression matches an empty text, so it would match everywhere".into(),
                "use `+` instead of `*`, or add what must be there",
                0,
            );
        }
        Some(length) if length > MAX_MATCH => {
            return bad(
                format!("the shortest match has {length} bytes; matches have at most {MAX_MATCH}"),
                "look for a part of it",
                0,
            );
        }
        Some(_) => {}
    }
    let Ok(dfa) = automaton(std::slice::from_ref(&ascii)) else {
        return bad(
            format!(
                "the expression needs more than {} KiB when it is compiled",
                MAX_COMPILED >> 10
            ),
            "use smaller counts in `{…}`",
            0,
        );
    };
    if can_match(&dfa) {
        Ok(())
    } else {
        bad(
            "the expression can never match: what it asks for excludes itself".into(),
            "look at `^`, `$` and `\\b` inside it",
            0,
        )
    }
}

/// What to do about most mistakes.
const SYNTAX: &str = "see https://docs.rs/regex/latest/regex/#syntax; a literal `(`, `[`, `{`, `.`, `*`, `+` or `?` needs a `\\` before it";

fn first_line(error: &str) -> String {
    error
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("error: "))
        .unwrap_or(error)
        .to_owned()
}

/// Whether any text leads to a match. Automata with very many states are taken to match.
fn can_match(dfa: &DFA) -> bool {
    const MOST_STATES: usize = 4000;
    let mut cache = dfa.create_cache();
    let starts = ["x", "\nx", " x"].map(|text| {
        let input = Input::new(text)
            .range(text.len() - 1..)
            .anchored(Anchored::Yes);
        dfa.start_state_forward(&mut cache, &input)
    });
    let mut states: Vec<LazyStateID> = starts.into_iter().flatten().collect();
    let mut next = 0;
    while let Some(state) = states.get(next).copied() {
        next += 1;
        if states.len() > MOST_STATES || cache.clear_count() > 0 {
            return true;
        }
        let bytes = (0..=u8::MAX).map(Some).chain([None]);
        for byte in bytes {
            let reached = match byte {
                Some(byte) => dfa.next_state(&mut cache, state, byte),
                None => dfa.next_eoi_state(&mut cache, state),
            };
            match reached {
                Ok(reached) if reached.is_match() => return true,
                Ok(reached)
                    if byte.is_some() && !reached.is_dead() && !states.contains(&reached) =>
                {
                    states.push(reached);
                }
                _ => {}
            }
        }
    }
    false
}

/// The same expression with `\d`, `\s`, `\w` and `\b` for ASCII alone: tables of all alphabets would double the module.
fn in_ascii(expression: &str) -> Result<String, BadPattern> {
    use regex_syntax::ast::{self, AssertionKind, Ast, ClassPerlKind, ClassSetItem, parse::Parser};

    struct Spans(Vec<(Range<usize>, &'static str)>);
    fn perl(class: &ast::ClassPerl) -> (Range<usize>, &'static str) {
        let text = match (&class.kind, class.negated) {
            (ClassPerlKind::Digit, false) => "[0-9]",
            (ClassPerlKind::Digit, true) => "[^0-9]",
            (ClassPerlKind::Space, false) => "[\\t\\n\\x0B\\x0C\\r\\x20]",
            (ClassPerlKind::Space, true) => "[^\\t\\n\\x0B\\x0C\\r\\x20]",
            (ClassPerlKind::Word, false) => "[0-9A-Za-z_]",
            (ClassPerlKind::Word, true) => "[^0-9A-Za-z_]",
        };
        (class.span.start.offset..class.span.end.offset, text)
    }
    impl ast::Visitor for Spans {
        type Output = Vec<(Range<usize>, &'static str)>;
        type Err = ();
        fn finish(self) -> Result<Self::Output, ()> {
            Ok(self.0)
        }
        fn visit_pre(&mut self, ast: &Ast) -> Result<(), ()> {
            match ast {
                Ast::ClassPerl(class) => self.0.push(perl(class)),
                Ast::Assertion(assertion) => {
                    let text = match assertion.kind {
                        AssertionKind::WordBoundary => "(?-u:\\b)",
                        AssertionKind::NotWordBoundary => "(?-u:\\B)",
                        AssertionKind::WordBoundaryStart
                        | AssertionKind::WordBoundaryStartAngle => "(?-u:\\b{start})",
                        AssertionKind::WordBoundaryEnd | AssertionKind::WordBoundaryEndAngle => {
                            "(?-u:\\b{end})"
                        }
                        _ => return Ok(()),
                    };
                    self.0
                        .push((assertion.span.start.offset..assertion.span.end.offset, text));
                }
                _ => {}
            }
            Ok(())
        }
        fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), ()> {
            if let ClassSetItem::Perl(class) = item {
                self.0.push(perl(class));
            }
            Ok(())
        }
    }

    let tree = Parser::new().parse(expression).map_err(|error| {
        let remedy = match error.kind() {
            ast::ErrorKind::UnsupportedLookAround => "match the surroundings too, or list the cases; look-around cannot be matched while a stream passes",
            ast::ErrorKind::UnsupportedBackreference => "write the repeated part out; references back cannot be matched in linear time",
            _ => SYNTAX,
        };
        let at = expression.get(..error.span().start.offset).map_or(0, |before| before.chars().count());
        BadPattern { problem: error.kind().to_string(), remedy, at }
    })?;
    let mut spans = ast::visit(&tree, Spans(Vec::new())).unwrap_or_default();
    spans.sort_by_key(|(range, _)| range.start);
    let mut ascii = String::with_capacity(expression.len());
    let mut copied = 0;
    for (range, text) in spans {
        ascii.push_str(expression.get(copied..range.start).unwrap_or_default());
        ascii.push_str(text);
        copied = range.end;
    }
    ascii.push_str(expression.get(copied..).unwrap_or_default());
    Ok(ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits<'t>(expression: &str, text: &'t str) -> Vec<&'t str> {
        let pattern = Pattern {
            name: "P".into(),
            find: Find::Regex(expression.into()),
        };
        check(expression).unwrap();
        let mut found = Vec::new();
        let set = PatternSet::compile([(0, &pattern)].into_iter()).unwrap();
        set.scan(&Window::whole(text), &mut Steps::default(), &mut found);
        found.into_iter().map(|hit| &text[hit.range]).collect()
    }

    #[test]
    fn expressions_match() {
        assert_eq!(
            hits(r"EMP-\d{6}", "EMP-123456 and EMP-654321, EMP-12"),
            ["EMP-123456", "EMP-654321"]
        );
        assert_eq!(
            hits(r"(?i)project\s+\w+", "see PROJECT  apollo now"),
            ["PROJECT  apollo"]
        );
        assert_eq!(hits(r"\bfoo\b", "food foo"), ["foo"]);
        assert_eq!(hits(r"^[äö]+$", "öä"), ["öä"]);
        assert_eq!(hits(r"[^\d\s-]{3}", "12-34 abc"), ["abc"]);
        assert!(hits(r"a.*b", &format!("a{}b", "x".repeat(MAX_MATCH))).is_empty());
    }

    #[test]
    fn every_pattern_is_reported() {
        let patterns = ["ab", "abc"].map(|text| Pattern {
            name: "P".into(),
            find: Find::Regex(text.into()),
        });
        let mut found = Vec::new();
        let set = PatternSet::compile((0..).zip(&patterns)).unwrap();
        set.scan(&Window::whole("xabc"), &mut Steps::default(), &mut found);
        assert_eq!(
            found,
            [
                PatternMatch {
                    pattern: 0,
                    range: 1..3
                },
                PatternMatch {
                    pattern: 1,
                    range: 1..4
                }
            ]
        );
    }

    #[test]
    fn a_match_that_may_go_on_is_open() {
        let pattern = Pattern {
            name: "P".into(),
            find: Find::Regex(r"EMP-\d+".into()),
        };
        let set = PatternSet::compile([(0, &pattern)].into_iter()).unwrap();
        for (text, open) in [("an EMP", 3), ("an EMP-12", 3), ("an EMPx", 7), ("an E", 3)] {
            assert_eq!(
                set.scan(
                    &Window {
                        text,
                        from: 0,
                        complete: false
                    },
                    &mut Steps::default(),
                    &mut Vec::new()
                ),
                open,
                "{text}"
            );
        }
    }

    #[test]
    fn a_set_with_a_bad_expression_does_not_compile() {
        let patterns = ["good", "(bad", "[a-z]{900}{0,900}x"].map(|expression| Pattern {
            name: "P".into(),
            find: Find::Regex(expression.into()),
        });
        let [good, bad, large] = &patterns;
        for patterns in [[good, bad], [large, good]] {
            assert!(PatternSet::compile((0..).zip(patterns)).is_err());
        }
    }

    #[test]
    fn bad_expressions_are_refused() {
        for (expression, problem) in [
            ("(?=x)y", "look-around"),
            (r"(a)\1", "backreferences"),
            ("(a", "unclosed group"),
            ("a*", "empty text"),
            (r"[^\s\S]x", "never match"),
            (r"a\bb", "never match"),
            ("x$y", "never match"),
            ("(a{1000}){1000}", "matches have at most"),
            ("[a-z]{900}{0,900}x", "KiB"),
            ("a{2000}", "shortest match"),
        ] {
            let bad = check(expression).unwrap_err();
            assert!(
                bad.problem.contains(problem),
                "{expression}: {}",
                bad.problem
            );
        }
        assert_eq!(check("ab(?<=c)").unwrap_err().at, 2);
    }
}
