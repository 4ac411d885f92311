//! The compiled chain: every policy of one configuration, ready to judge.

mod decoded;
mod narrow;

use std::{
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

use decoded::Decoder;
pub(crate) use narrow::Whereabouts;

use crate::{
    controls::Controls,
    narrowing::{Narrowing, Scene},
    policy::{Judgement, Policy, PolicyConfig, PolicyKind, Sightings},
    verdict::{Phase, Verdict},
};
use kt_text::{
    answers::{self, StreamMode},
    detect::{self, Entity, Label, Scanner, Span, Window},
    linear::{Model, Opinion, Opinions, Weights, shape},
    patterns::{Find, PatternSet},
    phrases::PhraseSet,
    redact::Redactor,
    view::Reading,
};

/// Policies in the order of `policies.chain`, with one scanner for all of them.
///
/// Every policy judges the text as the sender wrote it, also when an earlier one redacts: a marker can hide
/// nothing from a later policy. The first policy of the chain that stops an exchange is the one reported.
#[derive(Debug)]
pub struct Chain {
    number: u64,
    policies: Vec<Box<dyn Policy>>,
    input: Scan,
    output: Scan,
    redactor: Redactor,
    answers: Option<Answers>,
    /// Whose each pattern is.
    owners: Vec<PolicyKind>,
    narrowing: Narrowing,
}

/// The number of the chain that is compiled next.
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

/// How answers are judged while they come.
#[derive(Debug)]
pub(crate) struct Answers {
    pub(crate) weights: Weights,
    pub(crate) mode: StreamMode,
}

/// What is looked for in one phase.
#[derive(Debug)]
struct Scan {
    /// Places in `Chain::policies` of those that run.
    policies: Vec<usize>,
    entities: Vec<Entity>,
    values: Option<Scanner>,
    patterns: PatternSet,
    phrases: PhraseSet,
    /// Set when a policy asks a model.
    models: Option<Weights>,
    decodes_base64: bool,
}

/// One policy's answer on one text.
pub(crate) type Answer = (PolicyKind, Judgement);

/// Phrases of every text that may turn out to be mentions, and bytes of text that allow for one more.
const LOOKS: usize = 16;
const BYTES_PER_LOOK: usize = 256;
/// The weight of a phrase that stops a text by itself.
const HEAVY: f32 = 0.8;
/// The score from which a text is read for what it only reports.
const LIKELY: f32 = 0.5;

impl Chain {
    /// Compiles the policies of a configuration. The error names the pattern that does not compile.
    pub fn compile(configs: &[PolicyConfig]) -> Result<Self, String> {
        Self::narrowed(configs, &Controls::default())
    }

    /// The same, with what `controls` say of the policies.
    pub fn narrowed(configs: &[PolicyConfig], controls: &Controls) -> Result<Self, String> {
        let mut policies: Vec<_> = configs.iter().filter_map(PolicyConfig::compile).collect();
        let mut names = Vec::new();
        let mut owners = Vec::new();
        for policy in &mut policies {
            let first = u16::try_from(names.len()).map_err(|_| "there are too many patterns")?;
            policy.number_patterns(first);
            let redacts = policy.redacts();
            owners.extend(policy.patterns().iter().map(|_| policy.kind()));
            names.extend(
                policy
                    .patterns()
                    .into_iter()
                    .map(|pattern| (pattern.name.clone(), redacts)),
            );
        }
        let redaction = policies
            .iter()
            .find_map(|policy| policy.redaction())
            .cloned();
        Ok(Self {
            number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
            input: Scan::compile(&policies, Phase::Input)?,
            output: Scan::compile(&policies, Phase::Output)?,
            answers: Answers::compile(&policies)?,
            redactor: Redactor::new(redaction.unwrap_or_default(), names),
            owners,
            narrowing: Narrowing::compile(controls.of(configs.iter().map(PolicyConfig::kind)))?,
            policies,
        })
    }

    /// Its number: no other chain of the process has it.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Whether no policy judges texts.
    pub(crate) fn is_empty(&self) -> bool {
        self.policies.is_empty()
    }

    fn phase(&self, phase: Phase) -> &Scan {
        match phase {
            Phase::Input => &self.input,
            Phase::Output => &self.output,
        }
    }

    /// Whether text may be replaced in `phase`.
    pub fn may_redact(&self, phase: Phase) -> bool {
        let scan = self.phase(phase);
        let mut running = scan.policies.iter().filter_map(|&at| self.policies.get(at));
        scan.values.is_some()
            || running.any(|policy| policy.redacts() && !policy.patterns().is_empty())
    }

    /// The policy of this kind, if it is in the chain.
    pub(crate) fn policy(&self, kind: PolicyKind) -> Option<&dyn Policy> {
        self.policies
            .iter()
            .find(|policy| policy.kind() == kind)
            .map(|policy| &**policy)
    }

    /// Whether a value is looked for on behalf of this policy.
    fn owns(&self, policy: &dyn Policy, label: Label) -> bool {
        match label {
            Label::Pattern(number) => self.owners.get(usize::from(number)) == Some(&policy.kind()),
            Label::Entity(entity) => policy.entities().contains(&entity),
        }
    }

    /// The policy on whose behalf a value is replaced.
    pub(crate) fn owner(&self, mark: &Span, sightings: &Sightings) -> Option<PolicyKind> {
        let mut policies = self.policies.iter();
        let owner = policies.find(|policy| {
            let view = sightings.of(policy.kind());
            let is_seen =
                |range: &Range<usize>| range.start < mark.range.end && mark.range.start < range.end;
            let sees = || {
                view.values.iter().any(|value| is_seen(&value.range))
                    || view.patterns.iter().any(|hit| is_seen(&hit.range))
            };
            self.owns(&***policy, mark.label) && (sightings.views.is_empty() || sees())
        });
        owner.map(|policy| policy.kind())
    }

    /// Writes what stands in the place of values.
    pub(crate) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Fills `sightings` with everything settled in `window` and returns the first position that is open. `reading` is that of the
    /// window's text, where it differs from it: what is found in it counts too. Where the steps are spent by then, nothing is settled.
    pub(crate) fn scan(
        &self,
        phase: Phase,
        window: &Window<'_>,
        reading: Option<&Reading>,
        sightings: &mut Sightings,
    ) -> usize {
        sightings.clear();
        let scan = self.phase(phase);
        if scan.is_idle() {
            return window.text.len();
        }
        let mut open = scan.look(window, sightings);
        let Sightings { excused, steps, .. } = sightings;
        open = open.min(self.narrowing.phrases.scan(window, steps, excused));
        if let Some(reading) = reading {
            open = scan
                .look_again(window, reading, sightings)
                .min(reading.align_open(open));
        }
        if sightings.steps.are_spent() {
            return window.from;
        }
        if window.from == 0 && window.complete && phase == Phase::Input {
            self.set_aside_mentions(window.text, sightings);
        }
        if phase == Phase::Output {
            self.set_aside_refused(window.text, sightings);
        }
        if phase == Phase::Input && window.complete {
            let said = |text: &str| self.said(text);
            scan.judge_whole(&self.redactor, window.text, reading, said, sightings);
        }
        let open = sightings.settle(&self.redactor, open);
        // A value of the text itself may begin in what looks like an escape (`\bc1q…`), and is found only while that waits.
        let blank = reading
            .filter(|_| !window.complete)
            .and_then(|reading| reading.blank_before(open))
            .filter(|blank| *blank >= window.from && sightings.end() <= *blank);
        let open = blank.unwrap_or(open);
        sightings.is_trusted =
            window.from == 0 && window.complete && self.trusts(phase, window.text, sightings);
        open
    }

    /// The same for a whole text.
    pub(crate) fn scan_whole(&self, phase: Phase, text: &str, sightings: &mut Sightings) {
        let reading = if self.phase(phase).is_idle() {
            None
        } else {
            Reading::of(text)
        };
        self.scan(phase, &Window::whole(text), reading.as_ref(), sightings);
        if let Some(opinion) = self
            .answers(phase)
            .and_then(|answers| answers::judge(text, &answers.weights))
        {
            sightings.opinions = Sightings::of_answer(opinion).opinions;
        }
    }

    /// How answers are judged, if they are, and `phase` is theirs.
    pub(crate) fn answers(&self, phase: Phase) -> Option<&Answers> {
        self.answers.as_ref().filter(|_| phase == Phase::Output)
    }

    /// Whether a policy stops an answer of which this is thought.
    pub(crate) fn stops_answer(&self, opinion: &Opinion, scene: &Scene) -> bool {
        let sightings = Sightings::of_answer(opinion.clone());
        self.judge(Phase::Output, &sightings)
            .any(|(kind, judgement)| judgement.verdict.stops() && !self.excuses_model(kind, scene))
    }

    /// Fills `sightings` with the values of entities in a whole text, and nothing else.
    pub(crate) fn scan_values(&self, phase: Phase, window: &Window<'_>, sightings: &mut Sightings) {
        sightings.clear();
        if let Some(values) = &self.phase(phase).values {
            values.scan(window, &mut sightings.values);
        }
        sightings.count();
        sightings.settle(&self.redactor, window.text.len());
    }

    /// Fills `sightings` with a text that is an `entity` as a whole. False where nobody looks for such.
    pub(crate) fn note_whole(
        &self,
        phase: Phase,
        entity: Entity,
        text: &str,
        sightings: &mut Sightings,
    ) -> bool {
        sightings.clear();
        if self.phase(phase).entities.contains(&entity) {
            sightings.values.push(Span {
                label: entity.into(),
                range: 0..text.len(),
            });
        }
        sightings.settle(&self.redactor, text.len());
        !sightings.values.is_empty()
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
            .map(|policy| (policy.kind(), policy.judge(sightings.of(policy.kind()))))
    }

    /// Takes the phrases that only speak of an attack from the others. Each costs a look at what stands around it, so their number
    /// is bounded.
    fn set_aside_mentions(&self, text: &str, sightings: &mut Sightings) {
        let Sightings {
            phrases, mentions, ..
        } = sightings;
        let mut looks = LOOKS + text.len() / BYTES_PER_LOOK;
        let running = || {
            let places = self.input.policies.iter();
            places.filter_map(|&place| self.policies.get(place))
        };
        // The heaviest order of each group: what weighs no more changes no score.
        let mut orders: Vec<(u16, f32)> = Vec::new();
        phrases.retain(|hit| {
            let outweighs = |order: &(u16, f32)| order.0 == hit.group && order.1 >= hit.weight;
            if orders.iter().any(outweighs) {
                return true;
            }
            looks = looks.saturating_sub(1);
            let mention = (looks > 0)
                .then(|| running().find_map(|policy| policy.mention(text, hit)))
                .flatten();
            let is_order = mention.is_none();
            if is_order && hit.weight >= HEAVY {
                orders.push((hit.group, hit.weight));
            }
            mentions.extend(mention);
            is_order
        });
    }

    /// What a text only reports of others' words.
    fn said(&self, text: &str) -> Vec<Range<usize>> {
        let looks = LOOKS + text.len() / BYTES_PER_LOOK;
        let places = self.input.policies.iter();
        let running = places.filter_map(|&place| self.policies.get(place));
        running
            .flat_map(|policy| policy.said(text, looks))
            .collect()
    }

    /// Drops the phrases that an answer refuses. Behind the first one that counts nothing matters, so none is looked at there.
    fn set_aside_refused(&self, text: &str, sightings: &mut Sightings) {
        let mut counts_from = usize::MAX;
        sightings.phrases.retain(|hit| {
            if hit.range.start >= counts_from {
                return true;
            }
            let places = self.output.policies.iter();
            let mut running = places.filter_map(|&place| self.policies.get(place));
            let counts = !running.any(|policy| policy.is_refused(text, hit));
            if counts {
                counts_from = hit.range.start;
            }
            counts
        });
    }

    /// Whether a policy that would stop `text` is told not to. Others pay no hash.
    fn trusts(&self, phase: Phase, text: &str, sightings: &Sightings) -> bool {
        let policies = self.phase(phase).policies.iter();
        policies
            .filter_map(|&place| self.policies.get(place))
            .any(|policy| policy.judge(sightings).verdict.stops() && policy.trusts(text))
    }

    /// What the scanners of the chain look for: texts of which the harness of the bounds makes its shapes.
    pub fn anchors(&self) -> Vec<String> {
        let first = |words: &str| {
            let words = words.split(' ').filter_map(|word| word.split('|').next());
            words.collect::<Vec<_>>().join(" ")
        };
        let groups = self.policies.iter().flat_map(|policy| policy.phrases());
        let phrases = groups.flat_map(|group| group.phrases);
        let patterns = self.policies.iter().flat_map(|policy| policy.patterns());
        let users = patterns.map(|pattern| match &pattern.find {
            Find::Regex(text) | Find::Term { text, .. } => text.clone(),
        });
        let values = detect::anchors()
            .into_iter()
            .chain(kt_text::views::anchors());
        let words = phrases.map(|phrase| first(phrase.words));
        values.chain(words).chain(users).collect()
    }

    /// The entity that all of a text is, if it is one that the chain looks for.
    pub fn entity_of(&self, text: &str) -> Option<&'static str> {
        let mut sightings = Sightings::default();
        self.scan_whole(Phase::Input, text, &mut sightings);
        let mut values = sightings.values.iter();
        let whole = values.find(|value| value.range == (0..text.len()))?;
        match whole.label {
            Label::Entity(entity) => Some(entity.name()),
            Label::Pattern(_) => None,
        }
    }

    /// Judges one whole text.
    pub fn judge_text(&self, phase: Phase, text: &str) -> Vec<Judgement> {
        let mut sightings = Sightings::default();
        self.scan_whole(phase, text, &mut sightings);
        self.judge(phase, &sightings)
            .map(|(_, judgement)| judgement)
            .collect()
    }
}

impl Answers {
    /// Of the first policy that asks for them.
    fn compile(policies: &[Box<dyn Policy>]) -> Result<Option<Self>, String> {
        let Some(mode) = policies.iter().find_map(|policy| policy.answers()) else {
            return Ok(None);
        };
        let weights = Weights::for_answers().ok_or("the weights of the models cannot be read")?;
        Ok(Some(Self { weights, mode }))
    }
}

impl Scan {
    /// Whether nothing is looked for, so that no text needs to be read.
    fn is_idle(&self) -> bool {
        self.values.is_none()
            && self.patterns.is_empty()
            && self.phrases.is_empty()
            && self.models.is_none()
    }

    /// Adds what is settled in `window` and returns the first position that is open.
    fn look(&self, window: &Window<'_>, sightings: &mut Sightings) -> usize {
        let mut open = window.text.len();
        if let Some(values) = &self.values {
            open = values.scan(window, &mut sightings.values);
        }
        if !self.patterns.is_empty() {
            let Sightings {
                patterns, steps, ..
            } = sightings;
            open = open.min(self.patterns.scan(window, steps, patterns));
        }
        if !self.phrases.is_empty() {
            open = open.min(self.phrases.scan(window, &mut sightings.phrases));
        }
        sightings.count();
        open
    }

    /// Looks at the reading of the window's text and adds what is found there. What was found in the text itself is made to hold
    /// escapes whole. Returns the first position of the text that is open.
    fn look_again(
        &self,
        window: &Window<'_>,
        reading: &Reading,
        sightings: &mut Sightings,
    ) -> usize {
        let mut found = sightings.fork();
        let seen = Window {
            text: reading.seen().get(..reading.stable()).unwrap_or_default(),
            from: reading.place(window.from),
            complete: window.complete,
        };
        let open = reading.start(self.look(&seen, &mut found));
        sightings.take_steps(&mut found);
        let align = |range: &mut Range<usize>| {
            *range = reading.align(range);
            range.start < range.end
        };
        sightings.values.retain_mut(|value| align(&mut value.range));
        sightings.patterns.retain_mut(|hit| align(&mut hit.range));
        let original = |range: &mut Range<usize>| *range = reading.original(range);
        found
            .values
            .iter_mut()
            .for_each(|value| original(&mut value.range));
        found
            .patterns
            .iter_mut()
            .for_each(|hit| original(&mut hit.range));
        found
            .phrases
            .iter_mut()
            .for_each(|hit| original(&mut hit.range));
        sightings.values.append(&mut found.values);
        sightings.patterns.append(&mut found.patterns);
        sightings.phrases.append(&mut found.phrases);
        open
    }

    /// Asks the models about a whole text, and everything about what it says when it is decoded.
    fn judge_whole(
        &self,
        redactor: &Redactor,
        text: &str,
        reading: Option<&Reading>,
        said: impl Fn(&str) -> Vec<Range<usize>>,
        sightings: &mut Sightings,
    ) {
        let shape = match &self.models {
            None => shape(text),
            Some(models) => {
                let (opinions, shape) = models.judge(text);
                sightings.opinions = opinions;
                Self::judge_without_mentions(models, text, sightings);
                if sightings
                    .opinion(Model::Injection)
                    .is_some_and(|opinion| opinion.score >= LIKELY)
                {
                    let said = said(text);
                    if !said.is_empty() {
                        sightings.mentions.extend(said);
                        Self::judge_without_mentions(models, text, sightings);
                    }
                }
                if let Some(reading) = reading.filter(|reading| reading.has_escapes()) {
                    Self::judge_reading(models, reading, sightings);
                }
                shape
            }
        };
        Decoder::new(self, redactor, text, sightings).judge(text, reading, &shape);
    }

    /// Asks the model for injections again without what only speaks of them: an attack elsewhere in the text stays one.
    fn judge_without_mentions(models: &Weights, text: &str, sightings: &mut Sightings) {
        let Some(opinions) = &mut sightings.opinions else {
            return;
        };
        if sightings.mentions.is_empty() {
            return;
        }
        let Some(rest) = without(text, sightings.mentions.iter().cloned()) else {
            return;
        };
        let of = |opinions: Option<Opinions>| {
            opinions.and_then(|mut opinions| {
                opinions
                    .get_mut(Model::Injection as usize)
                    .map(std::mem::take)
            })
        };
        if let Some(opinion) = opinions.get_mut(Model::Injection as usize) {
            *opinion = of(models.judge(&rest).0).unwrap_or_default();
        }
    }

    /// Asks the models about the text without its escapes, and what only speaks of attacks.
    fn judge_reading(models: &Weights, reading: &Reading, sightings: &mut Sightings) {
        let place = |raw: usize| reading.place(reading.align_open(raw));
        let mentions = sightings.mentions.iter();
        let places = mentions.map(|mention| place(mention.start)..place(mention.end));
        let opinions = without(reading.seen(), places).and_then(|text| models.judge(&text).0);
        if let Some(opinions) = opinions {
            sightings.heed(opinions, |range| reading.original(&range));
        }
    }

    fn compile(policies: &[Box<dyn Policy>], phase: Phase) -> Result<Self, String> {
        let mut entities = Vec::new();
        let mut phrases = Vec::new();
        let mut patterns = Vec::new();
        let mut places = Vec::new();
        let mut numbers = 0_u16..;
        for (place, policy) in policies.iter().enumerate() {
            let own: Vec<_> = numbers.by_ref().zip(policy.patterns()).collect();
            if !policy.runs_in(phase) {
                continue;
            }
            places.push(place);
            patterns.extend(own);
            entities.extend_from_slice(policy.entities());
            phrases.extend_from_slice(policy.phrases());
        }
        let values = (!entities.is_empty()).then(|| Scanner::new(&entities));
        // Answers have a model of their own.
        let asks = phase == Phase::Input && policies.iter().any(|policy| policy.model().is_some());
        let models =
            asks.then(|| Weights::for_requests().ok_or("the weights of the models cannot be read"));
        Ok(Self {
            policies: places,
            entities,
            values,
            patterns: PatternSet::compile(patterns.into_iter())?,
            phrases: PhraseSet::compile(&phrases),
            models: models.transpose()?,
            decodes_base64: policies.iter().all(|policy| policy.decodes_base64()),
        })
    }
}

/// `text` with spaces in these places.
fn without(text: &str, places: impl Iterator<Item = Range<usize>>) -> Option<String> {
    let mut rest = text.as_bytes().to_vec();
    for place in places {
        if let Some(bytes) = rest.get_mut(place) {
            bytes.fill(b' ');
        }
    }
    String::from_utf8(rest).ok()
}

/// The answer that decides: one that stops, else the first redaction. Of several that stop it is the first of a request, and in an
/// answer the one that stands first: what stands before the others would leave, or not, as the stream was cut.
pub(crate) fn decisive(phase: Phase, answers: impl Iterator<Item = Answer>) -> Option<Answer> {
    let (mut redaction, mut stop) = (None, None::<Answer>);
    for answer in answers {
        match answer.1.verdict {
            Verdict::Allow => {}
            Verdict::Redact => redaction = redaction.or(Some(answer)),
            Verdict::Escalate | Verdict::Block => {
                let is_first = |first: &Answer| phase == Phase::Output && answer.1.at < first.1.at;
                if stop.as_ref().is_none_or(is_first) {
                    stop = Some(answer);
                }
            }
        }
    }
    stop.or(redaction)
}
