"""Recorded answers of real servers, one file each.

`shapes/<server>/<name>.wire` is a header of `name: value` lines, a line `---`, and the body exactly as it is on the
wire: carriage returns, comments and all. The header says

    source        the project and file, or the page, from which the shape was written; several lines may say so
    endpoint      chat, completions, responses or embeddings
    mode          stream or whole: what the client asks for
    status        of the answer; 200 if absent
    content-type  of the answer
    shows         what is in it, in the words of docs/wire.md: text, usage, tools, parallel, reasoning, …
    then          what the client gets through the gateway: `same` (if absent), or `refused STATUS CODE`, or `cut CODE`
    note          why `then` is not `same`
    not-read-by   clients that make something else of it, with the gateway or without

A body may hold `@{email}` or `@{card}`: a word in the clean run, a value that must not get through in the planted one.
`@{email.1/3}` is the first third of it, for values that are split over chunks.
"""

import dataclasses
import pathlib
import re

FOLDER = pathlib.Path(__file__).parent / "shapes"
#: What stands in for a placeholder: clean, planted, and the marker that the gateway writes for it.
VALUES = {
    "email": ("somebody at work", "jane.doe@example.com", "[EMAIL_REDACTED]"),
    "card": ("the usual one of ours", "4111 1111 1111 1111", "[CREDIT_CARD_REDACTED]"),
}
PLACEHOLDER = re.compile(rb"@\{(\w+)(?:\.(\d)/(\d))?\}")


@dataclasses.dataclass(frozen=True)
class Shape:
    name: str
    endpoint: str
    mode: str
    status: int
    content_type: str
    sources: tuple
    shows: tuple
    then: tuple
    note: str
    not_read_by: tuple
    template: bytes

    @property
    def server(self):
        return self.name.partition("/")[0]

    def has_values(self):
        return PLACEHOLDER.search(self.template) is not None

    def body(self, variant):
        """The bytes of the clean or the planted answer."""

        def fill(match):
            name, part, parts = match.groups()
            text = VALUES[name.decode()][variant == "planted"].encode()
            if part is None:
                return text
            part, parts = int(part), int(parts)
            return text[len(text) * (part - 1) // parts : len(text) * part // parts]

        return PLACEHOLDER.sub(fill, self.template)


def load(path):
    head, _, body = path.read_bytes().partition(b"\n---\n")
    fields = {}
    for line in head.decode().splitlines():
        name, _, value = line.partition(": ")
        fields.setdefault(name, []).append(value.strip())
    known = {"source", "endpoint", "mode", "status", "content-type", "shows", "then", "note", "not-read-by"}
    assert fields.keys() <= known, f"{path}: unknown {fields.keys() - known}"
    one = {name: " ".join(values) for name, values in fields.items()}
    return Shape(
        name=f"{path.parent.name}/{path.stem}",
        endpoint=one["endpoint"],
        mode=one["mode"],
        status=int(one.get("status", 200)),
        content_type=one["content-type"],
        sources=tuple(fields["source"]),
        shows=tuple(one["shows"].replace(",", " ").split()),
        then=tuple(one.get("then", "same").split()),
        note=one.get("note", ""),
        not_read_by=tuple(one.get("not-read-by", "").replace(",", " ").split()),
        template=body,
    )


def load_all():
    return [load(path) for path in sorted(FOLDER.glob("*/*.wire"))]
