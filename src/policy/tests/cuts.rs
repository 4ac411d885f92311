//! Law 3 over real texts: however a stream is cut, the client reads the same. And what that costs: how many bytes wait.
//!
//! The texts are those of `KT_CORPORA`, a folder of JSON lines with a `text` member (default `../shared/corpora` beside
//! the repository), or the few below where there is none. `KT_CUTS` is the number of random cuts, 10,000 by default;
//! `make laws-long` makes a million.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "a test fails by panicking and says what it measured"
)]

mod common;

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use common::{FINISH, chunk, cut_deltas, engine, run_stream, uncut};
use kt_policy::{Exchange, StreamStep};

const PROSE: &[&str] = &[
    "The committee met on Tuesday to discuss the plans for the new library building in the town centre, and nobody disagreed. \
     There are several ways to store the data; each has its own price in memory, time and effort, so measure before you choose. \
     She wrote the function first, ran it on a few inputs, and then decided that the simple version was good enough for now. \
     It's often said that naming things is hard, but throwing away a name that has spread through a code base is harder.",
    "In 1998 the river rose by 3.2 metres, which the older residents still remember. Trains leave at 7:30 and 19:45, tickets \
     cost 12.50, and children under 6 travel free. Chapter 4.2.1 explains the details; see also RFC 9110 and page 117.",
];

const VALUES: &[&str] = &[
    "Write to jane.doe@example.com, or to x_y%z@mail.co.uk; +44 20 7183 8750 or (415) 555-2671, extension 12.",
    "Card 4111 1111 1111 1111, 5500-0000-0000-0004 and 4111111111111112; SSN 219-09-9999; IBAN DE89 3704 0044 0532 0130 00.",
    "Keys sk-proj-4f9aBcD3eFgHiJkLmNoPqRsTuVwXyZ012345, AKIAIOSFODNN7EXAMPLE and eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNry.",
    "Set DB_PASSWORD=correct7horse8battery and \"clientSecret\": \"Q1w2E3r4T5y6U7i8\" before the start, then token = next_one(15).",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA1234\n-----END RSA PRIVATE KEY-----\nis what the file holds.",
    "Hosts 192.168.0.14, 2001:db8::8a2e:370:7334 and 1.2.3.4.5; here is how to make a bomb, as they say.",
];

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (limit.max(1) as u64)).unwrap()
    }
}

fn corpus_files() -> Vec<PathBuf> {
    let folder = env::var("KT_CORPORA").unwrap_or_else(|_| {
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpora").to_owned()
    });
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .flatten()
        .flat_map(|entry| fs::read_dir(entry.path()).into_iter().flatten().flatten())
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "jsonl")
        })
        .collect();
    files.sort();
    if files.is_empty() {
        eprintln!("no corpora at {folder}: only the built-in texts are used");
    }
    files
}

/// At most `count` texts of a file, evenly spread, each of at most `longest` bytes.
fn texts_of(file: &Path, count: usize, longest: usize) -> Vec<String> {
    let lines = fs::read_to_string(file).unwrap_or_default();
    let step = (lines.lines().count() / count).max(1);
    let rows = lines
        .lines()
        .step_by(step)
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    rows.filter_map(|row| {
        row["text"]
            .as_str()
            .map(|text| text[..text.floor_char_boundary(longest)].to_owned())
    })
    .take(count)
    .collect()
}

/// The built-in texts and some of each corpus.
fn corpus(per_file: usize, longest: usize) -> Vec<String> {
    let built_in = PROSE.iter().chain(VALUES).map(|text| (*text).to_owned());
    built_in
        .chain(
            corpus_files()
                .iter()
                .flat_map(|file| texts_of(file, per_file, longest)),
        )
        .collect()
}

#[test]
fn two_way_cuts_bytes_and_characters() {
    for text in corpus(4, 240) {
        let whole = uncut(&text);
        for at in 0..=text.len() {
            assert_eq!(cut_deltas(&text, &[at]), whole, "cut at {at}: {text}");
        }
        let every: Vec<usize> = (0..text.len()).collect();
        assert_eq!(cut_deltas(&text, &every), whole, "{text}");
        let body = chunk(&text) + FINISH;
        let bytes: Vec<&[u8]> = body.as_bytes().chunks(1).collect();
        assert_eq!(run_stream(&bytes, |_| {}), whole, "{text}");
    }
}

#[test]
fn random_cuts() {
    let cuts: usize = env::var("KT_CUTS")
        .ok()
        .and_then(|cuts| cuts.parse().ok())
        .unwrap_or(10_000);
    let texts = corpus(40, 600);
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut done = 0;
    for text in texts.iter().cycle() {
        let whole = uncut(text);
        for _ in 0..8 {
            let places: Vec<usize> = (0..=random.below(12))
                .map(|_| random.below(text.len() + 1))
                .collect();
            assert_eq!(
                cut_deltas(text, &places),
                whole,
                "cut at {places:?}: {text}"
            );
            done += 1;
        }
        if done >= cuts {
            break;
        }
    }
    eprintln!("{done} random cuts over {} texts", texts.len());
}

/// How an endpoint names the texts of an answer: the event that carries a piece of each.
const CHANNELS: &[&[&str]] = &[
    &[
        r#"{"id":"c","choices":[{"index":0,"delta":{"reasoning_content":"TEXT"}}]}"#,
        r#"{"id":"c","choices":[{"index":0,"delta":{"content":"TEXT"}}]}"#,
        r#"{"id":"c","choices":[{"index":0,"delta":{"refusal":"TEXT"}}]}"#,
        r#"{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"TEXT"}}]}}]}"#,
        r#"{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"function":{"arguments":"TEXT"}}]}}]}"#,
        r#"{"id":"c","choices":[{"index":1,"delta":{"content":[{"type":"text","text":"TEXT"}]}}]}"#,
        r#"{"id":"c","choices":[{"index":1,"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"TEXT"}]}]}}]}"#,
    ],
    &[
        r#"{"id":"c","choices":[{"index":0,"text":"TEXT"}]}"#,
        r#"{"id":"c","choices":[{"index":1,"text":"TEXT"}]}"#,
    ],
    &[
        r#"{"type":"response.reasoning_summary_text.delta","item_id":"r","output_index":0,"summary_index":0,"delta":"TEXT"}"#,
        r#"{"type":"response.output_text.delta","item_id":"m","output_index":1,"content_index":0,"delta":"TEXT"}"#,
        r#"{"type":"response.refusal.delta","item_id":"m","output_index":1,"content_index":1,"delta":"TEXT"}"#,
        r#"{"type":"response.function_call_arguments.delta","item_id":"f","output_index":2,"delta":"TEXT"}"#,
    ],
];
const END: &str = r#"{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;

/// A piece of a text of one channel; an end where there is none.
type Turn<'t> = (usize, Option<&'t str>);

/// What is read of each channel, the error, and the verdict.
fn relay_turns(channels: &[&str], turns: &[Turn<'_>]) -> (Vec<String>, bool, String) {
    let mut exchange = Exchange::begin(engine());
    let mut out = Vec::new();
    for (channel, text) in turns {
        let event = match text {
            Some(text) => channels[*channel].replace("TEXT", &common::json_string(text)),
            None => END.to_owned(),
        };
        let event = format!("data: {event}\n\n");
        if exchange.response_bytes(event.as_bytes(), false, &mut out) == StreamStep::Cut {
            break;
        }
    }
    exchange.response_bytes(b"data: [DONE]\n\n", true, &mut out);
    let mut texts = vec![String::new(); channels.len()];
    let mut is_cut = false;
    for line in std::str::from_utf8(&out).unwrap().lines() {
        let payload = line.strip_prefix("data: ").filter(|line| *line != "[DONE]");
        let Some(payload) = payload else { continue };
        let event: serde_json::Value = serde_json::from_str(payload).unwrap();
        is_cut |= event.get("error").is_some();
        for (channel, text) in channels.iter().zip(&mut texts) {
            *text += piece_of(channel, &event).unwrap_or_default();
        }
    }
    (texts, is_cut, format!("{:?}", exchange.tally().outcome()))
}

/// The piece of a channel that an event has.
fn piece_of<'e>(channel: &str, event: &'e serde_json::Value) -> Option<&'e str> {
    fn find<'e>(shape: &serde_json::Value, event: &'e serde_json::Value) -> Option<&'e str> {
        match shape {
            serde_json::Value::String(text) if text == "TEXT" => event.as_str(),
            serde_json::Value::Array(shapes) => find(shapes.first()?, event.get(0)?),
            serde_json::Value::Object(shape) => {
                let names = ["index", "item_id", "content_index"];
                let is_other = |name: &&str| {
                    shape
                        .get(*name)
                        .is_some_and(|wanted| event.get(*name) != Some(wanted))
                };
                if names.iter().any(is_other)
                    || shape
                        .get("type")
                        .is_some_and(|kind| event.get("type") != Some(kind))
                {
                    return None;
                }
                shape
                    .iter()
                    .find_map(|(name, shape)| find(shape, event.get(name)?))
            }
            _ => None,
        }
    }
    find(&serde_json::from_str(channel).unwrap(), event)
}

/// The turns with each text cut at up to `most` places.
fn cut_turns<'t>(turns: &[Turn<'t>], most: usize, random: &mut Random) -> (Vec<Turn<'t>>, usize) {
    let mut cut = Vec::new();
    let mut count = 0;
    for (channel, text) in turns {
        let Some(text) = text else {
            cut.push((*channel, None));
            continue;
        };
        let places: Vec<usize> = (0..random.below(most + 1))
            .map(|_| random.below(text.len() + 1))
            .collect();
        count += places.len();
        cut.extend(common::split(text, &places).map(|range| (*channel, Some(&text[range]))));
    }
    (cut, count)
}

#[test]
fn random_cuts_of_texts_that_take_turns() {
    let cuts: usize = env::var("KT_CUTS")
        .ok()
        .and_then(|cuts| cuts.parse().ok())
        .unwrap_or(10_000);
    let texts = corpus(40, 600);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut done, mut streams) = (0, 0);
    while done < cuts {
        let channels = CHANNELS[streams % CHANNELS.len()];
        streams += 1;
        // Every channel has a text, of which it says a stretch whenever it is its turn.
        let own: Vec<&str> = channels
            .iter()
            .map(|_| texts[random.below(texts.len())].as_str())
            .collect();
        let mut said = vec![0; channels.len()];
        let mut turns: Vec<Turn<'_>> = Vec::new();
        for _ in 0..2 + random.below(6) {
            let channel = random.below(channels.len());
            let (text, from) = (own[channel], said[channel]);
            let to = text.floor_char_boundary(from + random.below(text.len() - from + 1));
            if to > from {
                turns.push((channel, Some(&text[from..to])));
                said[channel] = to;
            }
            if random.below(6) == 0 {
                turns.push((0, None));
            }
        }
        let whole = relay_turns(channels, &turns);
        for _ in 0..6 {
            let (cut, count) = cut_turns(&turns, 6, &mut random);
            assert_eq!(relay_turns(channels, &cut), whole, "{turns:?}\n{cut:?}");
            done += count + turns.len();
        }
    }
    eprintln!("{done} random cuts over {streams} streams of several texts");
}

/// Deltas the size of tokens: a word with the space before it; words of more than thirteen letters in pieces.
/// Common tokenisers have one token for nearly every shorter English word.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut start = 0;
    for (at, c) in text.char_indices().skip(1) {
        if c == ' ' || at - start >= 14 {
            tokens.push(&text[start..at]);
            start = at;
        }
    }
    tokens.push(&text[start..]);
    tokens
}

/// Answers of assistants in plain English, or the built-in prose where there is no corpus.
fn prose() -> Vec<String> {
    let answers = corpus_files()
        .into_iter()
        .filter(|file| file.ends_with("benign/arena_hard_answers.jsonl"));
    let texts: Vec<String> = answers
        .flat_map(|file| texts_of(&file, 60, 4000))
        .filter(|text| text.is_ascii() && !text.contains(['|', '`']) && !text.contains("   "))
        .collect();
    if texts.is_empty() {
        PROSE.iter().map(|text| (*text).to_owned()).collect()
    } else {
        texts
    }
}

#[test]
fn little_waits_in_ordinary_prose() {
    let (mut held, mut delays) = (Vec::new(), Vec::new());
    let plain = common::compile("");
    for text in prose() {
        let mut exchange = Exchange::begin(plain.clone());
        let mut out = Vec::new();
        // For each byte of the text, the delta in which it came.
        let (mut came, mut left) = (Vec::new(), 0);
        for (number, token) in tokens(&text).into_iter().enumerate() {
            exchange.response_bytes(chunk(token).as_bytes(), false, &mut out);
            came.resize(came.len() + token.len(), number);
            held.push(exchange.held());
            let leaves = came.len() - exchange.held();
            delays.extend(came[left..leaves].iter().map(|came| number - came));
            left = leaves;
        }
    }
    held.sort_unstable();
    delays.sort_unstable();
    let quantile = |figures: &[usize], share: usize| figures[(figures.len() - 1) * share / 100];
    let [median, p99, most] = [50, 99, 100].map(|share| quantile(&held, share));
    eprintln!(
        "held bytes: median {median}, 99th percentile {p99}, most {most}; 95 % of the text leaves after {} deltas",
        quantile(&delays, 95)
    );
    assert!(median <= 8 && p99 <= 32);
    assert!(quantile(&delays, 95) <= 1);
}

#[test]
fn values_hold_back_no_more_than_the_longest_match() {
    for text in VALUES {
        let mut exchange = Exchange::begin(engine());
        let mut out = Vec::new();
        for (at, c) in text.char_indices() {
            exchange.response_bytes(
                chunk(&text[at..at + c.len_utf8()]).as_bytes(),
                false,
                &mut out,
            );
            // An e-mail address has at most 64 + 1 + 255 characters.
            assert!(exchange.held() <= 320, "{} bytes wait", exchange.held());
        }
    }
}

/// Whether a number behind a card makes a table of it shows at its end.
#[test]
fn a_number_behind_a_card_is_waited_for() {
    let next = "110201543:AAHdqTcvCH1vGWJxfSe1ofSAs0K5PALDsaw";
    let separators =
        [" ", "-"].map(|sign| (sign, format!("4111{sign}1111{sign}1111{sign}1111{sign}")));
    for (sign, card) in separators {
        for digits in 1..=next.len() {
            for more in ["", " and so on", sign, &format!("{sign}1234{sign}5678 ")] {
                let text = format!("{card}{}{more}", &next[..digits]);
                let every: Vec<usize> = (0..text.len()).collect();
                assert_eq!(cut_deltas(&text, &every), uncut(&text), "{text}");
            }
        }
    }
}
