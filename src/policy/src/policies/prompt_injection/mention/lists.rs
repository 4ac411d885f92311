//! The words by which mentions are recognised, in lower case and without apostrophes.

/// "Never" in languages with spaces, and in those without.
#[rustfmt::skip]
pub(super) const NEVER: &[&str] = &[
    "niemals", "nie", "jamais", "nunca", "jamás", "mai", "nooit", "nigdy", "asla", "никогда", "ніколи", "कभी", "أبدا", "أبدًا", "هرگز", "giờ",
];

pub(super) const NEVER_TOGETHER: &[&str] = &[
    "绝不",
    "絕不",
    "切勿",
    "决不",
    "永远不",
    "永遠不",
    "決して",
    "절대",
];

/// What must not be forgotten is to be done.
#[rustfmt::skip]
pub(super) const FORGETTING: &[&str] = &[
    "vergiss", "vergesse", "vergessen", "oublie", "oubliez", "noublie", "noubliez", "oublier", "olvides", "olvide", "olvidar", "dimenticare", "dimenticate", "esqueça", "esquecer",
    "vergeet", "vergeten", "zapomnij", "zapominaj", "unutma", "забывай", "забывайте", "забудь", "забувай", "забудь", "भूलना", "भूलो", "تنس", "تنسى", "فراموش", "quên",
];

pub(super) const FORGETTING_TOGETHER: &[&str] = &["忘", "잊"];

/// Words that turn what follows into its opposite.
pub(super) const NEGATIONS: &[&str] = &[
    "never", "not", "dont", "cannot", "cant", "wont", "mustnt", "shouldnt", "doesnt", "without",
    "nobody", "instead",
];

/// Words that say no to requests.
pub(super) const REFUSALS: &[&str] = &[
    "refused",
    "declined",
    "rejected",
    "refuse",
    "refuses",
    "refusing",
    "decline",
    "declines",
    "declining",
    "reject",
    "rejects",
    "deny",
    "resist",
    "ignore",
    "disregard",
    "avoid",
    "prevent",
    "prevents",
    "block",
    "blocks",
    "forbid",
    "forbids",
    "dismiss",
    "rebuff",
];

/// What may stand between commas.
pub(super) const PARENTHESES: &[&str] = &[
    "circumstances",
    "circumstance",
    "ever",
    "never",
    "means",
    "condition",
    "asked",
    "case",
];

/// What a model that refuses is.
pub(super) const UNABLE: &[&str] = &["cannot", "cant", "wont", "unable", "impossible"];

/// What is said of many models is no order to one.
pub(super) const MANY: &[&str] = &[
    "models",
    "llms",
    "chatbots",
    "assistants",
    "often",
    "systems",
    "bots",
];

/// What a task of judging texts has.
pub(super) const JUDGING: &[&str] = &[
    "whether",
    "classify",
    "label",
    "judge",
    "determine",
    "decide",
    "detect",
    "flag",
];

/// What a model is told to do with a secret.
pub(super) const ORDERS: &[&str] = &[
    "print",
    "output",
    "reveal",
    "tell",
    "show",
    "say",
    "give",
    "act",
    "do",
    "repeat",
    "answer",
    "respond",
    "ignore",
    "disregard",
    "forget",
];

/// Words after which "to" leads to the opposite of a negation.
pub(super) const FAILING: &[&str] = &[
    "forget", "fail", "hesitate", "neglect", "refuse", "omit", "decline", "be", "afraid", "wait",
    "try", "need", "bother",
];

/// What may stand between a negation and what is negated.
#[rustfmt::skip]
pub(super) const BETWEEN: &[&str] = &["made", "text", "texts", "content", "paste", "send", "enter", 
    "ever", "under", "any", "all", "circumstances", "circumstance", "condition", "means", "by", "in", "way", "form", "or", "and", "nor", "to",
    "be", "allowed", "permitted", "supposed", "able", "agree", "comply", "with", "follow", "obey", "execute", "accept", "honor", "honour", "act", "on",
    "upon", "respond", "allow", "let", "permit", "give", "into", "a", "an", "the", "such", "other", "these", "those", "users", "user", "anyone", "anybody",
    "someone", "somebody", "them", "people", "customers", "customer", "requests", "request", "instructions", "instruction", "messages", "message",
    "commands", "command", "attempts", "attempt", "prompts", "orders", "demands", "questions", "efforts", "attacks", "tricks", "asking", "ask", "asks",
    "telling", "tell", "tells", "that", "which", "who", "you", "me", "us", "it", "this", "model", "assistant", "bot", "system", "ai", "from", "within",
    "contained", "embedded", "found", "hidden", "documents", "document", "tool", "results", "web", "pages", "emails", "email", "trick", "tricking",
    "make", "making", "get", "getting", "tries", "trying", "try", "want", "wants", "you", "your", "like", "convince", "persuade", "instruct",
    "instructs", "instructing", "for", "also", "directly", "even", "if", "asked", "when", "reveal", "share", "disclose", "show", "print", "output",
    "repeat", "discuss", "mention", "expose", "leak", "quote", "paraphrase", "summarize", "summarise", "translate", "change", "modify", "alter", "copy",
    "recite", "display", "describe", "explain", "confirm", "ignore", "disregard", "override", "bypass", "forget", "reproduce", "write", "out", "encode",
    "dump", "circumvent", "violate", "break", "rules", "prompt", "guidelines", "role", "adopt",
];

/// What is asked of somebody.
pub(super) const REQUESTS: &[&str] = &[
    "request",
    "requests",
    "instruction",
    "instructions",
    "message",
    "messages",
    "attempt",
    "attempts",
    "command",
    "commands",
    "prompts",
    "orders",
    "demands",
    "anyone",
    "users",
    "user",
    "efforts",
    "tricks",
    "questions",
    "attacks",
    "asking",
    "asks",
    "tries",
];

pub(super) const CONDITIONS: &[&str] = &[
    "if", "when", "whenever", "should", "case", "where", "once", "unless",
];

/// Who is no operator.
#[rustfmt::skip]
pub(super) const OTHERS: &[&str] = &[
    "user", "users", "someone", "somebody", "anyone", "anybody", "customer", "customers", "they", "caller", "callers", "person", "people", "visitor",
    "visitors", "client", "clients", "message", "messages", "document", "documents", "text", "email", "emails", "content", "page", "website", "tool",
    "result", "results", "attacker", "attackers", "student", "students", "guest", "guests", "patient", "patients", "he", "she", "it", "input", "request",
    "requests", "file", "files", "comment", "comments", "player", "players", "shopper", "reader", "candidate", "employee", "member", "subscriber",
    "review", "ticket", "output", "webpage", "attachment", "feedback", "members", "participants", "pupil", "pupils", "posts", "answers", "instruction", "instructions", "prompt", "child", "children", "buyer", "tenant",
];

/// What is done to bring an attack about.
#[rustfmt::skip]
pub(super) const ASKING: &[&str] = &[
    "asks", "ask", "asked", "asking", "tells", "tell", "told", "requests", "request", "requested", "instructs", "instruct", "instructed", "tries", "try", "trying",
    "attempts", "attempt", "attempting", "demands", "demand", "wants", "want", "claims", "claim", "says", "say", "orders", "commands", "urges", "begs",
    "contains", "contain", "containing", "includes", "include", "insists", "writes", "pretends", "seems", "directs", "telling", "appears", "pushes", "pressures", "types",
];

/// What an operator bids besides refusing.
#[rustfmt::skip]
pub(super) const DEFENCES: &[&str] = &[
    "politely", "unable", "impossible", "redirect", "escalate", "flag", "report", "apologize", "apologise", "continue", "stay", "remain", "keep", "warn",
    "alert", "untrusted", "hand", "steer", "change", "end", "stop", "suspicious", "attack", "injection", "data", "only", "log", "unchanged", "unaffected", "transfer",
    "treat", "skip", "mark", "kindly",
];

/// What bids the model to do what is asked.
#[rustfmt::skip]
pub(super) const COMPLYING: &[&str] = &[
    "comply", "complies", "complying", "obey", "obeying", "agree", "accept", "immediately", "grant", "fulfil", "fulfill", "carry", "proceed", "yes", "sure",
    "happily", "gladly", "execute", "perform", "cooperate", "allow", "grants", "ok", "okay", "kidding", "joking", "react",
];

/// Verbs of passing over.
pub(super) const PASSING_OVER: &[&str] = &[
    "ignore",
    "disregard",
    "neglect",
    "discard",
    "skip",
    "bypass",
    "forget",
    "override",
];

/// How instructions stand in a text.
pub(super) const STANDING: &[&str] = &[
    "in",
    "inside",
    "within",
    "from",
    "that",
    "contained",
    "found",
    "embedded",
    "hidden",
    "written",
    "which",
    "appearing",
    "given",
];

#[rustfmt::skip]
pub(super) const FOREIGN_TEXT: &[&str] = &[
    "document", "documents", "text", "page", "pages", "email", "emails", "tool", "tools", "result", "results", "content", "contents", "data", "file", "files",
    "retrieved", "article", "articles", "input", "web", "website", "websites", "transcript", "ticket", "tickets", "comments", "attachment", "attachments", "review",
    "reviews", "quoted", "source", "sources", "search", "images", "image", "code", "context",
];

/// Whose instructions an attack is about.
pub(super) const OWN_TEXT: &[&str] = &[
    "system",
    "developer",
    "previous",
    "prior",
    "above",
    "earlier",
    "preceding",
    "your",
    "before",
    "original",
    "initial",
    "first",
    "safety",
    "its",
    "and",
    "then",
    "now",
];

/// What leads to what somebody else says.
#[rustfmt::skip]
pub(super) const FRAMES: &[&str] = &["made", "got", 
    "asking", "ask", "asks", "asked", "tell", "tells", "telling", "told", "instruct", "instructs", "instructing", "instructed", "convince", "convinces",
    "convincing", "trick", "tricks", "tricked", "tricking", "make", "makes", "making", "get", "gets", "getting", "cause", "causes", "causing", "force", "forces",
    "persuade", "persuades", "try", "tries", "trying", "tried", "attempt", "attempts", "attempting", "how", "say", "says", "saying", "order", "orders",
    "designed", "intended", "request", "requests", "command", "commands", "lead", "leads", "like", "as", "containing", "contains", "want", "wants", "aims",
    "means", "called", "whether", "meant", "manipulate", "manipulates", "manipulating", "could", "might", "may", "can", "would", "by",
];

/// Whom it is told to.
pub(super) const TOLD: &[&str] = &[
    "the",
    "a",
    "an",
    "my",
    "our",
    "your",
    "their",
    "its",
    "model",
    "models",
    "llm",
    "llms",
    "assistant",
    "assistants",
    "bot",
    "bots",
    "chatbot",
    "agent",
    "agents",
    "ai",
    "system",
    "it",
    "them",
    "gpt",
    "you",
    "to",
    "into",
    "that",
    "victim",
    "language",
    "one",
    "him",
    "chat",
    "simply",
    "is",
    "phrases",
    "please",
];

/// What a text about attacks has.
#[rustfmt::skip]
pub(super) const ATTACKS: &[&str] = &[
    "attack", "attacks", "attacker", "attackers", "adversary", "adversaries", "adversarial", "injection", "injections", "injected", "injecting", "jailbreak", "jailbreaks",
    "jailbreaking", "malicious", "payload", "payloads", "phishing", "exploit", "exploits", "vulnerability", "vulnerabilities", "owasp", "hacker", "hackers", "redteam",
    "guardrail", "guardrails", "blocklist", "denylist", "regex", "assert", "assertblocked", "threat", "threats", "suspicious", "sanitize", "sanitise", "mitigation",
    "defense", "defence", "manipulation", "scanner", "detector", "classifier", "untrusted",
];

/// What a text about sentences has.
#[rustfmt::skip]
pub(super) const DISCUSSING: &[&str] = &["what", "memes", "posts", "media", "people", "seeing", "commit", "dangerous", "message", "students", "student", 
    "phrase", "phrases", "string", "strings", "pattern", "patterns", "example", "examples", "such", "detect", "detects", "detecting", "detected", "detection",
    "filter", "filters", "block", "blocks", "blocked", "test", "tests", "expect", "expected", "logs", "flagged", "flag", "flags", "mean", "means", "meaning", "called",
    "sentence", "sentences", "why", "works", "work", "security", "guard", "attempts", "attempt", "words", "hidden", "research", "paper", "article", "blog",
    "explain", "classify", "label", "whether", "tried", "tries", "contains", "containing", "contain", "user", "users", "somebody", "someone", "screenshot", "meme", "history",
    "defend", "protect", "prevent", "stop", "messages", "trick", "prompt", "prompts", "models", "chatbots", "llms", "safe", "talk", "slide", "lecture", "lesson",
    "headline", "joke", "shirt", "wrote", "written", "refuse", "decline", "quote", "quoted", "fails", "rule", "dataset",
];

/// What a question about defence has.
#[rustfmt::skip]
pub(super) const DEFENDING: &[&str] = &[
    "how", "why", "what", "prevent", "prevents", "preventing", "stop", "stops", "stopping", "detect", "detects", "detecting", "protect", "protects", "protecting", "defend",
    "defends", "defending", "classify", "whether", "flag", "flags", "block", "blocks", "guard", "filter", "filters", "refuse", "refuses", "decline", "resist", "trains", "recognise",
    "recognize", "identify",
];

/// What says that a quotation comes: examples of it, and that somebody says it.
#[rustfmt::skip]
pub(super) const SPEAKING: &[&str] = &[
    "such", "like", "instance", "example", "eg", "says", "say", "said", "saying", "reads", "write", "writes", "wrote", "talks", "talk", "contain", "contains", "containing",
    "include", "includes", "including", "with", "add", "adds", "claim", "claims", "speaking", "speaks", "asking", "telling", "addressed", "joke", "jokes",
];

/// With what a sentence begins that wants something done with a quotation.
#[rustfmt::skip]
pub(super) const BIDDEN: &[&str] = &[
    "print", "output", "reveal", "tell", "show", "say", "give", "act", "do", "repeat", "answer", "respond", "reply", "please", "execute", "run", "write", "now", "then",
    "complete", "continue", "follow", "obey", "imagine", "pretend", "start", "begin",
];

/// Who writes and who reads, and those of whom it is not said who they are.
#[rustfmt::skip]
pub(super) const SELVES: &[&str] = &[
    "i", "im", "id", "ill", "me", "my", "mine", "we", "us", "our", "you", "your", "youre", "youll", "it", "its", "he", "his", "she", "her", "they", "their", "must", "will", "shall",
    "should",
];

/// Those of the others of whom it is not said who they are.
#[rustfmt::skip]
pub(super) const UNNAMED: &[&str] = &["it", "he", "she", "they", "instruction", "instructions", "prompt", "content", "request", "requests"];
