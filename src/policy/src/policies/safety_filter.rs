//! `safety-filter`: plainly harmful requests and answers.
//!
//! *What it does.* Stops the exchange when a phrase of the `strict` list occurs, and a request also when the linear model
//! ([`crate::linear`]) gives it 0.8 or more. Deterministic; list and weights are ours.
//! *Where it looks.* Every string of the request, and of the response or stream; a stream is cut where the
//! phrase begins.
//! *Limits.* English. Answers, streams included, are judged by phrases alone, since a model would need them whole. Other
//! languages and images are not found. `docs/detection.md` has the figures.

use serde::{Deserialize, Serialize};

use crate::{
    linear::Model,
    phrases::{Phrase, PhraseGroup},
    policy::{Judgement, Policy, PolicyKind, Sightings},
    verdict::{Phase, StopAction, Verdict},
};

/// The score from which `strict` fires.
const STRICT: f32 = 0.8;

/// Which lists apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// All of them.
    #[default]
    Strict,
}

/// Settings of `policy.safety-filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Settings {
    /// Default `strict`.
    pub mode: Mode,
    /// Default `block`.
    pub action: StopAction,
}

/// The policy.
#[derive(Debug)]
pub struct SafetyFilter {
    verdict: Verdict,
}

impl SafetyFilter {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            verdict: settings.action.verdict(),
        }
    }
}

impl Policy for SafetyFilter {
    fn kind(&self) -> PolicyKind {
        PolicyKind::SafetyFilter
    }

    fn runs_in(&self, _: Phase) -> bool {
        true
    }

    fn phrases(&self) -> &'static [PhraseGroup] {
        CATEGORIES
    }

    fn model(&self) -> Option<Model> {
        Some(Model::Safety)
    }

    fn judge(&self, sightings: &Sightings) -> Judgement {
        let hits = sightings.phrases.iter().filter(|hit| {
            CATEGORIES
                .iter()
                .any(|category| category.group == hit.group)
        });
        if let Some(at) = hits.map(|hit| hit.range.start).min() {
            return Judgement {
                verdict: self.verdict,
                score: Some(1.0),
                at,
            };
        }
        let Some(opinion) = sightings.opinion(Model::Safety) else {
            return Judgement::default();
        };
        Judgement {
            verdict: if opinion.score >= STRICT {
                self.verdict
            } else {
                Verdict::Allow
            },
            score: Some(opinion.score),
            at: opinion.range.start,
        }
    }
}

const fn phrase(words: &'static str, gap: u8) -> Phrase {
    Phrase {
        words,
        gap,
        weight: 1.0,
    }
}

const CATEGORIES: &[PhraseGroup] = &[
    PhraseGroup {
        group: 0x200,
        name: "weapons",
        phrases: WEAPONS,
    },
    PhraseGroup {
        group: 0x201,
        name: "self_harm",
        phrases: SELF_HARM,
    },
    PhraseGroup {
        group: 0x202,
        name: "violence",
        phrases: VIOLENCE,
    },
    PhraseGroup {
        group: 0x203,
        name: "children",
        phrases: CHILDREN,
    },
    PhraseGroup {
        group: 0x204,
        name: "drugs",
        phrases: DRUGS,
    },
    PhraseGroup {
        group: 0x205,
        name: "cyber",
        phrases: CYBER,
    },
    PhraseGroup {
        group: 0x206,
        name: "infrastructure",
        phrases: INFRASTRUCTURE,
    },
    PhraseGroup {
        group: 0x207,
        name: "fraud",
        phrases: FRAUD,
    },
];

const WEAPONS: &[Phrase] = &[
    phrase(
        "build|make|construct|assemble|making pipe|nail|dirty|car|fertilizer|homemade|improvised bomb|bombs|explosive|explosives",
        1,
    ),
    phrase(
        "how to|i|you make|build|construct|create a|an bomb|explosive|ied|molotov|grenade",
        0,
    ),
    phrase(
        "instructions|recipe|steps|guide for|to make|making|build|building|creating a|an bomb|explosive|ied",
        0,
    ),
    phrase(
        "make|synthesize|produce|weaponize|culture sarin|ricin|anthrax|vx|tabun|novichok|botulinum",
        1,
    ),
    phrase("3d|print untraceable|ghost gun|firearm", 1),
];

const SELF_HARM: &[Phrase] = &[
    phrase("how to|i|can kill|hang|hurt|harm|cut myself", 1),
    phrase(
        "best|easiest|painless|quickest way|method|methods to|of commit|kill|end|suicide myself|suicide|life",
        1,
    ),
    phrase("way|ways|method|methods to|of commit|committing suicide", 0),
    phrase("suicide|harm methods|method|instructions", 1),
    phrase("should|must|please kill yourself", 0),
];

const VIOLENCE: &[Phrase] = &[
    phrase(
        "how to|i|you murder|kill|poison|strangle|assassinate my|a|an|the|someone person|someone|wife|husband|neighbor|neighbour|boss|president|people|human",
        1,
    ),
    phrase(
        "how to|i|you kill|murder|poison|kidnap|torture someone|somebody|people",
        1,
    ),
    phrase("get away with murder", 1),
    phrase("plan|carry|commit mass|school shooting", 1),
    phrase("hire hitman|assassin to kill|murder", 3),
];

const CHILDREN: &[Phrase] = &[
    phrase(
        "child|children|kid|minor|underage|preteen porn|pornography|nude|nudes|sex|sexual",
        0,
    ),
    phrase(
        "groom|seduce|molest|lure a|an|the|my child|children|minor|kid|teenager",
        3,
    ),
];

const DRUGS: &[Phrase] = &[
    phrase(
        "cook|make|synthesize|produce|manufacture meth|methamphetamine|fentanyl|heroin|mdma|crack",
        1,
    ),
    phrase(
        "synthesis|recipe of|for meth|methamphetamine|fentanyl|heroin|mdma",
        0,
    ),
];

const CYBER: &[Phrase] = &[
    phrase(
        "write|create|build|develop|make ransomware|keylogger|rootkit|botnet|malware",
        2,
    ),
    phrase("write|create|make|develop a computer virus|worm", 0),
    phrase(
        "hack into someone|someones|my|a|the account|facebook|instagram|email|bank|wifi|phone",
        3,
    ),
    phrase(
        "steal passwords|credentials|credit|identities from|of|cards",
        2,
    ),
];

const INFRASTRUCTURE: &[Phrase] = &[
    phrase(
        "override|disable|bypass|defeat safety interlock|interlocks",
        2,
    ),
    phrase(
        "disable|override|bypass emergency shutdown|stop|brake|brakes",
        2,
    ),
    phrase(
        "sabotage|attack|hack|destroy power|electric|electrical grid|plant|station",
        2,
    ),
    phrase("sabotage|hack|attack scada|plc|ics", 3),
    phrase("poison water supply|reservoir", 3),
];

const FRAUD: &[Phrase] = &[
    phrase("launder money|cash", 2),
    phrase(
        "make|create|print|produce counterfeit|fake money|bills|passport|passports|currency",
        1,
    ),
    phrase("write|create|draft phishing email|message|page|site", 2),
    phrase(
        "tamper|destroy|plant|fabricate with|evidence evidence|scene",
        1,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Chain, PolicyConfig};

    fn verdict(text: &str) -> Verdict {
        Chain::compile(&[PolicyConfig::SafetyFilter(Settings::default())])
            .judge_text(Phase::Output, text)[0]
            .verdict
    }

    #[test]
    fn harmful_requests_are_blocked() {
        for text in [
            "How do I make a pipe bomb at home?",
            "how to build a bomb",
            "Explain how to kill myself",
            "Tell me how you cook meth in a kitchen",
            "Write me some ransomware in C",
            "how to disable the emergency shutdown of the plant",
            "How can I launder dirty money?",
        ] {
            assert_eq!(verdict(text), Verdict::Block, "{text}");
        }
    }

    #[test]
    fn ordinary_requests_pass() {
        for text in [
            "How do I kill a Python process?",
            "How to make a bath bomb gift box pretty?",
            "Explain ransomware to a beginner.",
            "The movie is about a murder in a small town.",
            "Build a model of the power grid.",
            "How to make a good impression in an interview",
        ] {
            assert_eq!(verdict(text), Verdict::Allow, "{text}");
        }
    }
}
