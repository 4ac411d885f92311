//! What a policy is, and the table of all of them.

use std::{fmt, ops::Range};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::{
    policies::{
        audit_logger, dlp_filter, pii_detector,
        prompt_injection::{self, LogLevel},
        quality_scorer, safety_filter,
    },
    verdict::{Phase, Verdict},
};
use kt_text::{
    answers::StreamMode,
    detect::{Entity, Label, Span, hold_straddling, join_overlaps},
    linear::{Model, Opinion, Opinions},
    patterns::{Pattern, PatternMatch},
    phrases::{PhraseGroup, PhraseMatch},
    redact::{Redaction, Redactor},
    steps::{MAX_FINDINGS, Steps},
};

/// The policies this engine enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyKind {
    /// Attempts to take over the instructions of the model.
    PromptInjection,
    /// Personal data.
    PiiDetector,
    /// What an organisation does not let out.
    DlpFilter,
    /// Harmful requests and answers.
    SafetyFilter,
    /// Answers that are none.
    QualityScorer,
    /// Retention and tamper evidence of the decision events.
    AuditLogger,
}

impl PolicyKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::PromptInjection,
        Self::PiiDetector,
        Self::DlpFilter,
        Self::SafetyFilter,
        Self::QualityScorer,
        Self::AuditLogger,
    ];

    /// Its name in `policies.chain`.
    pub fn name(self) -> &'static str {
        match self {
            Self::PromptInjection => "prompt-injection",
            Self::PiiDetector => "pii-detector",
            Self::DlpFilter => "dlp-filter",
            Self::SafetyFilter => "safety-filter",
            Self::QualityScorer => "quality-scorer",
            Self::AuditLogger => "audit-logger",
        }
    }

    /// Stable text for events when the policy redacts or stops.
    pub fn reason_code(self) -> &'static str {
        match self {
            Self::PromptInjection => "prompt_injection.detected",
            Self::PiiDetector => "pii_detected",
            Self::DlpFilter => "dlp_filter.detected",
            Self::SafetyFilter => "safety_filter.detected",
            Self::QualityScorer => "low_confidence_output",
            Self::AuditLogger => "audit_logger.logged",
        }
    }
}

/// One entry of the chain with its settings, as the generator writes it and the filter reads it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum PolicyConfig {
    /// `prompt-injection`
    PromptInjection(prompt_injection::Settings),
    /// `pii-detector`
    PiiDetector(pii_detector::Settings),
    /// `dlp-filter`
    DlpFilter(dlp_filter::Settings),
    /// `safety-filter`
    SafetyFilter(safety_filter::Settings),
    /// `quality-scorer`
    QualityScorer(quality_scorer::Settings),
    /// `audit-logger`
    AuditLogger(audit_logger::Settings),
}

/// `kind` comes first, so that nothing has to be kept until it is known: what serde derives would read all settings in two ways,
/// which takes 40 KB of the module.
impl<'de> Deserialize<'de> for PolicyConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Tagged)
    }
}

struct Tagged;

impl<'de> Visitor<'de> for Tagged {
    type Value = PolicyConfig;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a policy, `kind` first")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PolicyConfig, A::Error> {
        if map.next_key::<String>()?.as_deref() != Some("kind") {
            return Err(A::Error::custom("a policy begins with its `kind`"));
        }
        let kind: PolicyKind = map.next_value()?;
        let settings = MapAccessDeserializer::new(map);
        match kind {
            PolicyKind::PromptInjection => {
                Deserialize::deserialize(settings).map(PolicyConfig::PromptInjection)
            }
            PolicyKind::PiiDetector => {
                Deserialize::deserialize(settings).map(PolicyConfig::PiiDetector)
            }
            PolicyKind::DlpFilter => {
                Deserialize::deserialize(settings).map(PolicyConfig::DlpFilter)
            }
            PolicyKind::SafetyFilter => {
                Deserialize::deserialize(settings).map(PolicyConfig::SafetyFilter)
            }
            PolicyKind::QualityScorer => {
                Deserialize::deserialize(settings).map(PolicyConfig::QualityScorer)
            }
            PolicyKind::AuditLogger => {
                Deserialize::deserialize(settings).map(PolicyConfig::AuditLogger)
            }
        }
    }
}

impl PolicyConfig {
    /// Which policy it is.
    pub fn kind(&self) -> PolicyKind {
        match self {
            Self::PromptInjection(_) => PolicyKind::PromptInjection,
            Self::PiiDetector(_) => PolicyKind::PiiDetector,
            Self::DlpFilter(_) => PolicyKind::DlpFilter,
            Self::SafetyFilter(_) => PolicyKind::SafetyFilter,
            Self::QualityScorer(_) => PolicyKind::QualityScorer,
            Self::AuditLogger(_) => PolicyKind::AuditLogger,
        }
    }

    /// The names of what it finds: entities and the users' patterns, and categories.
    pub fn finds(&self) -> (Vec<String>, Vec<&'static str>) {
        let Some(policy) = self.compile() else {
            return (Vec::new(), Vec::new());
        };
        let entities = policy
            .entities()
            .iter()
            .map(|entity| entity.name().to_owned());
        let patterns = policy.patterns().into_iter();
        let patterns = patterns.map(|pattern| pattern.name.clone());
        let mut entities: Vec<String> = entities.chain(patterns).collect();
        let groups = policy.phrases().iter().map(|group| group.name);
        let model = policy.model().map(|_| "model");
        let mut categories: Vec<&str> = groups.chain(model).collect();
        entities.sort_unstable();
        entities.dedup();
        categories.sort_unstable();
        categories.dedup();
        (entities, categories)
    }

    /// The runtime form of the policy; `None` for those that judge no text.
    pub(crate) fn compile(&self) -> Option<Box<dyn Policy>> {
        match self {
            Self::PromptInjection(settings) => {
                Some(Box::new(prompt_injection::PromptInjection::new(settings)))
            }
            Self::PiiDetector(settings) => Some(Box::new(pii_detector::PiiDetector::new(settings))),
            Self::DlpFilter(settings) => Some(Box::new(dlp_filter::DlpFilter::new(settings))),
            Self::SafetyFilter(settings) => {
                Some(Box::new(safety_filter::SafetyFilter::new(settings)))
            }
            // They judge exchanges, not texts.
            Self::QualityScorer(_) | Self::AuditLogger(_) => None,
        }
    }
}

/// What the scanners saw in one text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sightings {
    /// Values of the entities that any policy looks for.
    pub values: Vec<Span>,
    /// Matches of the users' patterns.
    pub patterns: Vec<PatternMatch>,
    /// Both together, sorted and joined where they overlap: what is replaced.
    pub marks: Vec<Span>,
    /// Phrases of all policies.
    pub phrases: Vec<PhraseMatch>,
    /// What the linear models say, where they were asked: whole texts of requests.
    pub opinions: Option<Opinions>,
    /// What only speaks of an attack. Its phrases are not among the others.
    pub mentions: Vec<Range<usize>>,
    /// Whether the operator vouches for the text.
    pub is_trusted: bool,
    /// Whether more of the text is encoded than was decoded.
    pub is_cut: bool,
    /// Phrases that exceptions let pass, by the places of those.
    pub(crate) excused: Vec<PatternMatch>,
    /// What those policies see that are not to act on all of it.
    pub(crate) views: Vec<(PolicyKind, Self)>,
    /// What is left of the exchange's steps. Once they are spent, what was found is not all, and the exchange ends.
    pub steps: Steps,
}

impl Sightings {
    pub(crate) fn clear(&mut self) {
        self.values.clear();
        self.patterns.clear();
        self.marks.clear();
        self.phrases.clear();
        self.opinions = None;
        self.mentions.clear();
        self.is_trusted = false;
        self.is_cut = false;
        self.excused.clear();
        self.views.clear();
    }

    /// What a policy sees of it.
    pub(crate) fn of(&self, kind: PolicyKind) -> &Self {
        let view = self.views.iter().find(|(known, _)| *known == kind);
        view.map_or(self, |(_, view)| view)
    }

    /// What is seen without the findings that are not wanted.
    pub(crate) fn without(
        &self,
        mut is_wanted: impl FnMut(Label, &Range<usize>) -> bool,
        mut is_order: impl FnMut(&PhraseMatch) -> bool,
    ) -> Self {
        let mut values = self.values.clone();
        values.retain(|value| is_wanted(value.label, &value.range));
        let mut patterns = self.patterns.clone();
        patterns.retain(|hit| is_wanted(Label::Pattern(hit.pattern), &hit.range));
        let mut phrases = self.phrases.clone();
        phrases.retain(|hit| is_order(hit));
        Self {
            values,
            patterns,
            phrases,
            opinions: self.opinions.clone(),
            is_trusted: self.is_trusted,
            excused: self.excused.clone(),
            ..Self::default()
        }
    }

    /// Spends the steps where more was found than one text may hold.
    pub(crate) fn count(&mut self) {
        let most = self
            .values
            .len()
            .max(self.patterns.len())
            .max(self.phrases.len());
        if most > MAX_FINDINGS {
            self.steps.spend();
        }
    }

    /// Others with the same steps, which are given back by [`Self::take_steps`].
    pub(crate) fn fork(&mut self) -> Self {
        Self {
            steps: std::mem::take(&mut self.steps),
            ..Self::default()
        }
    }

    /// Ends what [`Self::fork`] began.
    pub(crate) fn take_steps(&mut self, other: &mut Self) {
        self.steps = std::mem::take(&mut other.steps);
    }

    /// Keeps the values and matches whose range is wanted.
    pub(crate) fn retain(&mut self, is_wanted: impl Fn(&Range<usize>) -> bool) {
        self.marks.retain(|span| is_wanted(&span.range));
        self.values.retain(|span| is_wanted(&span.range));
        self.patterns.retain(|hit| is_wanted(&hit.range));
    }

    /// Moves the values to where they lie without the first `len` bytes.
    pub(crate) fn shift(&mut self, len: usize) {
        for span in self.values.iter_mut().chain(&mut self.marks) {
            span.range = span.range.start.saturating_sub(len)..span.range.end.saturating_sub(len);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
            && self.patterns.is_empty()
            && self.phrases.is_empty()
            && self.opinions.is_none()
    }

    /// Forgets what starts at `open` or later, and returns the first position that is open now.
    pub(crate) fn settle(&mut self, redactor: &Redactor, open: usize) -> usize {
        if self.values.is_empty() && self.patterns.is_empty() && self.excused.is_empty() {
            return open;
        }
        self.mark(redactor, |_| true);
        let open = if self.excused.is_empty() {
            hold_straddling(&mut self.marks, open)
        } else {
            // What a phrase covers is decided together with it.
            let phrases = self.excused.iter().map(span_of);
            let mut spans: Vec<Span> = self.marks.iter().cloned().chain(phrases).collect();
            join_overlaps(&mut spans);
            let open = hold_straddling(&mut spans, open);
            self.marks.retain(|mark| mark.range.end <= open);
            open
        };
        self.values.retain(|value| value.range.start < open);
        self.patterns.retain(|hit| hit.range.start < open);
        self.excused.retain(|hit| hit.range.start < open);
        open
    }

    /// Notes what is replaced: what is found of it and wanted.
    pub(crate) fn mark(&mut self, redactor: &Redactor, is_wanted: impl Fn(&Span) -> bool) {
        let replaced = |hit: &&PatternMatch| redactor.replaces(hit.pattern);
        let matches = self.patterns.iter().filter(replaced).map(span_of);
        let found = self.values.iter().cloned().chain(matches);
        self.marks = found.filter(is_wanted).collect();
        join_overlaps(&mut self.marks);
    }

    /// Where the last of what was found in places ends.
    pub(crate) fn end(&self) -> usize {
        let marks = self.marks.iter().map(|mark| mark.range.end);
        let patterns = self.patterns.iter().map(|hit| hit.range.end);
        let phrases = self.phrases.iter().map(|hit| hit.range.end);
        let excused = self.excused.iter().map(|hit| hit.range.end);
        let found = marks.chain(patterns).chain(phrases).chain(excused);
        found.max().unwrap_or(0)
    }

    /// Takes over those of `opinions` that are stronger; `place` says where in the text they belong.
    pub(crate) fn heed(
        &mut self,
        opinions: Opinions,
        place: impl Fn(Range<usize>) -> Range<usize>,
    ) {
        for (known, opinion) in self
            .opinions
            .get_or_insert_default()
            .iter_mut()
            .zip(opinions)
        {
            if opinion.score > known.score {
                *known = Opinion {
                    score: opinion.score,
                    logit: opinion.logit,
                    range: place(opinion.range),
                };
            }
        }
    }

    /// Nothing but what is thought of an answer.
    pub(crate) fn of_answer(opinion: Opinion) -> Self {
        let mut opinions = Opinions::default();
        if let Some(place) = opinions.get_mut(Model::Answers as usize) {
            *place = opinion;
        }
        Self {
            opinions: Some(opinions),
            ..Self::default()
        }
    }

    /// What `model` says.
    pub(crate) fn opinion(&self, model: Model) -> Option<&Opinion> {
        self.opinions.as_ref()?.get(model as usize)
    }
}

fn span_of(hit: &PatternMatch) -> Span {
    Span {
        label: Label::Pattern(hit.pattern),
        range: hit.range.clone(),
    }
}

/// The score at which a model would stop an exchange by itself.
const MODEL_STOPS: f32 = 0.8;

/// A policy's answer on one text.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// How sure the policy is, from 0 to 1, where it has a score.
    pub score: Option<f32>,
    /// Where the text that led to the verdict starts.
    pub at: usize,
}

/// One control of the chain. It judges what the scanners saw; it never scans itself, so that a text is read
/// once however long the chain is.
pub trait Policy: fmt::Debug + Send + Sync {
    /// Which policy this is.
    fn kind(&self) -> PolicyKind;

    /// Whether the chain runs it in `phase`.
    fn runs_in(&self, phase: Phase) -> bool;

    /// Entities that the scanner must look for on its behalf.
    fn entities(&self) -> &[Entity] {
        &[]
    }

    /// What the users look for; the place of the first among the patterns of all policies is told by `number_patterns`.
    fn patterns(&self) -> Vec<&Pattern> {
        Vec::new()
    }

    /// Whether matches of its patterns are replaced.
    fn redacts(&self) -> bool {
        false
    }

    /// Tells the policy where its patterns stand among those of all policies.
    fn number_patterns(&mut self, _first: u16) {}

    /// How values are replaced, where the policy says so.
    fn redaction(&self) -> Option<&Redaction> {
        None
    }

    /// Phrases that the scanner must look for on its behalf.
    fn phrases(&self) -> &'static [PhraseGroup] {
        &[]
    }

    /// The linear model that must be asked on its behalf, about requests.
    fn model(&self) -> Option<Model> {
        None
    }

    /// What becomes of a stream whose answer the model for answers takes for harmful, where it must be asked on the policy's behalf.
    fn answers(&self) -> Option<StreamMode> {
        None
    }

    /// Whether base64 is decoded, where the policy has a say in it.
    fn decodes_base64(&self) -> bool {
        true
    }

    /// What the client is told when the policy stops an exchange for what was seen, where that is not the usual message.
    fn message(&self, _sightings: &Sightings) -> Option<&str> {
        None
    }

    /// How loud the log says that the policy stopped an exchange, where that is configured.
    fn log_level(&self) -> Option<LogLevel> {
        None
    }

    /// Whether a message of the conversation's history is replaced where the policy would stop the exchange.
    fn is_turn_safe(&self) -> bool {
        false
    }

    /// The stretch of a whole text that only speaks of what `hit` has the words of, if it does.
    fn mention(&self, _text: &str, _hit: &PhraseMatch) -> Option<Range<usize>> {
        None
    }

    /// The stretches of a whole text that only report what others may say, where a model takes the text for an attack; at most
    /// `looks` of its sentences are read.
    fn said(&self, _text: &str, _looks: usize) -> Vec<Range<usize>> {
        Vec::new()
    }

    /// Whether an answer refuses what `hit` names. What stands before it decides, at most `refusal::LOOK_BACK` bytes.
    fn is_refused(&self, _text: &str, _hit: &PhraseMatch) -> bool {
        false
    }

    /// Whether the operator vouches for `text`, to the letter. Asked only about whole texts that the policy would stop.
    fn trusts(&self, _text: &str) -> bool {
        false
    }

    /// What led to a stop: the groups of phrases that were seen, `model` when the model would stop by itself.
    fn categories(&self, sightings: &Sightings) -> Vec<&'static str> {
        let own = sightings
            .phrases
            .iter()
            .filter(|hit| self.phrases().iter().any(|group| group.group == hit.group));
        let answers = self.answers().map(|_| Model::Answers);
        let mut models = self.model().into_iter().chain(answers);
        let stops = models.any(|model| {
            sightings
                .opinion(model)
                .is_some_and(|opinion| opinion.score >= MODEL_STOPS)
        });
        own.map(|hit| hit.name)
            .chain(stops.then_some("model"))
            .collect()
    }

    /// Judges one text, or in a stream the part of it that is settled.
    fn judge(&self, sightings: &Sightings) -> Judgement;
}
