//! Exceptions and scopes at one text: what of that which was seen each policy is to act on.

use std::ops::Range;

use super::Chain;
use crate::{
    narrowing::{Found, Known, Narrowing, Place, Scene, covers},
    policy::{Policy, PolicyKind, Sightings},
    tally::Tally,
    verdict::{Phase, Verdict},
};
use kt_text::{
    detect::Label,
    linear::{Model, Opinion},
};

/// Steps that one exception costs at one finding.
const STEPS: usize = 64;

/// Where the findings of a text stand.
pub(crate) struct Whereabouts<'w> {
    /// The places of its parts; of most texts one.
    pub(crate) places: &'w [Place],
    /// Which of the parts a finding stands in.
    pub(crate) touched: &'w dyn Fn(&Range<usize>) -> Range<usize>,
    /// Where a part lies.
    pub(crate) part: &'w dyn Fn(usize) -> Range<usize>,
    /// Whether a finding is counted here, and was not before.
    pub(crate) is_new: &'w dyn Fn(&Range<usize>) -> bool,
    /// Whether the text is the whole of its member.
    pub(crate) is_whole: bool,
}

/// One policy at one text.
struct Look<'l> {
    chain: &'l Chain,
    policy: &'l dyn Policy,
    phase: Phase,
    text: &'l str,
    seen: &'l Sightings,
    whereabouts: &'l Whereabouts<'l>,
    own: Vec<(usize, &'l Known)>,
    /// Those of which the value is the text.
    whole: Vec<usize>,
    /// The parts that the policy does not judge.
    left_out: Vec<Range<usize>>,
}

/// An exception that was used, and the place of what counts here: it may be found in a text and again in its reading.
type Used = (usize, Option<(usize, usize)>);

impl Chain {
    /// Everything that narrows its policies.
    pub(crate) fn narrowing(&self) -> &Narrowing {
        &self.narrowing
    }

    /// Gives each policy that is not to act on all that was seen in a whole text its own view of it.
    pub(crate) fn narrow(&self, phase: Phase, text: &str, tally: &mut Tally) {
        self.narrow_part(phase, text, &(0..text.len()), true, tally);
    }

    /// The same for a part of a text, of which that counts which starts in `new`.
    pub(crate) fn narrow_part(
        &self,
        phase: Phase,
        text: &str,
        new: &Range<usize>,
        is_whole: bool,
        tally: &mut Tally,
    ) {
        if self.narrowing.is_empty() {
            return;
        }
        let mut place = std::mem::take(&mut tally.scene.place);
        let whereabouts = Whereabouts {
            places: std::slice::from_ref(&place),
            touched: &|_| 0..1,
            part: &|_| 0..text.len(),
            is_new: &|range| new.contains(&range.start),
            is_whole,
        };
        place.excused = self.narrow_at(phase, text, &whereabouts, tally);
        tally.scene.place = place;
    }

    /// The same for a text of any places. Returns the policies that let all of it pass.
    pub(crate) fn narrow_at(
        &self,
        phase: Phase,
        text: &str,
        whereabouts: &Whereabouts<'_>,
        tally: &mut Tally,
    ) -> Vec<PolicyKind> {
        let (mut views, mut excused) = (Vec::new(), Vec::new());
        for &place in &self.phase(phase).policies {
            let Some(policy) = self.policies.get(place) else {
                continue;
            };
            let (policy, kind) = (&**policy, policy.kind());
            let Some(view) = self.view(policy, phase, text, whereabouts, tally) else {
                continue;
            };
            excused.extend(view.is_trusted.then_some(kind));
            views.push((kind, view));
        }
        if !views.is_empty() {
            tally.sightings.views = views;
            self.mark_wanted(phase, &mut tally.sightings);
        }
        excused
    }

    /// The parts of a text that a policy does not judge.
    fn left_out(
        &self,
        kind: PolicyKind,
        phase: Phase,
        whereabouts: &Whereabouts<'_>,
    ) -> Vec<usize> {
        let scope = self.narrowing.scope(kind).filter(|_| phase == Phase::Input);
        let places = whereabouts.places;
        let is_out = |place: &Place| {
            scope.is_some_and(|scope| scope.leaves_out(place).is_some())
                || places.len() > 1 && place.excused.contains(&kind)
        };
        let parts = places.iter().enumerate();
        parts
            .filter(|(_, place)| is_out(place))
            .map(|(at, _)| at)
            .collect()
    }

    /// What the policy is to see, where that is not all.
    fn view(
        &self,
        policy: &dyn Policy,
        phase: Phase,
        text: &str,
        whereabouts: &Whereabouts<'_>,
        tally: &mut Tally,
    ) -> Option<Sightings> {
        let Tally {
            sightings, scene, ..
        } = tally;
        let kind = policy.kind();
        let left_out = self.left_out(kind, phase, whereabouts);
        if left_out.len() == whereabouts.places.len() {
            let place = whereabouts.places.first().filter(|_| whereabouts.is_whole);
            if let (Some(place), Some(scope)) = (place, self.narrowing.scope(kind)) {
                let reason = scope.leaves_out(place).unwrap_or_default();
                scene.note_not_run(kind, reason, text.len());
            }
            return Some(Sightings::default());
        }
        if policy.judge(sightings).verdict == Verdict::Allow {
            self.note_known(policy, text, whereabouts, scene);
            return None;
        }
        let own: Vec<_> = self.narrowing.of(kind, scene).collect();
        let found = sightings.values.len() + sightings.patterns.len() + sightings.phrases.len();
        let steps = text.len() + found * (own.len() + left_out.len()) * STEPS;
        if own.is_empty() && left_out.is_empty() || !sightings.steps.take(steps) {
            return None;
        }
        let is_it = |(at, known): &(usize, &Known)| known.is_value(text).then_some(*at);
        let is_whole = whereabouts.is_whole && phase == Phase::Input;
        let look = Look {
            whole: if is_whole {
                own.iter().filter_map(is_it).collect()
            } else {
                Vec::new()
            },
            chain: self,
            policy,
            phase,
            text,
            seen: sightings,
            whereabouts,
            own,
            left_out: left_out.into_iter().map(whereabouts.part).collect(),
        };
        let (view, mut used) = look.view();
        used.sort_unstable();
        used.dedup();
        let is_all = used.is_empty() && look.left_out.is_empty();
        for (at, counted) in &used {
            let known = self.narrowing.exceptions.get(*at)?;
            scene.note_use(known, phase, counted.is_some());
        }
        (!is_all).then_some(view)
    }

    /// Notes a text of the history that was judged before and is nothing to the policy.
    fn note_known(
        &self,
        policy: &dyn Policy,
        text: &str,
        whereabouts: &Whereabouts<'_>,
        scene: &mut Scene,
    ) {
        let scope = self.narrowing.scope(policy.kind());
        let mut places = whereabouts.places.iter();
        if scope.is_some_and(|scope| scope.newest_only)
            && whereabouts.is_whole
            && places.all(|place| place.is_old && place.is_known)
        {
            scene.note_not_run(policy.kind(), "scope.newest_only", text.len());
        }
    }

    /// Marks what at least one policy wants to be replaced.
    fn mark_wanted(&self, phase: Phase, sightings: &mut Sightings) {
        let mut wanted: Vec<(usize, usize)> = Vec::new();
        for &place in &self.phase(phase).policies {
            let Some(policy) = self.policies.get(place) else {
                continue;
            };
            let view = sightings.of(policy.kind());
            let values = view.values.iter().map(|value| (value.label, &value.range));
            let hits = view.patterns.iter();
            let hits = hits.map(|hit| (Label::Pattern(hit.pattern), &hit.range));
            let own = values
                .chain(hits)
                .filter(|(label, _)| self.owns(&**policy, *label));
            wanted.extend(own.map(|(_, range)| (range.start, range.end)));
        }
        wanted.sort_unstable();
        sightings.mark(&self.redactor, |span| {
            wanted
                .binary_search(&(span.range.start, span.range.end))
                .is_ok()
        });
    }

    /// Whether an exception lets pass what a model thinks of any answer.
    pub(super) fn excuses_model(&self, kind: PolicyKind, scene: &Scene) -> bool {
        let own: Vec<_> = self.narrowing.of(kind, scene).collect();
        let found = Found::Category("model");
        Narrowing::first(&own, found, Some(&scene.place), "", |_| false).is_some()
    }
}

impl Look<'_> {
    /// What the policy is to see, and the exceptions that make it so.
    fn view(&self) -> (Sightings, Vec<Used>) {
        let (mut used, mut more) = (Vec::new(), Vec::new());
        let redactor = &self.chain.redactor;
        let mut view = self.seen.without(
            |label, range| {
                if self.is_left_out(range) {
                    return false;
                }
                let found = Found::Entity(redactor.name(label));
                !self.chain.owns(self.policy, label) || !self.lets_pass(found, range, &mut used)
            },
            |hit| {
                if self.is_left_out(&hit.range) {
                    return false;
                }
                let mut groups = self.policy.phrases().iter();
                let is_own = groups.any(|group| group.group == hit.group);
                let found = Found::Category(hit.name);
                !is_own || !self.lets_pass(found, &hit.range, &mut more)
            },
        );
        used.append(&mut more);
        if self.policy.judge(&view).verdict != Verdict::Allow {
            self.excuse_opinion(&mut view, &mut used);
        }
        view.is_trusted |= self.is_excused();
        (view, used)
    }

    /// Whether an exception is for everything in this text.
    fn is_excused(&self) -> bool {
        let mut own = self.own.iter();
        own.any(|(at, known)| {
            let member = |name| known.exception.get(name).is_none();
            self.whole.contains(at)
                && member("entity")
                && member("category")
                && known.fits(Found::Category(""), self.whereabouts.places.first())
        })
    }

    /// The place of a finding that stands in one part.
    fn place(&self, range: &Range<usize>) -> Option<&Place> {
        let touched = (self.whereabouts.touched)(range);
        let places = self.whereabouts.places.get(touched)?;
        places.first().filter(|_| places.len() == 1)
    }

    /// Whether a finding stands in parts alone that the policy does not judge.
    fn is_left_out(&self, range: &Range<usize>) -> bool {
        let mut parts = (self.whereabouts.touched)(range).map(self.whereabouts.part);
        !self.left_out.is_empty() && parts.all(|part| self.left_out.contains(&part))
    }

    /// Whether an exception lets pass what was found at `range`.
    fn lets_pass(&self, found: Found<'_>, range: &Range<usize>, used: &mut Vec<Used>) -> bool {
        let words = self.text.get(range.clone()).unwrap_or_default();
        let covers = |at| self.whole.contains(&at) || covers(&self.seen.excused, at, range);
        let first = Narrowing::first(&self.own, found, self.place(range), words, covers);
        if let Some(at) = first {
            let counted = (self.whereabouts.is_new)(range).then_some((range.start, range.end));
            used.push((at, counted));
        }
        first.is_some()
    }

    /// Takes back what a model thinks, where an exception is for all of it, or where it is not thought of the text without the phrases
    /// of exceptions.
    fn excuse_opinion(&self, view: &mut Sightings, used: &mut Vec<Used>) {
        let models = match self.phase {
            Phase::Input => self.policy.model(),
            Phase::Output => self.policy.answers().map(|_| Model::Answers),
        };
        let Some(model) = models else { return };
        let mut opinions = view.opinions.iter_mut();
        let Some(opinion) = opinions.find_map(|all| all.get_mut(model as usize)) else {
            return;
        };
        let place = self.place(&opinion.range);
        let found = Found::Category("model");
        let covers = |at| self.whole.contains(&at);
        if let Some(at) = Narrowing::first(&self.own, found, place, "", covers) {
            *opinion = Opinion::default();
            used.push((at, None));
            return;
        }
        if self.phase == Phase::Output {
            return;
        }
        let phrases: Vec<usize> = self.phrases(found, place);
        let hits = self.seen.excused.iter();
        let hits: Vec<_> = hits
            .filter(|hit| phrases.contains(&usize::from(hit.pattern)))
            .collect();
        if hits.is_empty() && self.left_out.is_empty() {
            return;
        }
        let unread = hits.iter().map(|hit| hit.range.clone());
        let unread = unread.chain(self.left_out.iter().cloned());
        let Some(rest) = super::without(self.text, unread) else {
            return;
        };
        let mut again = Sightings::default();
        self.chain.scan_whole(self.phase, &rest, &mut again);
        *opinion = again.opinion(model).cloned().unwrap_or_default();
        if self.policy.judge(view).verdict == Verdict::Allow {
            used.extend(hits.iter().map(|hit| (usize::from(hit.pattern), None)));
        }
    }

    /// The exceptions for phrases that may let pass what a model thinks.
    fn phrases(&self, found: Found<'_>, place: Option<&Place>) -> Vec<usize> {
        let is_it = |(_, known): &&(usize, &Known)| {
            known.exception.get("phrase").is_some() && known.fits(found, place)
        };
        self.own.iter().filter(is_it).map(|(at, _)| *at).collect()
    }
}
