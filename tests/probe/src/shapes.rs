//! Adversarial texts, made of the tables of the engine: what is in a table is in a shape.

/// A text that repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// What stands once in front.
    pub head: String,
    /// What is repeated behind it.
    pub part: String,
}

impl Shape {
    /// The text of `len` bytes, or a little less where a character would be cut.
    pub fn text(&self, len: usize) -> String {
        let mut text = self.head.clone();
        while text.len() < len && !self.part.is_empty() {
            text.push_str(&self.part);
        }
        text.truncate(text.floor_char_boundary(len));
        text
    }

    /// At most `len` bytes of whole parts, but one at least.
    pub fn whole(&self, len: usize) -> String {
        let room = len.saturating_sub(self.head.len());
        let count = room.checked_div(self.part.len()).unwrap_or(0).max(1);
        self.head.clone() + &self.part.repeat(count)
    }

    /// What it is called in reports.
    pub fn name(&self) -> String {
        if self.head.is_empty() {
            format!("{:?}…", self.part)
        } else {
            format!("{:?} + {:?}…", self.head, self.part)
        }
    }
}

/// Numbers that look random and are the same in every run.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Starts a sequence.
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// The next number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (limit.max(1) as u64)).unwrap_or(0)
    }

    /// One of `items`.
    pub fn pick<'i>(&mut self, items: &'i [String]) -> &'i str {
        let at = self.below(items.len());
        items.get(at).map_or("", String::as_str)
    }
}

/// Runs that a value may consist of, and what may stand between values.
const RUNS: [&str; 12] = [
    "A",
    "1",
    "a",
    "-",
    "1 ",
    "A1",
    "a.",
    "0-",
    ":",
    "é",
    "{\"a\":\"",
    "A ",
];
const SEPARATORS: [&str; 6] = ["", " ", "-", ".", ":", "\n"];

/// Shapes that each anchor gets.
pub const FORMS: usize = 4;

/// Every anchor repeated, with separators, cut in half, in front of and behind runs; and `pairs` alternations of two or three.
pub fn shapes(anchors: &[String], pairs: usize) -> Vec<Shape> {
    let mut shapes = Vec::new();
    let mut add = |head: &str, part: String| {
        shapes.push(Shape {
            head: head.to_owned(),
            part,
        });
    };
    for (place, anchor) in anchors.iter().enumerate() {
        add("", anchor.clone());
        // Each anchor with another separator and another run; all of them would be too many.
        let separator = SEPARATORS.get(1 + place % 5).copied().unwrap_or(" ");
        add("", format!("{anchor}{separator}"));
        let half = anchor.floor_char_boundary(anchor.len().div_ceil(2));
        add("", anchor.get(..half).unwrap_or_default().to_owned());
        let run = RUNS.get(place % RUNS.len()).copied().unwrap_or("A");
        add(anchor, run.to_owned());
    }
    for run in RUNS {
        add("", run.to_owned());
    }
    let mut random = Random::new(0x9e37_79b9_7f4a_7c15);
    for _ in 0..pairs {
        add("", alternation(anchors, &mut random));
    }
    shapes
}

/// Each part repeated, and once in front of the next, so that what it begins is never ended.
pub fn of_parts(parts: &[String]) -> Vec<Shape> {
    let shape = |head: &str, part: &String| Shape {
        head: head.to_owned(),
        part: part.clone(),
    };
    let heads = [""].into_iter().chain(parts.iter().map(String::as_str));
    let pairs = heads.zip(parts).map(|(head, part)| shape(head, part));
    parts
        .iter()
        .map(|part| shape("", part))
        .chain(pairs)
        .collect()
}

/// Every so many anchors one becomes a string of JSON or a line of a stream.
const SAMPLE: usize = 40;

/// Elements of a list of JSON, and what begins and never ends.
pub fn structures(anchors: &[String]) -> Vec<String> {
    let fixed = [
        "[",
        "{\"a\":",
        "[],",
        "{},",
        "1,",
        "-1.5e3,",
        "1e99999999,",
        "\"\",",
        "\"a\",",
        "\"\\u0041\",",
        "\"\\\\\",",
        "\"\\n\",",
        "true,",
        "null,",
        "[1,2],",
        "{\"a\":1},",
        "{\"a\":\"b\"},",
        "{\"text\":\"a\"},",
        "{\"role\":\"user\",\"content\":\"a \"},",
        "{\"type\":\"text\",\"text\":\"a\"},",
        "{\"image_url\":{\"url\":\"data:image/png;base64,AAAA\"}},",
        "{\"file_id\":\"f\"},",
        "4111111111111111,",
        "[4111111111111111],",
        "{\"ssn\":219099999},",
        "{\"password\":\"a1B2c3D4e5\"},",
        " ",
        "\n",
        "\"",
        "\"\\",
        "{\"",
        "\\",
        "{\"arguments\":\"{\\\"a\\\":1}\"},",
        "219099999,",
        "\"219\",\"09\",\"9999\",",
    ];
    let strings = anchors.iter().step_by(SAMPLE);
    let strings = strings.map(|anchor| format!("\"{}\",", crate::escaped(anchor)));
    let names = anchors.iter().skip(7).step_by(SAMPLE);
    let names = names.map(|anchor| format!("{{\"{}\":\"a1B2c3D4\"}},", crate::escaped(anchor)));
    fixed
        .map(str::to_owned)
        .into_iter()
        .chain(strings)
        .chain(names)
        .collect()
}

/// Lines and events of a stream, whole and broken.
pub fn frames(anchors: &[String]) -> Vec<String> {
    let fixed = [
        "\n",
        "\r",
        "\r\n",
        ":\n",
        ": a\n",
        "data\n",
        "data:\n",
        "data: \n\n",
        "data: a\n",
        "data: {}\n\n",
        "data: {\n",
        "data: {\"a\":\ndata: 1}\n\n",
        "event: a\n",
        "id: 1\n",
        "id: 4111111111111111\n\n",
        "retry: 1\n",
        "a",
        "data: ",
        "data: {\"a\":\"",
        "\u{feff}",
        "data: [DONE]\n\n",
        "\n\n",
        "data: {\"choices\":[]}\n\n",
        "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}},{\"index\":1,\"delta\":{\"content\":\"b\"}}]}\n\n",
        "data: {\"type\":\"response.output_text.delta\",\"item_id\":\"i\",\"output_index\":0,\"content_index\":0,\"delta\":\"a\"}\n\n",
        "data: {\"error\":{\"message\":\"a\"}}\n\n",
        "data: {\"x\":\"4111 1111 \"}\n\n",
    ];
    let events = anchors.iter().step_by(SAMPLE);
    let events = events.map(|anchor| crate::frame(anchor));
    fixed.map(str::to_owned).into_iter().chain(events).collect()
}

/// Some anchors with separators and runs between them.
pub fn alternation(anchors: &[String], random: &mut Random) -> String {
    let mut part = String::new();
    for _ in 0..2 + random.below(2) {
        part.push_str(random.pick(anchors));
        part.push_str(
            SEPARATORS
                .get(random.below(SEPARATORS.len()))
                .unwrap_or(&""),
        );
        if random.below(3) == 0 {
            let run = RUNS.get(random.below(RUNS.len())).unwrap_or(&"");
            part.push_str(&run.repeat(1 + random.below(12)));
        }
    }
    part
}
