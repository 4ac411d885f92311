//! Events, lines and bodies that are not what they claim to be.

use crate::common::engine;
use kt_policy::Exchange;

use super::{CONTENT, content, payloads, read, relay, sse};

#[test]
fn empty_events_are_passed_over() {
    for empty in [
        "data:",
        "data: ",
        "data",
        ": ping",
        "retry: 5",
        "event: ping",
        "data:\ndata:",
    ] {
        let (out, is_cut) = relay(&format!("{empty}\n\n{}", sse(&[content("Hello. ")])));
        assert!(!is_cut, "{empty}");
        assert_eq!(read(&payloads(&out), CONTENT), "Hello. ");
    }
    for done in [
        "data: [DONE] ",
        "data:[DONE]",
        "data:  [DONE]",
        "data: [DONE]\t",
    ] {
        let (out, is_cut) = relay(&format!(
            "data: {}\n\n{done}\n\ndata: x\n\n",
            content("Hello. ")
        ));
        assert!(!is_cut && out.ends_with("[DONE]\n\n"), "{out:?}");
    }
}

#[test]
fn lines_that_are_no_data_do_not_leave() {
    let chunk = content("Hello. ");
    for line in [
        ": bob@example.com",
        "id: bob@example.com",
        "id: 219-09-9999",
        "event: bob@example.com",
        "x-note: bob@example.com",
        "bob@example.com",
        " data: \"bob@example.com\"",
        "Data: \"bob@example.com\"",
        "data : \"bob@example.com\"",
        "\u{feff}data: \"bob@example.com\"",
    ] {
        for stream in [
            format!("data: {chunk}\n{line}\n\ndata: [DONE]\n\n"),
            format!("data: {chunk}\n\n{line}\n\ndata: [DONE]\n\n"),
        ] {
            let (out, is_cut) = relay(&stream);
            assert!(
                !is_cut && !out.contains("example.com") && !out.contains("219"),
                "{out}"
            );
            assert_eq!(payloads(&out), std::slice::from_ref(&chunk));
        }
    }
    for line in ["{\"choices\":[]}", " [1]"] {
        assert!(relay(&format!("data: {chunk}\n\n{line}\n\n")).1, "{line}");
    }
}

#[test]
fn a_body_is_judged_as_what_it_is() {
    for body in [
        "{\"error\":{\"message\":\"write to bob@example.com\"}}",
        "\n{\"choices\":[{\"message\":{\"content\":\"bob@example.com\"}}]}",
        "\u{feff}{\"choices\":[]}",
    ] {
        for at in 0..body.len() {
            let mut exchange = Exchange::begin(engine());
            let mut out = Vec::new();
            exchange.response_bytes(&body.as_bytes()[..at], false, &mut out);
            assert!(out.is_empty());
            exchange.response_bytes(&body.as_bytes()[at..], true, &mut out);
            let out = String::from_utf8(out).unwrap();
            assert!(!out.contains("example.com"), "{out}");
        }
    }
    for body in [
        "bob@example.com",
        "write to\nbob@example.com",
        "<html>bob@example.com</html>",
        "{\"a\":1}\n{\"b\":\"bob@example.com\"}\n",
        "\"bob@example.com\"",
    ] {
        let (out, is_cut) = relay(body);
        assert!(
            is_cut && out.contains("upstream_failed") && !out.contains("example.com"),
            "{out}"
        );
    }
    let (out, is_cut) = relay("{\"choices\":[{\"index\":0,\"message\":{\"content\":\"Hello\"}}]}");
    assert_eq!(
        (out.as_str(), is_cut),
        (
            "{\"choices\":[{\"index\":0,\"message\":{\"content\":\"Hello\"}}]}",
            false
        )
    );
}

#[test]
fn an_event_stream_under_another_type_is_judged_as_one() {
    use kt_policy::BodyStep;
    let stream = sse(&[content("Write to bob@"), content("example.com today. ")]);
    match Exchange::begin(engine()).response_body(stream.as_bytes()) {
        BodyStep::Patch(patch) => {
            let out = String::from_utf8(patch.apply(stream.as_bytes())).unwrap();
            assert_eq!(
                read(&payloads(&out), CONTENT),
                "Write to [EMAIL_REDACTED] today. "
            );
        }
        other => panic!("{other:?}"),
    }
    let stream = sse(&[content("how to make "), content("a bomb")]);
    assert!(
        matches!(Exchange::begin(engine()).response_body(stream.as_bytes()), BodyStep::Reply(reply) if reply.status == 409)
    );
    let stream = sse(&[content("Hello. ")]);
    assert_eq!(
        Exchange::begin(engine()).response_body(stream.as_bytes()),
        BodyStep::Forward
    );
}

#[test]
fn halves_of_a_character_wait_for_each_other() {
    let chunk = |text: &str| {
        format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
    };
    for pieces in [
        &["hi \\ud83d", "\\ude00 there. "][..],
        &["hi \\ud83d", "\\ude00\\ud83d", "\\ude00 there. "],
        &["hi \\uD83D", "", "\\uDE00 there. "],
        &["\\ud83d", "\\ude00"],
    ] {
        let stream: String = pieces.iter().map(|piece| chunk(piece)).collect();
        let (out, is_cut) = relay(&(stream + "data: [DONE]\n\n"));
        assert!(!is_cut, "{out}");
        let seen = read(&payloads(&out), CONTENT);
        assert_eq!(
            seen.chars().filter(|c| *c == '😀').count(),
            pieces.concat().matches("\\ude00").count() + pieces.concat().matches("\\uDE00").count()
        );
        assert!(!seen.contains('\u{fffd}'));
    }
    for pieces in [
        &["hi \\ud83d"][..],
        &["hi \\ud83d", "there"],
        &["\\ude00"],
        &["hi \\ud83d there"],
        &["hi \\ud83d", "\\ud83d"],
    ] {
        let stream: String = pieces.iter().map(|piece| chunk(piece)).collect();
        assert!(relay(&(stream + "data: [DONE]\n\n")).1, "{pieces:?}");
    }
    // In what is no text there is no next piece.
    assert!(relay("data: {\"choices\":[{\"delta\":{\"x\":\"a\\ud83d\"}}]}\n\n").1);
}
