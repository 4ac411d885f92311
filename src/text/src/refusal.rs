//! Whether a sentence of an answer refuses: "I can't help with instructions on how to make a bomb" names the harm and does none.
//!
//! A refusal is recognised by what must be there, in this order: words that open one, a negation whose subject is the speaker, a verb of
//! helping or telling, and then nothing that turns it round. "I can't help but tell you", "I can't believe how easy it is to",
//! "I won't refuse to" and "I can't help you: first, …" are none. Only what stands before a place is read, so the answer is the same
//! however a stream is cut.
//!
//! *Cost.* At most [`LOOK_BACK`] bytes for a place, one pass over a sentence, nothing allocated.

/// Bytes that are looked at before a place. A sentence that is longer is no refusal.
pub const LOOK_BACK: usize = 256;
/// Words that may stand between the refusal and what it names.
const WITHIN: usize = 32;
/// Longer words are in no list.
const LONGEST: usize = 16;

/// Whether the sentence of `text` that goes on at `at` has refused, or warned of, what stands there.
pub fn is_refused(text: &str, at: usize) -> bool {
    let from = text.floor_char_boundary(at.saturating_sub(LOOK_BACK));
    let Some(before) = text.get(from..at) else {
        return false;
    };
    let start = match sentence_start(before) {
        Some(start) => start,
        None if from == 0 => 0,
        None => return false,
    };
    let state = read(before.get(start..).unwrap_or_default()).state;
    matches!(
        state,
        State::Negated | State::Helping | State::Refusing | State::Forbidding | State::Apologising
    )
}

/// Whether a whole sentence refuses and does nothing else.
pub fn is_refusal(sentence: &str) -> bool {
    let read = read(sentence);
    read.state == State::Refusing && !read.warns && !read.tells
}

/// Whether a sentence takes back a refusal before it.
pub fn takes_back(sentence: &str) -> bool {
    let mut before = Word::default();
    for (place, word) in words(sentence).take(WITHIN).enumerate() {
        let announces = word.is_in(&["how", "are", "is", "what", "the", "a"])
            && before.is_in(&["here", "heres"])
            || word.is_in(&["heres", "kidding", "joking", "anyway"])
            || before.is_in(&["this"]) && word.is_in(&["once"]);
        if announces || place == 0 && word.is_in(BEGINS) {
            return true;
        }
        before = word;
    }
    false
}

/// Behind the last end of a sentence.
fn sentence_start(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let ends = |at: usize| match bytes.get(at) {
        Some(b'\n') => true,
        Some(b'.' | b'!' | b'?') => !bytes.get(at + 1).is_some_and(u8::is_ascii_alphanumeric),
        _ => false,
    };
    (0..bytes.len()).rev().find(|at| ends(*at)).map(|at| at + 1)
}

/// How far a sentence has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// "I'm sorry, but as an assistant I".
    Opening,
    /// "I understand that you are curious", which says nothing.
    Preamble,
    /// "… cannot".
    Negated,
    /// "… help", of which nothing is known until the next word.
    Helping,
    /// "… give you instructions".
    Refusing,
    /// "It is illegal and dangerous".
    Warning,
    /// "It is against my guidelines".
    Against,
    /// "You should never".
    Forbidding,
    /// "I'm sorry, but instructions on".
    Apologising,
    /// No refusal.
    Other,
}

#[derive(Debug)]
struct Reading {
    state: State,
    before: Word,
    is_sorry: bool,
    /// Whether it says that something is wrong, rather than that it is refused.
    warns: bool,
    /// Whether it has words with which something is told.
    tells: bool,
    since: usize,
}

/// Reads a sentence, or what there is of it.
fn read(sentence: &str) -> Reading {
    let mut reading = Reading {
        state: State::Opening,
        before: Word::default(),
        is_sorry: false,
        warns: false,
        tells: false,
        since: 0,
    };
    for word in words(sentence) {
        reading.state = reading.next(word);
        if reading.state == State::Other {
            break;
        }
        reading.before = word;
    }
    if reading.before.mark == Mark::Turn && reading.state != State::Opening {
        reading.state = State::Other;
    }
    reading
}

impl Reading {
    fn next(&mut self, word: Word) -> State {
        if !matches!(self.state, State::Opening | State::Preamble)
            && matches!(self.before.mark, Mark::Turn | Mark::Stop)
        {
            return State::Other;
        }
        match self.state {
            State::Opening => self.opens(word),
            State::Preamble if word.is_in(SUBJECTS) && self.before.is_in(CONTRASTS) => {
                State::Opening
            }
            State::Preamble => State::Preamble,
            State::Negated if word.is_in(&["help"]) => State::Helping,
            State::Negated if word.is_in(VERBS) => State::Refusing,
            State::Negated if word.is_in(FILLERS) => State::Negated,
            State::Helping if word.is_gerund() || word.is_in(&["but", "myself", "it"]) => {
                State::Other
            }
            State::Helping | State::Refusing => self.goes_on(word),
            State::Warning if word.is_in(&["to"]) => State::Refusing,
            State::Warning if word.is_in(WRONG) || word.is_in(WRONGLY) => State::Warning,
            State::Against if word.is_in(&["to"]) => State::Refusing,
            State::Against if word.is_in(RULES) => State::Against,
            State::Forbidding if word.is_in(TRYING) => State::Forbidding,
            State::Apologising if word.is_in(MATTERS) || word.is_in(LINKS) => State::Apologising,
            _ => State::Other,
        }
    }

    /// The next word of the opening.
    fn opens(&mut self, word: Word) -> State {
        let is_first = self.before.len == 0;
        let by_speaker = is_first || self.before.is_in(SPEAKER);
        self.is_sorry |= word.is_in(SORRY);
        if is_first && word.is_in(&["never", "dont"]) {
            State::Forbidding
        } else if word.is_in(NEGATIONS) && by_speaker {
            State::Negated
        } else if word.is_in(REFUSALS) && by_speaker || word.is_in(PREVENTS) {
            State::Refusing
        } else if word.is_in(&["never", "dont", "not", "avoid"]) {
            State::Forbidding
        } else if word.is_in(WRONG) {
            self.warns = true;
            State::Warning
        } else if word.is_in(&["against", "violates", "violate"]) {
            self.warns = true;
            State::Against
        } else if word.is_in(OPENERS) || word.is_in(SPEAKER) || word.is_in(RULES) {
            State::Opening
        } else if self.is_sorry && word.is_in(MATTERS) {
            State::Apologising
        } else {
            State::Preamble
        }
    }

    /// The next word behind a refusal.
    fn goes_on(&mut self, word: Word) -> State {
        self.since += 1;
        let is_list = word.is_in(MATTERS) || word.is_in(VERBS) || word.is_in(JOINS);
        let breaks = self.before.mark == Mark::Comma && !is_list;
        self.tells |= word.is_in(TELLING) || word.has_digit();
        if word.is_in(CONTRASTS) && (breaks || word.is_in(TURNS)) {
            State::Preamble
        } else if breaks || self.since > WITHIN || word.is_in(TURNS) {
            State::Other
        } else {
            State::Refusing
        }
    }
}

/// What stands behind a word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Mark {
    #[default]
    None,
    Comma,
    /// A colon, semicolon or dash.
    Turn,
    Stop,
}

/// A word in lower case without its apostrophes.
#[derive(Debug, Clone, Copy, Default)]
struct Word {
    letters: [u8; LONGEST],
    len: usize,
    mark: Mark,
}

impl Word {
    fn text(&self) -> &[u8] {
        self.letters.get(..self.len).unwrap_or_default()
    }

    fn is_in(&self, list: &[&str]) -> bool {
        list.iter().any(|word| word.as_bytes() == self.text())
    }

    fn is_gerund(&self) -> bool {
        self.text().ends_with(b"ing")
    }

    fn has_digit(&self) -> bool {
        self.text().iter().any(u8::is_ascii_digit)
    }

    /// Longer words are no word that a list has.
    fn push(&mut self, c: char) {
        let letter = u8::try_from(c).map_or(b'?', |byte| byte.to_ascii_lowercase());
        if let Some(place) = self.letters.get_mut(self.len) {
            *place = letter;
            self.len += 1;
        }
    }

    /// Notes what stands behind it: the strongest counts.
    fn note(&mut self, c: char) {
        let mark = match c {
            ':' | ';' | '—' | '–' | '→' | '=' | '(' | '[' => Mark::Turn,
            '.' | '!' | '?' | '…' | '\n' => Mark::Stop,
            ',' => Mark::Comma,
            _ => return,
        };
        if self.mark != Mark::Turn {
            self.mark = mark;
        }
    }
}

/// The words of `text`, one after the other.
fn words(text: &str) -> impl Iterator<Item = Word> + '_ {
    let mut chars = text.chars().peekable();
    std::iter::from_fn(move || {
        let is_letter = |c: char| c.is_alphanumeric() || matches!(c, '\'' | '’');
        while chars.next_if(|c| !is_letter(*c)).is_some() {}
        let mut word = Word::default();
        while let Some(c) = chars.next_if(|c| is_letter(*c)) {
            if c.is_alphanumeric() {
                word.push(c);
            }
        }
        let mut last = ' ';
        while let Some(c) = chars.next_if(|c| !is_letter(*c)) {
            // A hyphen between spaces is a dash.
            word.note(
                if c == '-' && last.is_whitespace() && word.len > 0 && chars.peek() == Some(&' ') {
                    '–'
                } else {
                    c
                },
            );
            last = c;
        }
        (word.len > 0).then_some(word)
    })
}

/// What may stand before the negation.
#[rustfmt::skip]
const OPENERS: &[&str] = &[
    "sorry", "apologies", "apologize", "apologise", "unfortunately", "however", "but", "as", "an", "a", "ai", "language", "model", "assistant", "chatbot",
    "this", "that", "request", "is", "its", "it", "the", "because", "since", "so", "and", "therefore", "thus", "of", "course", "afraid", "regret", "my",
    "thank", "thanks", "you", "for", "asking", "understanding", "understand", "your", "question", "curiosity", "frustration", "no", "please", "should",
    "must", "would", "be", "know", "note", "responsible", "hey", "hi", "hello", "oh", "appreciate", "concern", "reaching", "out",
    "feel", "angry", "upset", "hear", "also", "very", "both", "often", "in", "always", "considered", "remember", "people", "one",
    "anyone", "everyone", "by", "company", "clear", "reasons", "legal", "safety", "even",
];

/// Who negates: the word before the negation.
#[rustfmt::skip]
const SPEAKER: &[&str] = &[
    "i", "im", "we", "were", "id", "ill", "am", "are", "will", "do", "must", "have", "to", "respectfully", "therefore", "simply", "really", "would",
    "assistant", "model", "ai", "absolutely", "firmly", "strictly", "sorry", "politely", "could",
];

/// Who may refuse behind a preamble, and what leads there.
const SUBJECTS: &[&str] = &["i", "we", "im"];
const CONTRASTS: &[&str] = &["but", "however", "so", "and", "therefore"];

const SORRY: &[&str] = &[
    "sorry",
    "apologies",
    "apologize",
    "apologise",
    "unfortunately",
    "afraid",
    "regret",
];

const NEGATIONS: &[&str] = &[
    "cant", "cannot", "wont", "unable", "not", "never", "dont", "wouldnt", "couldnt", "arent",
];

const REFUSALS: &[&str] = &["refuse", "decline"];

const PREVENTS: &[&str] = &[
    "prohibit",
    "prohibits",
    "prohibited",
    "forbid",
    "forbids",
    "prevent",
    "prevents",
    "prohibiting",
    "preventing",
];

/// What may stand between the negation and its verb.
#[rustfmt::skip]
const FILLERS: &[&str] = &[
    "be", "able", "to", "going", "allowed", "permitted", "comfortable", "in", "a", "position", "willing", "ever", "ethically", "legally", "morally",
    "good", "conscience", "under", "any", "circumstances", "knowingly", "directly", "possibly", "here", "programmed", "designed", "supposed", "and", "or",
    "will", "wont", "cant", "cannot", "not", "legitimately", "responsibly", "with", "also", "me",
];

/// What is refused. "Help" is read by itself.
#[rustfmt::skip]
const VERBS: &[&str] = &[
    "help", "assist", "assisting", "helping", "provide", "providing", "give", "giving", "share", "sharing", "support", "supporting", "offer", "offering", "tell", "explain", "explaining",
    "describe", "describing", "write", "writing", "create", "creating", "generate", "generating", "produce", "producing", "discuss", "discussing", "teach",
    "teaching", "show", "guide", "walk", "instruct", "advise", "answer", "answering", "fulfill", "fulfil", "comply", "engage", "participate", "facilitate",
    "encourage", "promote", "condone", "endorse", "recommend", "supply", "suggest", "develop", "outline", "detail", "list", "talk", "respond", "aid",
    "enable", "complete", "process", "advocate", "assistance", "go", "say", "draft", "roleplay", "contribute", "entertain", "cover",
];

/// What is told, and not.
#[rustfmt::skip]
const MATTERS: &[&str] = &[
    "instructions", "instruction", "information", "info", "guidance", "advice", "details", "detail", "steps", "directions", "tips", "requests", "request",
    "questions", "content", "material", "help", "helping", "assisting", "assistance", "providing", "explaining", "discussing", "sharing", "giving", "offering",
    "describing", "writing", "creating", "generating", "support", "anything", "recipes", "recipe", "tutorials", "tutorial", "guides", "plans", "code",
    "resources", "encouragement", "stories", "jokes", "methods", "ways", "answers", "materials", "teaching", "showing", "telling",
];

/// What joins matters to a deed.
#[rustfmt::skip]
const LINKS: &[&str] = &[
    "on", "about", "for", "to", "how", "with", "that", "the", "any", "regarding", "of", "you", "someone", "anyone", "people", "or", "and", "a", "an", "in",
    "detailed", "specific", "like", "such", "as", "related", "relating", "concerning", "could", "would", "be", "used", "i",
];

/// What may follow a comma in a refusal.
#[rustfmt::skip]
const JOINS: &[&str] = &[
    "or", "nor", "including", "such", "like", "as", "especially", "whether", "regardless", "no", "even", "because", "since", "which", "please", "any",
    "for",
];

/// Words that turn a refusal round.
#[rustfmt::skip]
const TURNS: &[&str] = &[
    "but", "however", "here", "heres", "first", "firstly", "then", "easy", "easily", "easier", "simple", "simpler", "fun", "much", "happy", "excited", "thrilled", "glad", "enough", "believe",
    "only", "just", "merely", "simply", "unless", "although", "though", "yet", "anyway", "except", "kidding", "joking", "better", "than", "less", "wait",
    "until", "still", "so", "secretly", "actually", "sure", "okay", "ok", "refuse", "refusing", "resist", "stop", "hold", "without", "instead", "wonderful",
    "great", "exciting", "delightful", "great", "satisfying", "warning", "warnings", "twice", "excuses", "anymore", "more", "resist", "quickly", "openly", "otherwise", "cheap", "trivial", "straightforward", "before", "after", "while",
];

/// Words with which a sentence tells something beside refusing.
#[rustfmt::skip]
const TELLING: &[&str] = &[
    "by", "using", "mix", "mixing", "add", "adding", "pour", "next", "finally", "step", "combine", "combining", "attach", "heat", "fill", "filling", "pack",
    "packing", "wire", "wiring", "drill", "drilling", "seal", "detonate", "detonator", "should", "must",
];

const WRONG: &[&str] = &[
    "illegal",
    "unethical",
    "dangerous",
    "immoral",
    "unlawful",
    "crime",
    "criminal",
    "wrong",
    "irresponsible",
    "harmful",
    "unsafe",
    "unacceptable",
    "inappropriate",
    "offense",
    "felony",
];

const WRONGLY: &[&str] = &[
    "and",
    "or",
    "also",
    "highly",
    "extremely",
    "very",
    "in",
    "most",
    "places",
    "countries",
    "for",
    "me",
    "us",
    "a",
    "serious",
    "morally",
    "anyone",
    "federal",
    "everywhere",
    "both",
    "many",
];

const RULES: &[&str] = &[
    "my",
    "the",
    "our",
    "guidelines",
    "policy",
    "policies",
    "programming",
    "principles",
    "values",
    "rules",
    "law",
    "ethical",
    "safety",
    "content",
    "terms",
    "of",
    "service",
    "use",
    "usage",
    "and",
    "code",
    "ethics",
    "me",
    "from",
    "training",
];

/// What may stand between "never" and a deed.
const TRYING: &[&str] = &[
    "ever",
    "try",
    "to",
    "attempt",
    "even",
    "think",
    "about",
    "under",
    "any",
    "circumstances",
    "and",
    "or",
    "please",
    "be",
    "used",
    "want",
    "again",
];

/// How a sentence begins that tells how something is done.
const BEGINS: &[&str] = &[
    "first", "step", "mix", "take", "start", "begin", "1", "firstly", "gather", "get", "then",
    "next",
];
