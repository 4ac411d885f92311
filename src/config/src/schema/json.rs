//! JSON Schema, draft 2020-12.

use serde_json::{Map, Value as Json, json};

use super::{
    explore::{ANY_NAME, Field},
    words,
};
use crate::seen::Kind;

pub(super) fn schema(root: &Field) -> Json {
    let mut schema = field(root);
    merge(
        &mut schema,
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": "https://keeptrusts.com/schemas/envoy/policy-config.json",
            "title": "policy-config.yaml of Keeptrusts for Envoy",
        }),
    );
    schema
}

pub(super) fn field(field: &Field) -> Json {
    let mut schema = shape(field);
    let Some(words) = words::of(&field.path) else {
        return schema;
    };
    let about = match words.default() {
        None if !words.default.is_empty() => format!("{} ({})", words.about, words.default),
        _ => words.about.to_owned(),
    };
    merge(&mut schema, json!({"description": about}));
    if let Some(default) = words.default() {
        merge(&mut schema, json!({"default": default}));
    }
    if let Some(example) = words.example() {
        merge(&mut schema, json!({"examples": [example]}));
    }
    if let Some(shape) = words.shape() {
        merge(&mut schema, shape);
    }
    schema
}

fn shape(field: &Field) -> Json {
    match &field.kind {
        _ if !field.keys.is_empty() || field.kind == Kind::Mapping => mapping(field),
        Kind::Entries => json!({"type": "object"}),
        Kind::List => {
            let item = field.item.as_deref();
            json!({"type": "array", "items": item.map_or_else(|| json!({}), self::field)})
        }
        Kind::Strings => json!({"type": "array", "items": {"type": "string"}}),
        Kind::Text => json!({"type": "string"}),
        Kind::Choice(choices) => json!({"type": "string", "enum": choices}),
        Kind::Boolean => json!({"type": "boolean"}),
        Kind::Integer(least, most) => {
            json!({"type": "integer", "minimum": least, "maximum": most})
        }
        Kind::Number(least, most) => {
            json!({"type": "number", "minimum": least, "maximum": most})
        }
        Kind::Any | Kind::Mapping => json!({}),
    }
}

fn mapping(of: &Field) -> Json {
    if let [(name, value)] = of.keys.as_slice()
        && name == ANY_NAME
    {
        return json!({"type": ["object", "null"], "additionalProperties": field(value)});
    }
    let keys = || of.keys.iter();
    let required: Vec<&str> = keys()
        .filter(|(_, field)| is_always_required(field))
        .map(|(key, _)| key.as_str())
        .collect();
    let properties: Map<String, Json> = keys()
        .map(|(key, value)| (key.clone(), field(value)))
        .collect();
    let mut schema =
        json!({"type": "object", "additionalProperties": false, "properties": properties});
    if required.is_empty() {
        // `key:` with nothing behind it is an empty mapping.
        merge(&mut schema, json!({"type": ["object", "null"]}));
    } else {
        merge(&mut schema, json!({"required": required}));
    }
    schema
}

/// What is demanded under conditions only has words of its own in place of `required`.
fn is_always_required(field: &Field) -> bool {
    field.is_required && words::of(&field.path).is_some_and(|words| words.default == "required")
}

fn merge(schema: &mut Json, more: Json) {
    if let (Json::Object(schema), Json::Object(more)) = (schema, more) {
        if more.contains_key("anyOf") {
            // The reader takes more than the words that it was seen to look for.
            schema.retain(|name, _| !matches!(name.as_str(), "type" | "enum"));
        }
        schema.extend(more);
    }
}
