//! JSON values as block-style YAML.

use std::borrow::Cow;

use saphyr::{Mapping, Scalar, Yaml, YamlEmitter};
use serde_json::Value;

/// Writes `value` as one YAML document.
pub(crate) fn render(value: &Value) -> String {
    let mut text = String::new();
    let written = YamlEmitter::new(&mut text).dump(&to_yaml(value));
    // Writing into a string does not fail; JSON is YAML, should that ever change.
    if written.is_err() {
        return value.to_string();
    }
    text.strip_prefix("---\n").unwrap_or(&text).to_owned() + "\n"
}

fn to_yaml(value: &Value) -> Yaml<'_> {
    match value {
        Value::Null => Yaml::Value(Scalar::Null),
        Value::Bool(flag) => Yaml::Value(Scalar::Boolean(*flag)),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => Yaml::Value(Scalar::Integer(integer)),
            None => Yaml::Value(Scalar::FloatingPoint(
                number.as_f64().unwrap_or_default().into(),
            )),
        },
        Value::String(text) => string(text),
        Value::Array(items) => Yaml::Sequence(items.iter().map(to_yaml).collect()),
        Value::Object(members) => Yaml::Mapping(
            members
                .iter()
                .map(|(key, value)| (string(key), to_yaml(value)))
                .collect::<Mapping<'_>>(),
        ),
    }
}

fn string(text: &str) -> Yaml<'_> {
    Yaml::Value(Scalar::String(Cow::Borrowed(text)))
}
