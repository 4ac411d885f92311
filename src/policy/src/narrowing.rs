//! What narrows a policy: exceptions for single findings, and the scope of texts that it judges.
//!
//! Both are applied behind the scanners: what was seen in a text is the same for every policy, exchange and day, so that it can be
//! remembered. What a policy is not to act on is taken out of its own view of that, and what no policy acts on is not replaced.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{policy::PolicyKind, verdict::Phase};
use kt_text::patterns::{Find, Pattern, PatternMatch, PatternSet};

/// Digits of the salt of a hashed value.
const SALT_DIGITS: usize = 32;

/// One of `exceptions`, as its members: `id`, `until`, `reason`; `entity`, `category` or neither; `route`, `consumer`, `field`, `role`;
/// `value_sha256`, `phrase` or neither. They are texts, since the module has no room for the code that reads each by its name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Exception(BTreeMap<String, String>);

impl Exception {
    /// The member of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Gives it a member.
    pub fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }

    /// Its name, in events.
    pub fn id(&self) -> &str {
        self.get("id").unwrap_or_default()
    }

    /// Whether it is for one value or phrase.
    pub fn is_for_words(&self) -> bool {
        self.get("value_sha256").is_some() || self.get("phrase").is_some()
    }

    /// Whether its last day is over. A date that is none is over.
    pub fn is_over(&self, now_us: u64) -> bool {
        let end = self.get("until").and_then(end_of_day);
        end.is_none_or(|end_s| now_us / 1_000_000 >= end_s)
    }

    /// The salt and the hash of its value, where they are such.
    pub fn hashed(&self) -> Option<(&str, &str)> {
        let (salt, hash) = self.get("value_sha256")?.split_once(':')?;
        let is_hex = |digits: &str| {
            let mut bytes = digits.bytes();
            bytes.all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        };
        (salt.len() == SALT_DIGITS && hash.len() == 64 && is_hex(salt) && is_hex(hash))
            .then_some((salt, hash))
    }

    /// Whether it says anything about an exchange of this route and consumer.
    fn is_of(&self, route: Option<&str>, consumer: Option<&str>) -> bool {
        let fits = |name, actual: Option<&str>| {
            let wanted = self.get(name);
            wanted.is_none() || wanted == actual
        };
        fits("route", route) && fits("consumer", consumer)
    }
}

/// The second that follows a date such as `2027-01-31`, since 1970.
pub fn end_of_day(date: &str) -> Option<u64> {
    let is_date = |(at, byte): (usize, u8)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    if date.len() != 10 || !date.bytes().enumerate().all(is_date) {
        return None;
    }
    let number = |digits: Option<&str>| digits?.parse::<u16>().ok().map(u64::from);
    let (year, month, day) = (
        number(date.get(..4))?,
        number(date.get(5..7))?,
        number(date.get(8..))?,
    );
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    if year < 1970 || day == 0 || day > days {
        return None;
    }
    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let of_era = year % 400;
    let of_year = (153 * month + 2) / 5 + day - 1;
    let days = year / 400 * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    Some((days - 719_468 + 1) * 86_400)
}

/// A value as it is compared: without white space around it and in lower case; of a number without what people group its digits with.
fn canonical(value: &str) -> String {
    let value = value.trim();
    if value.contains(char::is_alphabetic) {
        return value.to_lowercase();
    }
    let groups = |c: &char| matches!(c, ' ' | '-' | '(' | ')');
    value.chars().filter(|c| !groups(c)).collect()
}

/// `value_sha256` of a value: the salt, and SHA-256 of both.
pub fn hashed_value(salt: &str, value: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(salt);
    hash.update(canonical(value));
    format!("{salt}:{}", crate::event::hex(&hash.finalize()))
}

/// `scope`: which texts of requests a policy judges.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scope {
    /// Roles of messages; none for all. What has no role is judged whatever they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Members that texts stand in or below, without positions (`messages.content`); none for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// Whether what was judged before, and had nothing that the policy acts on, is left out of the history.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub newest_only: bool,
}

impl Scope {
    /// Why a text is not judged.
    pub(crate) fn leaves_out(&self, place: &Place) -> Option<&'static str> {
        let role = place.role.as_ref().filter(|_| !self.roles.is_empty());
        if role.is_some_and(|role| !self.roles.contains(role)) {
            return Some("scope.roles");
        }
        let is_in = |field: &String| is_within(&place.field, field);
        (!self.fields.is_empty() && !self.fields.iter().any(is_in)).then_some("scope.fields")
    }
}

/// Whether a member is `field`, or stands below it.
fn is_within(member: &str, field: &str) -> bool {
    member
        .strip_prefix(field)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Where a text stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Place {
    /// Its member, without positions.
    pub(crate) field: String,
    /// The role of its message; an answer is the assistant's.
    pub(crate) role: Option<String>,
    /// Whether it is of the history of the conversation.
    pub(crate) is_old: bool,
    /// Whether it was judged before.
    pub(crate) is_known: bool,
    /// Policies that let the whole text pass.
    pub(crate) excused: Vec<PolicyKind>,
}

/// How often an exception was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Use {
    /// Its id.
    pub id: String,
    /// Its policy.
    pub policy: PolicyKind,
    /// Input or output.
    pub phase: Phase,
    /// How many findings it let pass.
    pub count: usize,
}

/// Texts that a policy did not judge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotRun {
    /// Which policy.
    pub policy: PolicyKind,
    /// Why.
    pub reason: &'static str,
    /// How many texts.
    pub texts: usize,
    /// How many bytes they have.
    pub bytes: usize,
}

/// What of an exchange decides on exceptions, and what came of them.
#[derive(Debug, Default)]
pub(crate) struct Scene {
    pub(crate) now_us: u64,
    pub(crate) route: Option<String>,
    pub(crate) consumer: Option<String>,
    /// The text at hand.
    pub(crate) place: Place,
    /// Those in force, by their places.
    in_force: Vec<usize>,
    pub(crate) uses: Vec<Use>,
    pub(crate) not_run: Vec<NotRun>,
}

impl Scene {
    /// Finds out which exceptions are in force.
    pub(crate) fn begin(&mut self, narrowing: &Narrowing) {
        let (route, consumer) = (self.route.as_deref(), self.consumer.as_deref());
        let list = narrowing.exceptions.iter().enumerate();
        let in_force = list.filter(|(_, known)| {
            !known.exception.is_over(self.now_us) && known.exception.is_of(route, consumer)
        });
        self.in_force = in_force.map(|(place, _)| place).collect();
    }

    /// Notes a use of an exception. What is read again, or thought again of a text that grows, counts once.
    pub(crate) fn note_use(&mut self, known: &Known, phase: Phase, counts: bool) {
        let id = known.exception.id();
        let mut uses = self.uses.iter_mut();
        match uses.find(|use_| use_.id == id && use_.phase == phase && use_.policy == known.kind) {
            Some(use_) => use_.count += usize::from(counts),
            None => self.uses.push(Use {
                id: id.to_owned(),
                policy: known.kind,
                phase,
                count: 1,
            }),
        }
    }

    /// Notes a text that a policy does not judge.
    pub(crate) fn note_not_run(&mut self, policy: PolicyKind, reason: &'static str, bytes: usize) {
        let mut known = self.not_run.iter_mut();
        match known.find(|known| known.policy == policy && known.reason == reason) {
            Some(known) => {
                known.texts += 1;
                known.bytes += bytes;
            }
            None => self.not_run.push(NotRun {
                policy,
                reason,
                texts: 1,
                bytes,
            }),
        }
    }
}

/// What is found: its name, and whether that is an entity's or a category's.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Found<'n> {
    Entity(&'n str),
    Category(&'n str),
}

/// An exception and its policy.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) kind: PolicyKind,
    pub(crate) exception: Exception,
}

impl Known {
    /// Whether its value is this one.
    pub(crate) fn is_value(&self, words: &str) -> bool {
        let salt = self.exception.hashed().map(|(salt, _)| salt);
        salt.is_some_and(|salt| {
            self.exception.get("value_sha256") == Some(&hashed_value(salt, words))
        })
    }

    /// Whether it is for what was found at this place; whose words it is for is another question.
    pub(crate) fn fits(&self, found: Found<'_>, place: Option<&Place>) -> bool {
        self.is_for(found) && self.is_at(place)
    }

    fn is_for(&self, found: Found<'_>) -> bool {
        let (entity, category) = match found {
            Found::Entity(name) => (Some(name), None),
            Found::Category(name) => (None, Some(name)),
        };
        let fits = |wanted: Option<&str>, name| wanted.is_none() || wanted == name;
        fits(self.exception.get("entity"), entity) && fits(self.exception.get("category"), category)
    }

    fn is_at(&self, place: Option<&Place>) -> bool {
        let (field, role) = (self.exception.get("field"), self.exception.get("role"));
        match place {
            None => field.is_none() && role.is_none(),
            Some(place) => {
                field.is_none_or(|field| is_within(&place.field, field))
                    && (role.is_none() || role == place.role.as_deref())
            }
        }
    }
}

/// Everything that narrows the policies of a chain, compiled.
#[derive(Debug, Default)]
pub(crate) struct Narrowing {
    pub(crate) exceptions: Vec<Known>,
    scopes: Vec<(PolicyKind, Scope)>,
    /// The phrases, by the places of their exceptions.
    pub(crate) phrases: PatternSet,
}

impl Narrowing {
    /// Compiles those of a chain. The error names what cannot be compiled.
    pub(crate) fn compile<'c>(
        controls: impl Iterator<Item = (PolicyKind, &'c Scope, &'c [Exception])>,
    ) -> Result<Self, String> {
        let mut narrowing = Self::default();
        let mut phrases = Vec::new();
        for (kind, scope, exceptions) in controls {
            if *scope != Scope::default() {
                narrowing.scopes.push((kind, scope.clone()));
            }
            for exception in exceptions {
                let place = u16::try_from(narrowing.exceptions.len())
                    .map_err(|_| "there are too many exceptions")?;
                if let Some(text) = exception.get("phrase") {
                    let (name, text) = (String::new(), text.to_owned());
                    let find = Find::Term {
                        text,
                        max_distance: 0,
                    };
                    phrases.push((place, Pattern { name, find }));
                }
                let exception = exception.clone();
                narrowing.exceptions.push(Known { kind, exception });
            }
        }
        narrowing.phrases =
            PatternSet::compile(phrases.iter().map(|(place, phrase)| (*place, phrase)))?;
        Ok(narrowing)
    }

    /// Whether every policy judges everything and acts on all of it.
    pub(crate) fn is_empty(&self) -> bool {
        self.exceptions.is_empty() && self.scopes.is_empty()
    }

    /// Whether it matters which role a text has, or whether it is new.
    pub(crate) fn needs_turns(&self) -> bool {
        let mut exceptions = self.exceptions.iter();
        let mut scopes = self.scopes.iter();
        exceptions.any(|known| known.exception.get("role").is_some())
            || scopes.any(|(_, scope)| scope.newest_only || !scope.roles.is_empty())
    }

    pub(crate) fn scope(&self, kind: PolicyKind) -> Option<&Scope> {
        let scope = self.scopes.iter().find(|(known, _)| *known == kind);
        scope.map(|(_, scope)| scope)
    }

    /// The exceptions of a policy that are in force.
    pub(crate) fn of<'s>(
        &'s self,
        kind: PolicyKind,
        scene: &'s Scene,
    ) -> impl Iterator<Item = (usize, &'s Known)> {
        let places = scene.in_force.iter();
        places
            .filter_map(|&place| Some((place, self.exceptions.get(place)?)))
            .filter(move |(_, known)| known.kind == kind)
    }

    /// The first of `own` that lets pass what was found: `words` at a range of which `covers` knows whether the words of an exception
    /// are all around it.
    pub(crate) fn first(
        own: &[(usize, &Known)],
        found: Found<'_>,
        place: Option<&Place>,
        words: &str,
        covers: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let mut hashes: Vec<(String, String)> = Vec::new();
        let mut is_value = |exception: &Exception| {
            let Some((salt, _)) = exception.hashed() else {
                return false;
            };
            let known = hashes.iter().position(|(known, _)| *known == salt);
            let at = known.unwrap_or_else(|| {
                hashes.push((salt.to_owned(), hashed_value(salt, words)));
                hashes.len() - 1
            });
            let hash = hashes.get(at).map(|(_, hash)| hash.as_str());
            exception.get("value_sha256") == hash
        };
        let mut fitting = own.iter().filter(|(_, known)| known.fits(found, place));
        let first = fitting.find(|(at, known)| match known.exception.get("phrase") {
            Some(_) => covers(*at),
            None => !known.exception.is_for_words() || covers(*at) || is_value(&known.exception),
        });
        first.map(|(at, _)| *at)
    }
}

/// Whether a phrase of this exception covers the range.
pub(crate) fn covers(
    phrases: &[PatternMatch],
    exception: usize,
    range: &std::ops::Range<usize>,
) -> bool {
    let mut own = phrases
        .iter()
        .filter(|hit| usize::from(hit.pattern) == exception);
    own.any(|hit| hit.range.start <= range.start && range.end <= hit.range.end)
}
