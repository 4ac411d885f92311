//! The laws of the engine, as properties over generated texts and cuts.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod common;

use common::{
    FINISH, Seen, chunk, client_reads, cut_deltas, engine, json_string, run_stream, split, uncut,
};
use kt_policy::{BodyStep, Exchange, Verdict};
use proptest::{prelude::*, sample::select};

/// What surrounds, joins and hides values: escapes in escapes, JSON in strings, other writings of the same characters.
const DISGUISES: &[&str] = &[
    "\\",
    "\\\\",
    "\\n",
    "\\\\t",
    "\\\"",
    "\\u0040",
    "\\\\u0040",
    "\\u00",
    "40",
    "\\ud835\\udfce",
    "\\ud83d",
    "\\x40",
    "\\_",
    "%40",
    "%2540",
    "%25%34%30",
    "%",
    "%4",
    "%EF%BC%A0",
    "%E2%80",
    "&#64;",
    "&#64",
    "&commat;",
    "&amp;",
    "&",
    "&#",
    "#64;",
    "{\"",
    "\": ",
    "{\"card\": ",
    "\\\"card\\\": ",
    "[",
    "]",
    "}",
    ", ",
    "\"",
    "```",
    "\u{2011}",
    "\u{2013}",
    "—",
    "\u{a0}",
    "\u{202f}",
    "\u{ad}",
    "\u{200b}",
    "\u{feff}",
    "\u{fe0f}",
    "\u{301}",
    "＠",
    "．",
    "４",
    "١",
    "९",
    "𝟗",
    "④",
    "example.com",
    "bob",
    "219",
    "09",
    "9999",
    "1111",
];

/// Pieces that, put together at random, make values, near misses and harmful phrases.
const FRAGMENTS: &[&str] = &[
    "bob.o-hara+x@mail.example.co.uk",
    "jörg@example.de",
    "@",
    "a@b",
    ".com",
    "4111 1111 1111 1111",
    "5500-0000-0000-0004",
    "4111111111111111",
    "4111",
    " 1111",
    "219-09-9999",
    "219 09 9999",
    "DE89 3704 0044 0532 0130 00",
    "GB29NWBK60161331926819",
    "DE",
    "89",
    "SSN ",
    "ssn: 219099999",
    "+1 415 555 2671",
    "(415) 555-2671",
    "415.555.2671",
    "phone 4155552671",
    "+",
    "(",
    ")",
    "192.168.0.14",
    "2001:db8::8a2e:370:7334",
    "::",
    ":",
    "fe80::1",
    "1.2.3.4.5",
    "sk-proj-4f9aBcD3eFgHiJkLmNoPqRsTuVwXyZ012345",
    "AKIAIOSFODNN7EXAMPLE",
    "sk-",
    "api_key = \"",
    "PASSWORD=",
    "9f8e7d6c5b4a39281706",
    "secret",
    ": ",
    "Bearer ",
    "gh",
    "p_16C7e42F292c6912E7710c838347Ae178B4a",
    "eyJhbGciOiJIUzI1NiJ9",
    ".",
    "eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNry",
    "-----BEGIN RSA PRIVATE KEY-----",
    "-----END RSA PRIVATE KEY-----",
    "-----",
    "00:1A:2B:3C:4D:5E",
    "postgres://app:s3cret@db:5432/x",
    "://",
    "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
    "0x742d35Cc6634C0532925a3b844Bc454e4438f44e",
    "1HGCM82633A004352",
    "912-70-1234",
    "curl -u ",
    "--user '",
    "bob:P@ssw0rd1",
    "QtT8Q~9C-_Ij~RouHVpD2Tuf3oHWGh.DQ3kcjbAn",
    "110201543:AAHdqTcvCH1vGWJxfSe1ofSAs0K5PALDsaw",
    "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs",
    "343ea45721923ed956e2b38c31db76aa-us30",
    "SK0123456789abcdef0123456789abcdef",
    "HEROKU_KEY",
    "12345678-abcd-4bcd-9bcd-1234567890ab",
    "+44 20 7946 0958",
    "07700 900123",
    "x123",
    "0012.3456.789a",
    "AB 12 34 56 C",
    "NHS 401 023 2137",
    "SIN: ",
    "130-692-544",
    "Steuer-ID 86 095 742 719",
    "1 84 12 76 451 089 46",
    "12.345.678-Z",
    "X-1234567-L",
    "RSSMRA85T10A562S",
    "bsn ",
    "111222333",
    "2345 6789 0124",
    "ABCPD1234F",
    "529.982.247-25",
    "2123 45670 1",
    "passport ",
    "C01X00T47",
    "driver's license ",
    "F162-8235-4011",
    "MRN: ",
    "A-448812",
    "NPI 1234567893",
    "AB1234563",
    "1EG4-TE5-MK73",
    "sort code ",
    "12-34-56",
    "account number ",
    "CVV: 123",
    "Cardholder: Jane Q. Doe",
    "cardholder",
    "name on card: ",
    "Jane ",
    "born on ",
    "March 14, 1985",
    "14 March ",
    "1985-03-14",
    "742 Evergreen Terrace",
    ", Springfield, IL 62704",
    " Street",
    "221B Baker",
    "EMP-1234",
    "EMP-",
    "begin",
    " the end",
    "Projct Apolo",
    "PROJECT ",
    "apollo",
    "how to make a bomb",
    "how to ",
    "make a ",
    "bomb",
    "kill myself",
    "launder the ",
    "money",
    " ",
    "  ",
    "\n",
    ", ",
    ". ",
    "-",
    "/",
    "The quick brown fox",
    "über",
    "日本語",
    "јаilbreаk",
    "\u{200b}",
    "😀",
    "\"quoted\"",
    "back\\slash",
    "'",
    "’s",
    "0",
    "12",
    "345",
    "6789",
];

fn fragment() -> impl Strategy<Value = String> {
    let known = select(FRAGMENTS);
    let disguise = select(DISGUISES);
    prop_oneof![8 => known.prop_map(str::to_owned), 3 => disguise.prop_map(str::to_owned), 1 => "[a-z]{1,60}", 1 => "[0-9]{1,24}", 1 => "[0-9a-f:.]{1,60}", 1 => "\\PC{0,6}"]
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(fragment(), 0..14).prop_map(|fragments| fragments.concat())
}

/// JSON with values in it, some of them numbers.
fn json_text() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::{Value, json};
    let numbers = [
        json!(4_111_111_111_111_111_u64),
        json!(536_228_726),
        json!(-4_111_111_111_111_111_i64),
        json!(4_155_552_671_u64),
        json!(1.5),
        json!(true),
        Value::Null,
    ];
    let leaf = prop_oneof![
        select(numbers.to_vec()).boxed(),
        text().prop_map(Value::String).boxed()
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let name = select(&["card", "ssn", "phone", "a\nb"]).prop_map(str::to_owned);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map(name, inner.clone(), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
            inner
                .clone()
                .prop_map(|value| Value::String(value.to_string())),
            inner.prop_map(|value| Value::String(
                serde_json::to_string_pretty(&value).unwrap_or_default()
            )),
        ]
    })
}

/// Whether the strings of JSON that are JSON themselves are so in `after` as well, in the same places.
fn stays_json(before: &serde_json::Value, after: &serde_json::Value) -> bool {
    use serde_json::Value;
    match (before, after) {
        (Value::Array(before), Value::Array(after)) => {
            before.len() == after.len()
                && before
                    .iter()
                    .zip(after)
                    .all(|(before, after)| stays_json(before, after))
        }
        (Value::Object(before), Value::Object(after)) => {
            // Names that were values are the same now.
            let is_name = |name: &String| name.contains("_REDACTED]");
            after.keys().any(is_name)
                || before.len() == after.len()
                    && before
                        .values()
                        .zip(after.values())
                        .all(|(before, after)| stays_json(before, after))
        }
        (Value::String(before), Value::String(after)) => {
            match serde_json::from_str::<Value>(before) {
                Ok(inner @ (Value::Array(_) | Value::Object(_))) => {
                    serde_json::from_str(after).is_ok_and(|after| stays_json(&inner, &after))
                }
                _ => true,
            }
        }
        _ => true,
    }
}

/// Whether `seen` has a marker in the place of each value of `text` that its event lists, and else the same text.
fn lists_what_was_replaced(text: &str, seen: &Seen) -> bool {
    // A number of JSON becomes a string, with its sign and its other digits.
    let is_of_number = |c: char| c.is_ascii_digit() || "-+.eE".contains(c);
    let (mut at, mut copied) = (0, 0);
    for (range, category) in &seen.redactions {
        let marker = format!("[{category}_REDACTED]");
        let between = &text[copied..range.start];
        copied = range.end;
        let rest = &seen.text[at..];
        let Some(length) = [between, between.strip_suffix('-').unwrap_or(between)]
            .into_iter()
            .find_map(|between| {
                let behind = rest.strip_prefix(between)?;
                let end = behind.len() - after_value(behind, &marker, &text[range.clone()])?.len();
                Some(between.len() + end)
            })
        else {
            return seen.blocked && between.starts_with(rest.trim_end_matches(['"', '\\']));
        };
        // The quote behind the last part of a value is that of its string.
        let slashes = text[copied..].len() - text[copied..].trim_start_matches('\\').len();
        let quote = text[copied..].get(..=slashes).unwrap_or("!");
        let is_string = text[range.clone()].contains('"') && quote.ends_with('"');
        let length = if is_string && rest[..length].ends_with(quote) {
            length - quote.len()
        } else {
            length
        };
        at += length;
        if rest[..length].ends_with('"') {
            copied += text[copied..].len() - text[copied..].trim_start_matches(is_of_number).len();
        }
    }
    let (expected, rest) = (&text[copied..], &seen.text[at..]);
    rest == expected || seen.blocked && expected.starts_with(rest)
}

/// What follows the marker of `value` at the start of `text`, or its markers: between those of a value that reaches over strings
/// of JSON stay quotes and signs, in their order.
fn after_value<'t>(mut text: &'t str, marker: &str, value: &str) -> Option<&'t str> {
    let quoted = |text: &'t str| {
        let quote = &text[..=text.find('"')?];
        (quote.trim_start_matches('\\') == "\"").then_some(())?;
        text[quote.len()..]
            .strip_prefix(marker)?
            .strip_prefix(quote)
    };
    let one = |text: &'t str| text.strip_prefix(marker).or_else(|| quoted(text));
    let reaches_over = value.contains(['"', ',']);
    let mut behind = one(text);
    if !reaches_over {
        return behind;
    }
    // The longest way: what stays behind the last marker is compared with what follows the value.
    let mut last = behind;
    let mut signs = value.chars();
    loop {
        if let Some(next) = behind {
            last = Some(next);
            text = next;
        } else {
            let sign = text
                .chars()
                .next()
                .filter(|c| "\"\\{}[],: \n\tnrt".contains(*c));
            let Some(sign) = sign.filter(|sign| signs.any(|c| c == *sign)) else {
                return last;
            };
            text = &text[sign.len_utf8()..];
        }
        behind = one(text);
    }
}

/// A match that reaches over strings of JSON is replaced string by string.
#[test]
fn values_over_several_strings_leave_json() {
    const MARK: &str = "[ANYTHING_REDACTED]";
    for (text, expected) in [
        (r#"["begin","\" the end\""]"#, r#"["@","\" @\""]"#),
        (r#"["begin", " the end"]"#, r#"["@", " @"]"#),
        (
            r#"{"a": "x begin", "b": "the end y"}"#,
            r#"{"a": "x @", "@": "@ y"}"#,
        ),
        (
            r#"["begin", 12, -1.5e3, true, [null, "end"]]"#,
            r#"["@", "@", "@", "@", ["@", "@"]]"#,
        ),
        (
            r#"{"a": "{\"b\": \"begin\", \"c\": [7, \"end\"]}"}"#,
            r#"{"a": "{\"b\": \"@\", \"@\": [\"@\", \"@\"]}"}"#,
        ),
        (
            r#"["begin\\", "\n", "", "\nend"]"#,
            r#"["@\\", "\n", "", "\n@"]"#,
        ),
        (
            r#"["begin", "[]", "{\"a\": 1}", "end"]"#,
            r#"["@", "[]", "{\"@\": \"@\"}", "@"]"#,
        ),
        (r#"["so begin \"the\" end of it"]"#, r#"["so @ of it"]"#),
        (r#"it begins, "he said", in the end"#, r"it @"),
    ] {
        let seen = uncut(text);
        assert_eq!(seen.text, expected.replace('@', MARK));
        assert!(lists_what_was_replaced(text, &seen), "{text}");
        assert_eq!(cut_deltas(text, &(0..text.len()).collect::<Vec<_>>()), seen);
    }
}

/// A value that begins with what looks like an escape is none the less found, wherever the text is cut.
#[test]
fn values_behind_escapes_are_found_in_every_cut() {
    for text in ["\\bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4\\bob.o-hara+x@mail.example.co.uk"] {
        let whole = uncut(text);
        for at in 0..text.len() {
            assert_eq!(cut_deltas(text, &[at]), whole, "cut at {at}");
        }
    }
}

/// A number behind a name in an open bracket is replaced as one of JSON.
#[test]
fn numbers_in_brackets_are_listed() {
    for text in [
        "{\"card\": ssn: 219099999\\",
        "{\"card\": 4111111111111111}",
        "[-4111111111111111.0, 1]",
    ] {
        let seen = uncut(text);
        assert!(seen.text.contains("_REDACTED]\""), "{seen:?}");
        assert!(lists_what_was_replaced(text, &seen), "{seen:?}");
        assert!(!lists_what_was_replaced(
            &text.replace('1', "2"),
            &Seen {
                redactions: Vec::new(),
                ..seen
            }
        ));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Law 3, over deltas: every two-way cut, per character, and random cuts.
    #[test]
    fn cutting_the_text_differently_changes_nothing(text in text(), cuts in prop::collection::vec(any::<usize>(), 0..8)) {
        let whole = uncut(&text);
        prop_assert_eq!(&cut_deltas(&text, &cuts), &whole);
        let every: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        prop_assert_eq!(&cut_deltas(&text, &every), &whole);
        for &at in &every {
            prop_assert_eq!(&cut_deltas(&text, &[at]), &whole, "cut at {}", at);
        }
    }

    /// Law 3, over bytes of the network.
    #[test]
    fn cutting_the_bytes_differently_changes_nothing(text in text(), cuts in prop::collection::vec(any::<usize>(), 0..8)) {
        let body: String = split(&text, &cuts).map(|range| chunk(&text[range])).collect::<String>() + FINISH;
        let whole = run_stream(&[body.as_bytes()], |_| {});
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.rotate_left(17) % (body.len() + 1)).collect();
        at.extend([0, body.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &body.as_bytes()[pair[0]..pair[1]]).collect();
        prop_assert_eq!(&run_stream(&pieces, |_| {}), &whole);
        let single: Vec<&[u8]> = body.as_bytes().chunks(1).collect();
        prop_assert_eq!(&run_stream(&single, |_| {}), &whole);
    }

    /// A stream reads like the response that is not one, and a stop cuts a prefix of it.
    #[test]
    fn a_stream_reads_like_the_whole_answer(text in text()) {
        let stream = uncut(&text);
        let body = format!("{{\"choices\":[{{\"index\":0,\"message\":{{\"content\":\"{}\"}}}}]}}", json_string(&text));
        let mut exchange = Exchange::begin(engine());
        match exchange.response_body(body.as_bytes()) {
            BodyStep::Forward => prop_assert_eq!(&stream.text, &text),
            BodyStep::Patch(patch) => {
                let patched: serde_json::Value = serde_json::from_slice(&patch.apply(body.as_bytes())).unwrap();
                prop_assert_eq!(&stream.text, patched["choices"][0]["message"]["content"].as_str().unwrap());
            }
            BodyStep::Reply(reply) => {
                prop_assert_eq!(reply.code, "output_blocked");
                prop_assert!(stream.blocked);
            }
        }
        prop_assert_eq!(stream.verdict, exchange.tally().outcome().0);
    }

    /// Exactly the values that the event lists are replaced, whatever prefix of the stream was read.
    #[test]
    fn what_the_event_lists_is_what_was_replaced(text in text()) {
        let seen = uncut(&text);
        prop_assert!(lists_what_was_replaced(&text, &seen), "{:?} became {:?}", text, seen);
    }

    /// Law 4: what was released is never taken back and never holds a value.
    #[test]
    fn every_released_prefix_is_final(text in text()) {
        let body: String = text.char_indices().map(|(at, c)| chunk(&text[at..at + c.len_utf8()])).collect::<String>() + FINISH;
        let pieces: Vec<&[u8]> = body.split_inclusive("\n\n").map(str::as_bytes).collect();
        let mut released = Vec::new();
        let whole = run_stream(&pieces, |out| released.push(client_reads(out).0));
        for prefix in released {
            prop_assert!(whole.text.starts_with(&prefix), "{:?} is no prefix of {:?}", prefix, whole.text);
        }
    }

    /// Redacting twice is redacting once, for values that neither touch each other nor give each other context.
    #[test]
    fn redacted_text_has_no_finding(fragments in prop::collection::vec(fragment(), 0..8)) {
        let once = uncut(&fragments.join(&" and so it goes ".repeat(6)));
        let twice = uncut(&once.text);
        // The model of answers may think otherwise of a text with markers.
        if !once.blocked && !twice.blocked {
            prop_assert_eq!(&twice.text, &once.text);
        }
    }

    /// JSON in a string stays JSON, also in strings of its own.
    #[test]
    fn redacted_json_stays_json(value in json_text()) {
        let text = match &value {
            serde_json::Value::Array(_) | serde_json::Value::Object(_) => value.to_string(),
            _ => return Ok(()),
        };
        let seen = uncut(&text);
        if !seen.blocked {
            let after = serde_json::from_str::<serde_json::Value>(&seen.text);
            prop_assert!(after.is_ok(), "{} became {}", text, seen.text);
            prop_assert!(stays_json(&value, &after.unwrap()), "{} became {}", text, seen.text);
        }
    }

    /// Law 2: a request without findings leaves byte for byte, and every edit keeps it valid JSON.
    #[test]
    fn requests_keep_their_bytes(texts in prop::collection::vec(text(), 1..4)) {
        let messages: Vec<String> =
            texts.iter().map(|text| format!("{{\"role\" :\"user\",\"content\":\"{}\",\"x\":1.50e1}}", json_string(text))).collect();
        let body = format!("{{\"messages\":[{}], \"model\":\"m\"}}", messages.join(" ,"));
        let mut exchange = Exchange::begin(engine());
        match exchange.request_body(body.as_bytes()) {
            BodyStep::Forward => prop_assert_eq!(exchange.tally().outcome().0, Verdict::Allow),
            BodyStep::Patch(patch) => {
                let patched = patch.apply(body.as_bytes());
                prop_assert_eq!(patched.len(), patch.patched_len(body.len()));
                prop_assert!(serde_json::from_slice::<serde_json::Value>(&patched).is_ok());
                prop_assert_eq!(exchange.tally().outcome().0, Verdict::Redact);
            }
            BodyStep::Reply(reply) => prop_assert_eq!(reply.status, 409),
        }
    }
}
