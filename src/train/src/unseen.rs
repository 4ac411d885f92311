//! Texts that no fit sees, written to measure by: `tools/eval/unseen` holds one per line, with `\n` for a line break.

use kt_text::linear::Model;

/// Texts of one kind.
pub(crate) struct Unseen {
    pub(crate) name: &'static str,
    pub(crate) is_positive: bool,
    pub(crate) texts: Vec<String>,
}

macro_rules! kinds {
    ($($model:ident $name:literal $is_positive:literal,)*) => {
        [$((
            Model::$model,
            concat!("unseen/", $name),
            $is_positive,
            include_str!(concat!("../../../tools/eval/unseen/", $name, ".txt")),
        ),)*]
    };
}

const KINDS: [(Model, &str, bool, &str); 9] = kinds![
    Injection "injection-direct" true,
    Injection "injection-contests" true,
    Injection "injection-tools" true,
    Injection "injection-harmless" false,
    Safety "safety-harmful" true,
    Safety "safety-harmless" false,
    Answers "answers-harmful" true,
    Answers "answers-refusing" false,
    Answers "answers-ordinary" false,
];

/// What stands around a text where it is measured how much of it prose hides.
const PROSE: &str = "The harbour of the town was built in the year of the flood, and the fishermen have used it ever since. In spring the boats are \
    painted, the nets are mended and the first guests arrive. The market opens at six, when the catch of the night is sold, and closes at noon. On the \
    hill above the bay stands a small church whose bell rings in fog.";

/// Those of a model, the positive ones also inside prose.
pub(crate) fn of(model: Model) -> Vec<Unseen> {
    let mut found = Vec::new();
    for (_, name, is_positive, lines) in KINDS.into_iter().filter(|kind| kind.0 == model) {
        let texts: Vec<String> = lines
            .lines()
            .map(|line| line.replace("\\n", "\n"))
            .collect();
        if let ("unseen/injection-direct" | "unseen/safety-harmful", true) = (name, is_positive) {
            found.extend(in_prose(name, &texts));
        }
        found.push(Unseen {
            name,
            is_positive,
            texts,
        });
    }
    found
}

/// The texts with prose after, before and around them.
fn in_prose(name: &str, texts: &[String]) -> [Unseen; 3] {
    let names = match name {
        "unseen/injection-direct" => [
            "unseen/injection-direct, prose after",
            "unseen/injection-direct, prose before",
            "unseen/injection-direct, prose around",
        ],
        _ => [
            "unseen/safety-harmful, prose after",
            "unseen/safety-harmful, prose before",
            "unseen/safety-harmful, prose around",
        ],
    };
    let twice = format!("{PROSE} {PROSE}");
    let made: [Vec<String>; 3] = [
        texts
            .iter()
            .map(|text| format!("{text}\n{twice}"))
            .collect(),
        texts
            .iter()
            .map(|text| format!("{twice}\n{text}"))
            .collect(),
        texts
            .iter()
            .map(|text| format!("{PROSE} {text} {PROSE}"))
            .collect(),
    ];
    let mut names = names.into_iter();
    made.map(|texts| Unseen {
        name: names.next().unwrap_or_default(),
        is_positive: true,
        texts,
    })
}
