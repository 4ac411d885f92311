//! What stands in the place of a value: `[EMAIL_REDACTED]`, asterisks, or asterisks with the last characters left.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::detect::{Entity, Label};

/// How a marker looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MarkerFormat {
    /// `[EMAIL_REDACTED]`
    #[default]
    Label,
    /// `****`
    Asterisks,
    /// `****` and the last four characters, of values with at least eight; of keys and passwords nothing is left.
    Partial,
}

/// Settings of `policy.pii-detector.redaction`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Redaction {
    /// Default `label`.
    pub marker_format: MarkerFormat,
    /// Whether the event lists category and place of every replaced value. Default true; without, it counts them.
    pub include_metadata: bool,
    /// Whether a marker has as many characters as the value. A label that is longer gives way to asterisks. Default false.
    pub preserve_length: bool,
    /// Markers by the name of what they replace.
    pub custom_markers: BTreeMap<String, String>,
}

impl Default for Redaction {
    fn default() -> Self {
        Self {
            marker_format: MarkerFormat::Label,
            include_metadata: true,
            preserve_length: false,
            custom_markers: BTreeMap::new(),
        }
    }
}

/// Asterisks without `preserve_length`.
const SHORT: usize = 4;
/// Characters that `partial` leaves, and of how many.
const LEFT: usize = 4;
const MIN_PARTIAL: usize = 8;

/// Writes markers.
#[derive(Debug, Default)]
pub struct Redactor {
    settings: Redaction,
    /// Names of the users' patterns, and whether their matches are replaced.
    patterns: Vec<(String, bool)>,
}

impl Redactor {
    /// Writes markers by `settings`; `patterns` are the users' patterns: their names, and whether each is replaced.
    pub fn new(settings: Redaction, patterns: Vec<(String, bool)>) -> Self {
        Self { settings, patterns }
    }

    /// What a value is called in markers and events.
    pub fn name(&self, label: Label) -> &str {
        match label {
            Label::Entity(entity) => entity.name(),
            Label::Pattern(place) => self
                .patterns
                .get(usize::from(place))
                .map_or("PATTERN", |(name, _)| name),
        }
    }

    /// Whether matches of the pattern at `place` are replaced.
    pub fn replaces(&self, place: u16) -> bool {
        self.patterns
            .get(usize::from(place))
            .is_some_and(|(_, replaces)| *replaces)
    }

    /// Whether events list the values one by one.
    pub fn lists(&self) -> bool {
        self.settings.include_metadata
    }

    /// Appends what stands in the place of `value`, the whole of one or a part. Nothing is left of a part.
    pub fn write(&self, label: Label, value: &str, is_whole: bool, out: &mut String) {
        let name = self.name(label);
        if let Some(marker) = self.settings.custom_markers.get(name) {
            return out.push_str(marker);
        }
        let length = value.chars().count();
        let stars = if self.settings.preserve_length {
            length
        } else {
            SHORT
        };
        match self.settings.marker_format {
            MarkerFormat::Label => {
                let width = name.len() + "[_REDACTED]".len();
                if self.settings.preserve_length && width > length {
                    return out.extend(std::iter::repeat_n('*', length));
                }
                out.extend(["[", name, "_REDACTED]"]);
                if self.settings.preserve_length {
                    out.extend(std::iter::repeat_n('*', length - width));
                }
            }
            MarkerFormat::Partial
                if is_whole
                    && length >= MIN_PARTIAL
                    && !matches!(label, Label::Entity(entity) if entity.is_secret()) =>
            {
                out.extend(std::iter::repeat_n(
                    '*',
                    if self.settings.preserve_length {
                        length - LEFT
                    } else {
                        SHORT
                    },
                ));
                // What would break out of a JSON string stays hidden.
                out.extend(value.chars().skip(length - LEFT).map(|c| {
                    if c == '"' || c == '\\' || c.is_control() {
                        '*'
                    } else {
                        c
                    }
                }));
            }
            MarkerFormat::Asterisks | MarkerFormat::Partial => {
                out.extend(std::iter::repeat_n('*', stars));
            }
        }
    }
}

impl From<Entity> for Label {
    fn from(entity: Entity) -> Self {
        Self::Entity(entity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker(settings: Redaction, entity: Entity, value: &str) -> String {
        let mut out = String::new();
        Redactor::new(settings, Vec::new()).write(entity.into(), value, true, &mut out);
        out
    }

    #[test]
    fn markers_follow_their_format() {
        let with = |marker_format, preserve_length| Redaction {
            marker_format,
            preserve_length,
            ..Redaction::default()
        };
        let card = "4111 1111 1111 1111";
        assert_eq!(
            marker(with(MarkerFormat::Label, false), Entity::CreditCard, card),
            "[CREDIT_CARD_REDACTED]"
        );
        assert_eq!(
            marker(with(MarkerFormat::Label, true), Entity::CreditCard, card),
            "*******************"
        );
        assert_eq!(
            marker(
                with(MarkerFormat::Label, true),
                Entity::Ssn,
                "219-09-9999 and more"
            ),
            "[SSN_REDACTED]******"
        );
        assert_eq!(
            marker(
                with(MarkerFormat::Asterisks, false),
                Entity::Email,
                "a@b.example"
            ),
            "****"
        );
        assert_eq!(
            marker(
                with(MarkerFormat::Asterisks, true),
                Entity::Email,
                "ä@b.example"
            ),
            "***********"
        );
        assert_eq!(
            marker(with(MarkerFormat::Partial, false), Entity::CreditCard, card),
            "****1111"
        );
        assert_eq!(
            marker(with(MarkerFormat::Partial, true), Entity::CreditCard, card),
            "***************1111"
        );
        assert_eq!(
            marker(
                with(MarkerFormat::Partial, false),
                Entity::ApiKey,
                "sk-12345678901234"
            ),
            "****"
        );
        let custom = Redaction {
            custom_markers: [("EMAIL".to_owned(), "<mail>".to_owned())].into(),
            ..Redaction::default()
        };
        assert_eq!(marker(custom, Entity::Email, "a@b.example"), "<mail>");
    }
}
