//! The compiled chain: every policy of one configuration, ready to judge.

use crate::{
    detect::{Scanner, Window, hold_straddling},
    linear::Weights,
    phrases::PhraseSet,
    policy::{Judgement, Policy, PolicyConfig, PolicyKind, Sightings},
    verdict::{Phase, Verdict},
    views::views,
};

/// Policies in the order of `policies.chain`, with one scanner for all of them.
///
/// Every policy judges the text as the sender wrote it, also when an earlier one redacts: a marker can hide
/// nothing from a later policy. The first policy of the chain that stops an exchange is the one reported.
#[derive(Debug)]
pub struct Chain {
    policies: Vec<Box<dyn Policy>>,
    input: Scan,
    output: Scan,
}

/// What is looked for in one phase.
#[derive(Debug)]
struct Scan {
    /// Places in `Chain::policies` of those that run.
    policies: Vec<usize>,
    pii: Option<Scanner>,
    phrases: PhraseSet,
    /// Set when a policy asks a model.
    models: Option<Weights>,
}

/// One policy's answer on one text.
pub(crate) type Answer = (PolicyKind, Judgement);

impl Chain {
    /// Compiles the policies of a configuration.
    pub fn compile(configs: &[PolicyConfig]) -> Self {
        let policies: Vec<_> = configs.iter().filter_map(PolicyConfig::compile).collect();
        let input = Scan::compile(&policies, Phase::Input);
        let output = Scan::compile(&policies, Phase::Output);
        Self {
            policies,
            input,
            output,
        }
    }

    fn phase(&self, phase: Phase) -> &Scan {
        match phase {
            Phase::Input => &self.input,
            Phase::Output => &self.output,
        }
    }

    /// Whether text may be replaced in `phase`.
    pub fn looks_for_pii(&self, phase: Phase) -> bool {
        self.phase(phase).pii.is_some()
    }

    /// Fills `sightings` with everything settled in `window` and returns the first position that is open.
    pub(crate) fn scan(
        &self,
        phase: Phase,
        window: &Window<'_>,
        sightings: &mut Sightings,
    ) -> usize {
        sightings.clear();
        let scan = self.phase(phase);
        let mut open = window.text.len();
        if let Some(pii) = &scan.pii {
            open = pii.scan(window, &mut sightings.pii);
        }
        if !scan.phrases.is_empty() {
            open = open.min(scan.phrases.scan(window, &mut sightings.phrases));
        }
        if let Some(models) = scan.models.as_ref().filter(|_| window.complete) {
            scan.judge_whole(models, window.text, sightings);
        }
        hold_straddling(&mut sightings.pii, open)
    }

    /// Every running policy's answer on `sightings`, in chain order.
    pub(crate) fn judge<'s>(
        &'s self,
        phase: Phase,
        sightings: &'s Sightings,
    ) -> impl Iterator<Item = Answer> + 's {
        let places = self.phase(phase).policies.iter();
        places
            .filter_map(|&place| self.policies.get(place))
            .map(|policy| (policy.kind(), policy.judge(sightings)))
    }

    /// Judges one whole text.
    pub fn judge_text(&self, phase: Phase, text: &str) -> Vec<Judgement> {
        let mut sightings = Sightings::default();
        self.scan(phase, &Window::whole(text), &mut sightings);
        self.judge(phase, &sightings)
            .map(|(_, judgement)| judgement)
            .collect()
    }
}

impl Scan {
    /// Asks the models about a whole text, and about what it says when it is decoded.
    fn judge_whole(&self, models: &Weights, text: &str, sightings: &mut Sightings) {
        let (opinions, shape) = models.judge(text);
        sightings.opinions = opinions;
        for view in views(text, &shape) {
            let found = sightings.phrases.len();
            self.phrases
                .scan(&Window::whole(&view.text), &mut sightings.phrases);
            for hit in sightings.phrases.iter_mut().skip(found) {
                hit.range = view.range.clone();
            }
            let Some(decoded) = models.judge(&view.text).0 else {
                continue;
            };
            let opinions = sightings.opinions.get_or_insert_default();
            for (opinion, decoded) in opinions.iter_mut().zip(decoded) {
                if decoded.score > opinion.score {
                    opinion.score = decoded.score;
                    opinion.range = view.range.clone();
                }
            }
        }
    }

    fn compile(policies: &[Box<dyn Policy>], phase: Phase) -> Self {
        let mut entities = Vec::new();
        let mut phrases = Vec::new();
        let mut places = Vec::new();
        for (place, policy) in policies
            .iter()
            .enumerate()
            .filter(|(_, policy)| policy.runs_in(phase))
        {
            places.push(place);
            entities.extend_from_slice(policy.entities());
            phrases.extend_from_slice(policy.phrases());
        }
        let pii = (!entities.is_empty()).then(|| Scanner::new(&entities));
        // Answers are judged as they come, and a model would need them whole.
        let asks = phase == Phase::Input && policies.iter().any(|policy| policy.model().is_some());
        Self {
            policies: places,
            pii,
            phrases: PhraseSet::compile(&phrases),
            models: asks.then(Weights::load).flatten(),
        }
    }
}

/// The answer that decides: the first that stops, else a redaction if there is one.
pub(crate) fn decisive(answers: impl Iterator<Item = Answer>) -> Option<Answer> {
    let mut redaction = None;
    for answer in answers {
        match answer.1.verdict {
            Verdict::Allow => {}
            Verdict::Redact => redaction = redaction.or(Some(answer)),
            Verdict::Escalate | Verdict::Block => return Some(answer),
        }
    }
    redaction
}
