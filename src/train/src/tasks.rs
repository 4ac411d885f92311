//! What each model learns from, and what is known of the sources.

use std::path::Path;

use kt_text::linear::Model;

use super::{Task, code, corpus, garble, made};

/// Sources made of attacks inside the texts of another.
const EMBEDDED: [(&str, &str); 2] = [
    ("made/embedded_in_documents", "benign/long_docs_code"),
    ("made/embedded_in_answers", "benign/arena_hard_answers"),
];

const GARBLED_REQUESTS: &str = "made/garbled_requests";

/// What a source is made of: a fit that does not know it must not know others of the same.
pub(super) fn origin(file: &str) -> &str {
    if file == GARBLED_REQUESTS {
        return "safety/catqa_en";
    }
    EMBEDDED
        .iter()
        .find(|(made, _)| *made == file)
        .map_or(file, |(_, carrier)| carrier)
}

/// Harmless texts that were made, for garbling.
fn harmless() -> Vec<String> {
    [
        made::tasks(),
        made::readings(),
        made::roles(),
        made::trigger_words(),
    ]
    .concat()
}

pub(super) fn injection(corpora: &Path, sources: &Path) -> Result<Task, String> {
    let mut task = Task::read(Model::Injection, corpora, corpus::injection())?;
    let attacks = [made::hijacks(), made::extractions(), made::attacks()].concat();
    task.add("made/attacks", 1.0, true, made::attacks());
    task.add("made/hijacks", 1.0, true, made::hijacks());
    task.add("made/extractions", 1.0, true, made::extractions());
    for (name, carrier) in EMBEDDED {
        let carriers = task.carriers(carrier);
        let texts: Vec<&str> = carriers.iter().map(String::as_str).collect();
        task.add(name, 0.8, true, made::embedded(&texts));
    }
    task.add(
        "made/garbled_attacks",
        0.6,
        true,
        garble::garbled(&attacks, 2400, 21),
    );
    task.add(
        "made/garbled_tasks",
        1.5,
        false,
        garble::garbled(&harmless(), 3600, 22),
    );
    task.add(
        "made/encoded_tasks",
        1.0,
        false,
        garble::encoded(&harmless(), 2400, 23),
    );
    let code = code::windows(sources).map_err(|error| format!("{}: {error}", sources.display()))?;
    task.add("sources/code", 2.0, false, code);
    task.add("made/agents", 0.8, true, made::agents());
    task.add("made/errands", 2.0, false, made::errands());
    task.add("made/orders", 1.0, true, made::orders());
    task.add("made/changes", 2.0, false, made::changes());
    task.add("made/games", 0.8, true, made::games());
    task.add("made/riddles", 2.0, false, made::riddles());
    task.add("made/contests", 0.8, true, made::contests());
    task.add("made/passwords", 2.0, false, made::passwords());
    task.add("made/indirect", 0.8, true, made::indirect());
    task.add("made/tool_results", 2.0, false, made::tool_results());
    task.add("made/dressed", 0.8, true, made::dressed());
    task.add("made/operators", 2.0, false, made::operators());
    task.add("made/readings", 2.0, false, made::readings());
    task.add("made/roles", 2.0, false, made::roles());
    task.add("made/discussions", 0.7, false, made::discussions());
    task.add("made/trigger_words", 3.0, false, made::trigger_words());
    task.add("made/tasks", 1.5, false, made::tasks());
    task.add("made/languages", 1.5, false, made::languages());
    Ok(task)
}

pub(super) fn safety(corpora: &Path) -> Result<Task, String> {
    let mut task = Task::read(Model::Safety, corpora, corpus::safety())?;
    let requests = task.positives("safety/catqa_en");
    task.add(
        GARBLED_REQUESTS,
        0.4,
        true,
        garble::garbled(&requests, 1200, 24),
    );
    task.add("made/moderation", 0.7, true, made::moderation());
    task.add("made/harms", 0.7, true, made::harms());
    task.add("made/twins", 1.5, false, made::twins());
    task.add("made/hate", 0.7, true, made::hate());
    task.add("made/respect", 2.5, false, made::respect());
    task.add(
        "made/garbled_tasks",
        1.0,
        false,
        garble::garbled(&harmless(), 2400, 25),
    );
    task.add(
        "made/encoded_tasks",
        0.7,
        false,
        garble::encoded(&harmless(), 1800, 26),
    );
    task.add("made/discussions", 1.5, false, made::discussions());
    task.add("made/readings", 0.7, false, made::readings());
    task.add("made/roles", 0.7, false, made::roles());
    task.add("made/contrasts", 1.5, false, made::contrasts());
    task.add("made/trigger_words", 1.0, false, made::trigger_words());
    task.add("made/tasks", 1.0, false, made::tasks());
    task.add("made/languages", 1.5, false, made::languages());
    Ok(task)
}

pub(super) fn answers(corpora: &Path) -> Result<Task, String> {
    let mut task = Task::read(Model::Answers, corpora, corpus::answers())?;
    task.add("made/harmful_answers", 0.7, true, made::harmful_answers());
    task.add(
        "made/harmless_answers",
        1.5,
        false,
        made::harmless_answers(),
    );
    let requests = Task::read(Model::Safety, corpora, corpus::requests())?;
    let requests: Vec<String> = requests
        .samples
        .into_iter()
        .map(|sample| sample.text)
        .collect();
    let [complied, refused] = made::taken_up(&requests, 4000);
    task.add("made/complied", 0.7, true, complied);
    task.add("made/refused", 1.5, false, refused);
    task.add("made/advice", 1.0, true, made::advice());
    task.add("made/counsel", 1.5, false, made::counsel());
    task.add("made/hate", 0.3, true, made::hate());
    task.add("made/respect", 2.5, false, made::respect());
    task.add("made/discussions", 1.0, false, made::discussions());
    task.add("made/twins", 0.7, false, made::twins());
    task.add("made/tasks", 0.7, false, made::tasks());
    task.add("made/languages", 1.0, false, made::languages());
    Ok(task)
}

/// The parts of positive texts that are taken for positive: an answer tells how it is done in several places, a request asks once.
pub(super) fn harmful_parts(model: Model) -> corpus::Sizes {
    match model {
        Model::Injection | Model::Safety => &[],
        Model::Answers => &[(3, 6), (8, 6)],
    }
}

/// Whether people send such texts to models. Posts of social media teach what hate is, and say nothing of false alarms.
pub(super) fn is_asked(file: &str) -> bool {
    !matches!(file, "safety/davidson_tweets" | "safety/surge_toxicity")
}

/// Sources that alone say what is harmless in their kind: without them nobody would know. They are measured part by part.
pub(super) fn has_no_kin(file: &str) -> bool {
    matches!(
        file,
        "benign/cyberseceval_frr_multi"
            | "made/trigger_words"
            | "made/readings"
            | "made/garbled_attacks"
            | "made/garbled_tasks"
            | "made/encoded_tasks"
            | "made/roles"
            | "made/discussions"
            | "made/contrasts"
            | "made/tasks"
            | "made/passwords"
            | "made/tool_results"
            | "made/operators"
            | "made/contests"
            | "made/indirect"
            | "made/dressed"
            | "sources/code"
            | "made/languages"
            | "made/harms"
            | "made/twins"
            | "made/hate"
            | "made/respect"
            | "made/harmful_answers"
            | "made/harmless_answers"
            | "made/complied"
            | "made/agents"
            | "made/errands"
            | "made/orders"
            | "made/changes"
            | "made/games"
            | "made/riddles"
            | "made/advice"
            | "made/counsel"
            | "made/refused"
    )
}
