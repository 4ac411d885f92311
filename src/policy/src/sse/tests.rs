//! Framing, and what becomes of lines that are no data.

use super::*;

fn events(pieces: &[&[u8]]) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let mut decoder = SseDecoder::with_limit(1000);
    let mut seen = Vec::new();
    let mut drain = |decoder: &mut SseDecoder| {
        while let Some(event) = decoder.next_event().unwrap() {
            seen.push((event.raw.to_vec(), event.data().map(Cow::into_owned)));
        }
    };
    for piece in pieces {
        decoder.push(piece);
        drain(&mut decoder);
    }
    decoder.finish();
    drain(&mut decoder);
    seen
}

/// What is replayed of a stream, with another payload where there is one.
fn replayed(stream: &[u8], payload: Option<&[u8]>) -> String {
    let mut decoder = SseDecoder::with_limit(1000);
    decoder.push(stream);
    let mut out = Vec::new();
    while let Some(event) = decoder.next_event().unwrap() {
        let data = event.data();
        let payload = data.as_deref().map(|data| payload.unwrap_or(data));
        event.write(payload, true, &mut out);
    }
    String::from_utf8(out).unwrap()
}

const STREAM: &[u8] =
    b": hi\r\n\r\ndata:{\"a\":\ndata: 1}\n\nid: 7\rdata: x\r\revent: e\ndata\n\ndata: last";

#[test]
fn every_cut_gives_the_same_events() {
    let whole = events(&[STREAM]);
    let payloads: Vec<_> = whole.iter().map(|(_, data)| data.clone()).collect();
    let expected: [Option<&[u8]>; 5] =
        [None, Some(b"{\"a\":\n1}"), Some(b"x"), None, Some(b"last")];
    assert_eq!(payloads, expected.map(|data| data.map(<[u8]>::to_vec)));
    for cut in 0..=STREAM.len() {
        assert_eq!(
            events(&[&STREAM[..cut], &STREAM[cut..]]),
            whole,
            "cut at {cut}"
        );
    }
    let bytes: Vec<&[u8]> = STREAM.chunks(1).collect();
    assert_eq!(events(&bytes), whole);
}

#[test]
fn no_byte_is_lost() {
    let raw: Vec<u8> = events(&[STREAM])
        .into_iter()
        .flat_map(|(raw, _)| raw)
        .collect();
    assert_eq!(raw, [STREAM, b"\n\n"].concat());
}

#[test]
fn known_lines_are_replayed_as_they_came() {
    for stream in [
        "data: {}\n\n",
        "data:{}\r\n\r\n",
        "event: response.output_text.delta\nid: 7f-1:a\nretry: 3000\ndata: {}\n:\n\n",
        ":\n\n",
        "\n\ndata: {}\r\r\n",
        "event: ping\n\n",
        "id\nevent:\ndata: {}\n\n",
    ] {
        assert_eq!(replayed(stream.as_bytes(), None), stream);
    }
}

#[test]
fn of_other_lines_nothing_is_replayed() {
    for (stream, seen) in [
        (": bob@example.com\n\n", ":\n\n"),
        (": a\n: b\ndata: {}\n\n", ":\ndata: {}\n\n"),
        ("Data: {}\n\n", ""),
        (" data: {}\n\n", ""),
        ("data : {}\n\n", ""),
        ("datas\n\n", ""),
        ("x-note: hi\ndata: {}\n\n", "data: {}\n\n"),
        ("event: bob@example.com\ndata: {}\n\n", "data: {}\n\n"),
        ("event: 219-09-9999\ndata: {}\n\n", "data: {}\n\n"),
        ("id: a b\ndata: {}\n\n", "data: {}\n\n"),
        ("id: a\0b\ndata: {}\n\n", "data: {}\n\n"),
        ("retry: 4111111111111111\ndata: {}\n\n", "data: {}\n\n"),
        ("\u{feff}data: {}\n\n", "data: {}\n\n"),
        ("\u{feff}\u{feff}data: {}\n\n", ""),
        ("data: {}\n\n\u{feff}data: {}\n\n", "data: {}\n\n"),
        ("data\n\ndata:\n\ndata: \n\n", ":\n\n:\n\n:\n\n"),
        ("event: ping\ndata:\n\n", "event: ping\n:\n\n"),
        ("data: {\ndata: }\n\n", "data: { }\n\n"),
        (
            "data: {\"a\":\"\u{2028}\u{2029}\u{85}é—\"}\n\n",
            "data: {\"a\":\"\\u2028\\u2029\\u0085é—\"}\n\n",
        ),
    ] {
        assert_eq!(replayed(stream.as_bytes(), None), seen, "{stream:?}");
    }
}

#[test]
fn what_is_dropped_is_counted() {
    let mut decoder = SseDecoder::with_limit(1000);
    decoder.push(b"x: y\nid: a b\n{\"a\":1}\ndata: {}\n\n");
    let event = decoder.next_event().unwrap().unwrap();
    assert_eq!((event.dropped(), event.has_json_line()), (3, true));
    decoder.push(b"data: {}\n\n");
    let event = decoder.next_event().unwrap().unwrap();
    assert_eq!((event.dropped(), event.has_json_line()), (0, false));
}

#[test]
fn a_new_payload_keeps_the_other_lines() {
    assert_eq!(
        replayed(
            b": c\nid: 1\ndata: {\ndata:}\nevent: e\n\n",
            Some(b"{\n\"a\":1}")
        ),
        ":\nid: 1\ndata: { \"a\":1}\nevent: e\n\n"
    );
    assert_eq!(
        replayed(b"id: 1\r\ndata: {}\r\n\r\n", Some(b"[]")),
        "id: 1\r\ndata: []\r\n\r\n"
    );
}

#[test]
fn names_are_read() {
    let mut decoder = SseDecoder::with_limit(1000);
    decoder.push(b"event: a.b\nid:7\ndata: {}\n\n");
    let event = decoder.next_event().unwrap().unwrap();
    assert_eq!((event.name(), event.id()), (Some("a.b"), Some("7")));
}

/// The events of a stream up to the first that is too long, and whether there is one.
fn within(limit: usize, pieces: &[&[u8]]) -> (Vec<Vec<u8>>, bool) {
    let mut decoder = SseDecoder::with_limit(limit);
    let mut seen = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.next_event() {
                Ok(Some(event)) => seen.push(event.raw.to_vec()),
                Ok(None) => break,
                Err(EventTooLong) => return (seen, true),
            }
        }
    }
    (seen, false)
}

#[test]
fn what_is_too_long_does_not_depend_on_the_cuts() {
    let stream = b"data: 1\n\nid: 7\r\ndata: 123456\r\n\r\n:\n\ndata: 123456789\r\r:\n\n";
    for (limit, count) in [(1, 0), (8, 0), (9, 1), (22, 1), (23, 5), (40, 5)] {
        let whole = within(limit, &[stream]);
        assert_eq!((whole.0.len(), whole.1), (count, count < 5), "{limit}");
    }
    for limit in 0..40 {
        let whole = within(limit, &[stream]);
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(within(limit, &bytes), whole, "{limit}");
        for cut in 0..=stream.len() {
            let (start, end) = stream.split_at(cut);
            assert_eq!(within(limit, &[start, end]), whole, "{limit}, cut at {cut}");
        }
    }
}

#[test]
fn an_endless_event_is_refused() {
    assert_eq!(within(16, &[b"data: 0123456789"]), (vec![], false));
    assert_eq!(within(16, &[b"data: 0123456789", b"x"]), (vec![], true));
    let lines = b"data:\n".repeat(MAX_LINES);
    assert_eq!(within(1 << 20, &[&lines]), (vec![], false));
    assert_eq!(within(1 << 20, &[&lines, b"data:\n"]), (vec![], true));
}
