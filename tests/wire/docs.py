"""The tables of docs/wire.md, from the shapes."""

import collections
import pathlib

import readers
import shape

FILE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "wire.md"
BEGIN, END = "<!-- made from tests/wire/shapes: UPDATE_EXPECT=1 make e2e ARGS='-k wire_document' -->", "<!-- end -->"
NAMES = {
    "anthropic": "Anthropic's bridge", "azure": "Azure OpenAI", "deepseek": "DeepSeek", "field": "seen in the field", "gemini": "Gemini's bridge",
    "groq": "Groq", "litellm": "LiteLLM", "llamacpp": "llama.cpp", "lmstudio": "LM Studio", "mistral": "Mistral", "ollama": "Ollama",
    "openai": "OpenAI", "openrouter": "OpenRouter", "sglang": "SGLang", "together": "Together AI", "vllm": "vLLM",
}  # fmt: skip


def tables():
    shapes = shape.load_all()
    return "\n".join([BEGIN, *servers(shapes), "", *clients(shapes), "", *refused(shapes), END])


def servers(shapes):
    kinds = [("chat", "stream"), ("chat", "whole"), ("completions", None), ("responses", None), ("embeddings", None)]
    yield "| server | chat, stream | chat, whole | completions | responses | embeddings | shows |"
    yield "|---|---|---|---|---|---|---|"
    by_server = collections.defaultdict(list)
    for known in shapes:
        by_server[known.server].append(known)
    for server, own in sorted(by_server.items(), key=lambda item: (item[0] == "field", NAMES[item[0]].lower())):
        counts = [sum(known.endpoint == endpoint and mode in (None, known.mode) for known in own) for endpoint, mode in kinds]
        shows = sorted({word for known in own for word in known.shows})
        yield f"| {NAMES[server]} | {' | '.join(str(count or '') for count in counts)} | {', '.join(shows)} |"


def clients(shapes):
    yield "| endpoint | read by | shapes | readings |"
    yield "|---|---|---|---|"
    for (endpoint, mode), names in readers.CLIENTS.items():
        own = [known for known in shapes if (known.endpoint, known.mode) == (endpoint, mode)]
        count = sum(len(readers.clients_of(known)) * (1 + known.has_values()) for known in own)
        yield f"| {endpoint}, {mode} | {', '.join(f'`{name}`' for name in names)} | {len(own)} | {count} |"


def refused(shapes):
    yield "| refused | what the client gets | why |"
    yield "|---|---|---|"
    for known in shapes:
        if known.then[0] != "same":
            yield f"| `{known.name}` | {' '.join(known.then[1:])} | {known.note} |"
