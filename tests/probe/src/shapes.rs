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
