//! Content types.

/// What a content type means for inspection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaType {
    /// JSON in UTF-8.
    Json,
    /// Server-sent events in UTF-8.
    EventStream,
    /// Nothing that can be inspected.
    Other,
}

/// Reads a content type; another charset than UTF-8 could hide text.
pub fn media_type(content_type: &str) -> MediaType {
    let mut parts = content_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let is_utf8 = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, charset)) if name.trim().eq_ignore_ascii_case("charset") => charset
            .trim()
            .trim_matches('"')
            .eq_ignore_ascii_case("utf-8"),
        _ => true,
    });
    match essence.as_str() {
        "application/json" if is_utf8 => MediaType::Json,
        "text/event-stream" if is_utf8 => MediaType::EventStream,
        _ => MediaType::Other,
    }
}
