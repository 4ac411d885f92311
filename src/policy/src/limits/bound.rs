//! The most tokens that an exchange can take, known before it begins.
//!
//! A token of text stands for at least one byte, and a message costs a few beside its text, fewer than its JSON takes; so a
//! request has at most as many tokens as its body has bytes. That is three to five times the usual count, and no bound for
//! what a request only refers to: images, audio and files, stored prompts and earlier responses. An answer has at most as many
//! as the request allows, for each of its choices.

use std::ops::Range;

use crate::{
    endpoint::Endpoint,
    json::{Kind, Node, Step},
    splice::Edits,
};

/// What a request says about the length of its answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Lengths {
    /// Tokens of each answer; the largest number where several are stated.
    tokens: Option<u64>,
    /// Members that state a number.
    stated: Vec<&'static str>,
    /// How many answers to each prompt.
    answers: Option<u64>,
    /// How many prompts, where there is a list of them.
    prompts: u64,
    /// Members that are `null`, by where that stands.
    unsaid: Vec<(&'static str, Range<usize>)>,
    /// Something is no number.
    is_strange: bool,
}

/// Members that limit an answer.
const LIMITS: [&str; 7] = [
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    // Names of servers behind the same API, which may go by them.
    "max_new_tokens",
    "max_length",
    "max_gen_len",
    "num_predict",
];

/// OpenAI's newer models refuse the older name, which all others know.
const OPENAI_LIMIT: &str = "max_completion_tokens";

impl Lengths {
    /// Takes a node of the request.
    pub(crate) fn note(&mut self, body: &str, path: &[Step<'_>], node: &Node) {
        let name = match path {
            [Step::Key(name)] => name,
            [prompt, Step::Index(at)] if prompt.is("prompt") => {
                self.prompts = self.prompts.max(*at as u64 + 1);
                return;
            }
            _ => return,
        };
        if matches!(node.kind, Kind::Name { .. }) {
            return;
        }
        let length = LIMITS.into_iter().find(|length| length == name);
        if length.is_none() && !matches!(&**name, "n" | "best_of") {
            return;
        }
        let number = || {
            let text = body.get(node.range.clone())?;
            // Whatever is written in another way is more than anybody allows.
            Some(text.parse::<u64>().unwrap_or(u64::MAX))
        };
        match (node.kind, length) {
            (Kind::Number, Some(length)) => {
                self.tokens = self.tokens.max(number());
                self.stated.push(length);
            }
            (Kind::Number, None) => self.answers = self.answers.max(number()),
            (Kind::Null, Some(length)) => self.unsaid.push((length, node.range.clone())),
            (Kind::Null, None) => {}
            _ => self.is_strange = true,
        }
    }

    /// What is wrong with it.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        self.is_strange
            .then_some("`max_tokens`, `n` and their like must be numbers")
    }

    /// Limits the answer to `tokens` by `member`, if the request does not. One that is limited by a name that the target may not
    /// know is limited to the same number by `member` as well. What is returned is to be added to the request.
    pub(crate) fn limit(
        &mut self,
        member: &'static str,
        tokens: u64,
        edits: &mut Edits,
    ) -> Option<Vec<u8>> {
        // OpenAI knows the older name too, and takes only one of them.
        let is_known =
            |name: &&str| *name == member || member == OPENAI_LIMIT && *name == "max_tokens";
        if self.stated.iter().any(is_known) {
            return None;
        }
        let tokens = *self.tokens.get_or_insert(tokens);
        let unsaid = self.unsaid.iter().find(|(name, _)| *name == member);
        if let Some((_, range)) = unsaid {
            edits.replace_whole(range.clone(), tokens.to_string().into_bytes());
            return None;
        }
        Some(format!("\"{member}\":{tokens}").into_bytes())
    }

    /// The most tokens of request and answers, for a body of `len` bytes.
    pub(crate) fn most_tokens(&self, endpoint: Endpoint, len: usize) -> [u64; 2] {
        let answers = match endpoint {
            Endpoint::Embeddings => 0,
            _ => self.answers.unwrap_or(1).max(1),
        };
        let each = self.tokens.unwrap_or(u64::MAX);
        let answers = answers.saturating_mul(self.prompts.max(1));
        [len as u64, each.saturating_mul(answers)]
    }
}

/// The member by which a request limits the length of its answer.
pub(crate) fn limiting_member(endpoint: Endpoint, is_openai: bool) -> Option<&'static str> {
    match endpoint {
        Endpoint::ChatCompletions if is_openai => Some(OPENAI_LIMIT),
        Endpoint::ChatCompletions | Endpoint::Completions => Some("max_tokens"),
        Endpoint::Responses => Some("max_output_tokens"),
        Endpoint::Embeddings => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(body: &str) -> Lengths {
        let mut lengths = Lengths::default();
        crate::json::walk(body, &mut |path, node| lengths.note(body, path, node)).unwrap();
        lengths
    }

    #[test]
    fn every_way_to_ask_for_more_counts() {
        for (body, tokens) in [
            (r#"{"max_tokens": 7}"#, 7),
            (
                r#"{"max_tokens": 7, "max_completion_tokens": 9, "x": {"max_tokens": 99}}"#,
                9,
            ),
            (r#"{"max_output_tokens": 7, "n": 3}"#, 21),
            (
                r#"{"max_tokens": 7, "n": 2, "best_of": 5, "prompt": ["a", "b", "c"]}"#,
                105,
            ),
            (r#"{"max_tokens": 7, "n": null}"#, 7),
            (r#"{"max_tokens": 7, "n": 0}"#, 7),
            (r#"{"max_tokens": -1}"#, u64::MAX),
            (r#"{"max_tokens": 1e3}"#, u64::MAX),
            (r#"{"max_tokens": 7, "n": 99999999999999999999}"#, u64::MAX),
            ("{}", u64::MAX),
        ] {
            let most = lengths(body).most_tokens(Endpoint::Completions, 11);
            assert_eq!(most, [11, tokens], "{body}");
            assert_eq!(lengths(body).problem(), None, "{body}");
        }
        assert_eq!(lengths("{}").most_tokens(Endpoint::Embeddings, 11), [11, 0]);
        assert!(lengths(r#"{"max_tokens": "7"}"#).problem().is_some());
        assert!(lengths(r#"{"n": [7]}"#).problem().is_some());
    }

    #[test]
    fn an_answer_without_a_limit_gets_one() {
        let limited = |body: &str| {
            let mut edits = Edits::default();
            let added = lengths(body).limit("max_tokens", 50, &mut edits);
            let edited = edits.patch(body.as_bytes()).apply(body.as_bytes());
            (
                added.map(|added| String::from_utf8(added).unwrap()),
                String::from_utf8(edited).unwrap(),
            )
        };
        let member = Some("\"max_tokens\":50".to_owned());
        assert_eq!(limited("{}"), (member.clone(), "{}".to_owned()));
        assert_eq!(
            limited(r#"{"max_tokens": 7}"#),
            (None, r#"{"max_tokens": 7}"#.to_owned())
        );
        assert_eq!(
            limited(r#"{"max_tokens": null}"#),
            (None, r#"{"max_tokens": 50}"#.to_owned())
        );
        let other = r#"{"max_completion_tokens": null}"#;
        assert_eq!(limited(other), (member, other.to_owned()));
    }

    #[test]
    fn a_limit_under_a_name_that_targets_may_not_know_is_said_again() {
        let limited = |body: &str, member| {
            let mut lengths = lengths(body);
            let added = lengths.limit(member, 50, &mut Edits::default());
            let most = lengths.most_tokens(Endpoint::ChatCompletions, 0)[1];
            (added.map(|added| String::from_utf8(added).unwrap()), most)
        };
        for (body, member, added, most) in [
            (r#"{"max_completion_tokens": 7}"#, "max_tokens", Some(7), 7),
            (r#"{"max_tokens": 7}"#, OPENAI_LIMIT, None, 7),
            (r#"{"max_output_tokens": 7}"#, OPENAI_LIMIT, Some(7), 7),
            (r#"{"max_tokens": 7}"#, "max_output_tokens", Some(7), 7),
            (r#"{"num_predict": 7}"#, "max_tokens", Some(7), 7),
            (
                r#"{"max_tokens": 7, "max_new_tokens": 900}"#,
                "max_tokens",
                None,
                900,
            ),
        ] {
            let added = added.map(|tokens: u64| format!("\"{member}\":{tokens}"));
            assert_eq!(limited(body, member), (added, most), "{body}");
        }
    }
}
