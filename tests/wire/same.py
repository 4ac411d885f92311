"""Whether what a client reads through the gateway is what it reads from the provider.

Event by event, what is no text must be equal, at its place. Text may leave later than it came, since the word being
spoken waits for its end, and in a chunk of its own where no event of its channel follows; never earlier, and all of it
before something follows that a client takes for the end of it: the next call, part or channel, or `finish_reason`.

`hidden` is the one thing that is taken away: what tokens say in clear when the text is redacted.
"""

import copy
import json

from shape import VALUES

#: Members that clients join over the chunks of a chat or text completion.
TEXT = {"content", "text", "reasoning", "reasoning_content", "thinking", "refusal", "arguments", "transcript", "summary", "partial_json", "input"}
TOKEN_DATA = {"logprobs", "prompt_logprobs", "top_logprobs", "token_id", "token_ids", "prompt_token_ids"}


def hidden(value):
    """What the gateway leaves of token data."""
    if isinstance(value, list):
        return [hidden(item) for item in value]
    if not isinstance(value, dict):
        return value
    emptied = lambda item: [] if isinstance(item, list) else item if isinstance(item, bool) else None
    return {name: emptied(item) if name in TOKEN_DATA else hidden(item) for name, item in value.items()}


def redacted(value):
    """The same with markers in the place of planted values."""
    if isinstance(value, list):
        return [redacted(item) for item in value]
    if isinstance(value, dict):
        return {redacted(name): redacted(item) for name, item in value.items()}
    if isinstance(value, str):
        for _, planted, marker in VALUES.values():
            value = value.replace(planted, marker)
    return value


def holds_value(value):
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return any(planted in text for _, planted, _ in VALUES.values())


class Splitter:
    """Takes the text out of events and says to which channel it belongs."""

    def __init__(self):
        self.calls = {}

    def split(self, event):
        """The event without its text, and `(channel, text)` of what it held."""
        event, pieces = copy.deepcopy(event), []
        if not isinstance(event, dict):
            return event, pieces
        kind = event.get("type")
        if isinstance(kind, str) and kind.endswith(".delta") and isinstance(event.get("delta"), str) and "audio.delta" not in kind:
            place = [event.get(name) for name in ("item_id", "output_index", "content_index", "summary_index")]
            pieces.append((("response", kind, *place), event["delta"]))
            event["delta"] = ""
        for position, choice in enumerate(event.get("choices") or []):
            if isinstance(choice, dict):
                index = choice.get("index", position)
                for member in ("delta", "text"):
                    if member in choice:
                        choice[member] = self.take(choice[member], (index, member), pieces)
        return event, pieces

    def take(self, value, path, pieces):
        if isinstance(value, str) and path[-1] in TEXT:
            # Text as a part of a list goes on with text as a string.
            pieces.append((path[:-1] if path[-2:] == ("content", "text") else path, value))
            return ""
        if isinstance(value, list):
            return [self.take(item, (*path, *self.element(path, item, at)), pieces) for at, item in enumerate(value)]
        if isinstance(value, dict):
            return {name: self.take(item, (*path, name), pieces) for name, item in value.items()}
        return value

    def element(self, path, item, position):
        if not isinstance(item, dict):
            return (path[-1],)
        if path[-1] != "tool_calls":
            return (item["index"],) if "index" in item else ()
        # A new id is a new call, whatever `index` says.
        place = (*path[:-1], item.get("index", position))
        known = self.calls.get(place)
        if known is None or item.get("id") and item["id"] != known[0]:
            known = (item.get("id"), len(self.calls) if known is None else known[1] + 1)
            self.calls[place] = known
        return (place[-1], known[1])


def is_text_only(event):
    """Whether an event carries text and nothing else: a chunk that the gateway writes for what waited."""
    choices = event.get("choices") or []
    is_own = all(not choice.get("finish_reason") and "role" not in (choice.get("delta") or {}) for choice in choices)
    return is_own and not event.get("usage")


def ends(event):
    """What a client takes for the end of text: choices that finish, and items that are done."""
    if not isinstance(event, dict):
        return ["everything"]
    kind = event.get("type")
    if isinstance(kind, str) and kind.endswith(".done"):
        return [("item", kind.removesuffix(".done") + ".delta", event.get("item_id"))]
    return [("choice", choice.get("index", 0)) for choice in event.get("choices") or [] if isinstance(choice, dict) and choice.get("finish_reason")]


def is_within(channel, end):
    if end == "everything":
        return True
    if end[0] == "item":
        return channel[0] == "response" and channel[1] == end[1] and channel[2] in (end[2], None)
    return channel[0] == end[1]


class Direct:
    """The reading of the provider, with what must have left by each event."""

    def __init__(self, events, is_planted):
        splitter = Splitter()
        self.events = [splitter.split(event) for event in events]
        self.mask = redacted if is_planted else (lambda text: text)
        first, last = {}, {}
        for at, (_, pieces) in enumerate(self.events):
            for channel, text in pieces:
                if text:
                    first.setdefault(channel, at)
                    last[channel] = at
        self.due = {}
        for at, (event, _) in enumerate(self.events):
            begun = {channel[:1] for channel, start in first.items() if start == at}
            for channel, final in last.items():
                closed = any(is_within(channel, end) for end in ends(event)) and final <= at
                followed = channel[:1] in begun and final < at
                if closed or followed:
                    self.due.setdefault(at, []).append(channel)
        self.first, self.last = first, last

    def text(self, channel, until=None):
        until = len(self.events) if until is None else until
        joined = "".join(text for _, pieces in self.events[:until] for name, text in pieces if name == channel)
        return self.mask(with_whole_characters(joined))


def with_whole_characters(text):
    """The halves of characters, which JSON may spell one by one, joined."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def compare_events(direct_events, events, is_planted):
    """What is wrong with the events that came through, as sentences."""
    direct, splitter = Direct(direct_events, is_planted), Splitter()
    seen, at = {}, 0
    for number, event in enumerate(events):
        bare, pieces = splitter.split(event)
        matches = at < len(direct.events) and redacted(hidden(direct.events[at][0])) == bare
        if not matches and not (any(text for _, text in pieces) and is_text_only(bare)):
            expected = redacted(hidden(direct.events[at][0])) if at < len(direct.events) else "the end"
            return [f"event {number}: {bare!r}\n  instead of {expected!r}"]
        before = dict(seen)
        for channel, text in pieces:
            seen[channel] = seen.get(channel, "") + text
        if matches:
            at += 1
            problems = late(direct, at - 1, before, seen) + early(direct, at, seen, is_planted)
            if problems:
                return [f"event {number}: {problem}" for problem in problems]
    if at < len(direct.events):
        return [f"missing: {direct.events[at][0]!r}"]
    return [
        f"{channel}: {seen.get(channel, '')!r}\n  instead of {direct.text(channel)!r}"
        for channel in direct.last.keys() | {name for name, text in seen.items() if text}
        if seen.get(channel, "") != direct.text(channel)
    ]


def late(direct, at, before, seen):
    """Text that should have left: before an event that begins something else, within one that ends it."""
    for channel in direct.due.get(at, []):
        begins_another = not any(is_within(channel, end) for end in ends(direct.events[at][0]))
        left = (before if begins_another else seen).get(channel, "")
        if left != direct.text(channel):
            yield_ = direct.text(channel)[len(left) :]
            return [f"{yield_!r} of {channel} has not left by now"]
    return []


def early(direct, at, seen, is_planted):
    if is_planted:
        return []
    return [
        f"{text!r} of {channel} is more than the provider said by now"
        for channel, text in seen.items()
        if not direct.text(channel, at).startswith(text)
    ]


def compare(direct, through, then, is_planted, cannot_read):
    """What is wrong with a reading through the gateway, beside the direct one. A client that cannot read the answer
    at all must learn nothing from it, and that is all."""
    if cannot_read:
        return leaks(through, is_planted)
    if then[0] != "same":
        return compare_stopped(direct, through, then, is_planted)
    if direct["error"] != through["error"] and redacted(direct["error"]) != through["error"]:
        return [f"error {through['error']!r}\n  instead of {direct['error']!r}"]
    problems = compare_events(direct["events"], through["events"], is_planted)
    mask = redacted if is_planted else (lambda value: value)
    expected = mask(hidden(direct["final"]))
    if not problems and through["final"] != expected:
        problems = [f"{through['final']!r}\n  instead of {expected!r}"]
    return problems + leaks(through, is_planted)


def compare_stopped(direct, through, then, is_planted):
    """`refused STATUS CODE`: an error instead of an answer. `cut CODE`: an error after the beginning of one."""
    code = then[-1]
    text = json.dumps({name: through[name] for name in ("events", "final", "error")}, default=str)
    problems = [] if code in text else [f"no {code} in {text}"]
    if then[0] == "refused" and through["error"] is not None and through["error"].get("status") not in (int(then[1]), None):
        problems.append(f"status {through['error']['status']} instead of {then[1]}")
    return problems + leaks(through, is_planted)


def leaks(through, is_planted):
    if not is_planted:
        return []
    read = {name: through[name] for name in ("events", "final", "error")}
    splitter, joined = Splitter(), {}
    for event in through["events"]:
        for channel, text in splitter.split(event)[1]:
            joined[channel] = joined.get(channel, "") + text
    if holds_value(read) or holds_value("\0".join(joined.values())) or holds_value(through.get("bytes", b"").decode(errors="replace")):
        return ["a planted value reached the client"]
    return []
