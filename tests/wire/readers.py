"""What each client makes of an answer: a list of events, or the message at the end, and the error if there was one."""

import json
import os
import pathlib
import shutil
import subprocess
import warnings

import httpx
import openai
import pydantic

os.environ.setdefault("LANGSMITH_TRACING", "false")
warnings.filterwarnings("ignore", message="Pydantic serializer warnings")

NODE_FOLDER = pathlib.Path(__file__).parent / "node"
PATHS = {"chat": "chat/completions", "completions": "completions", "responses": "responses", "embeddings": "embeddings"}
#: Which clients read which answers. `wire` is the plain HTTP client.
CLIENTS = {
    ("chat", "stream"): ("wire", "python", "python-stream", "node", "node-stream", "langchain"),
    ("chat", "whole"): ("wire", "python", "python-parse", "node", "langchain"),
    ("completions", "stream"): ("wire", "python", "node"),
    ("completions", "whole"): ("wire", "python", "node"),
    ("responses", "stream"): ("wire", "python", "python-stream", "node", "langchain"),
    ("responses", "whole"): ("wire", "python", "python-parse", "node", "langchain"),
    ("embeddings", "whole"): ("wire", "python", "node"),
}


def clients_of(shape):
    return [client for client in CLIENTS[shape.endpoint, shape.mode] if client not in shape.not_read_by]


class Contact(pydantic.BaseModel):
    """What answers in `response_format` hold."""

    name: str
    note: str


def request_of(endpoint, text):
    if endpoint == "chat":
        return {"model": "any", "messages": [{"role": "user", "content": text}]}
    return {"model": "any", "prompt" if endpoint == "completions" else "input": text}


def reading(events=(), final=None, error=None):
    return {"events": list(events), "final": final, "error": error}


def cannot_read(direct):
    """Whether the client fails on an answer by itself: the error says nothing of the provider."""
    error = direct["error"]
    return error is not None and error["body"] is None and error["status"] is None and error["class"] != "ValueError"


def failure(error):
    """What an application sees of an error of the client's."""
    body = getattr(error, "body", None)
    status = getattr(error, "status_code", None)
    message = getattr(error, "message", None) or str(error)
    return {"class": type(error).__name__, "status": status, "body": body, "message": message}


class Reader:
    """One client per place that it reads from."""

    def __init__(self, base):
        self.base = f"{base}/v1"
        self.http = httpx.Client(timeout=20)
        self.client = openai.OpenAI(base_url=self.base, api_key="unused", max_retries=0, timeout=20)
        self.chains = {}

    def read(self, client, shape, text):
        if client.startswith("node"):
            return Node.shared().read(self.base, client, shape, text)
        return getattr(self, client.replace("-", "_"))(shape, text)

    # The wire as it is.

    def wire(self, shape, text):
        body = request_of(shape.endpoint, text)
        if shape.mode == "stream":
            body["stream"] = True
        answer = self.http.post(f"{self.base}/{PATHS[shape.endpoint]}", json=body)
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "text/event-stream":
            events = [decode(event) for event in sse_events(answer.text)]
            return {**reading(events), "bytes": answer.content}
        error = {"class": "HTTP", "status": answer.status_code, "body": None} if answer.status_code != 200 else None
        return {**reading(final=decode(answer.text), error=error), "bytes": answer.content}

    # OpenAI's client for Python.

    def python(self, shape, text):
        members = request_of(shape.endpoint, text)
        call = {
            "chat": self.client.chat.completions.create,
            "completions": self.client.completions.create,
            "responses": self.client.responses.create,
            "embeddings": self.client.embeddings.create,
        }[shape.endpoint]
        if shape.mode == "whole":
            return whole(lambda: call(**members))
        events = []
        try:
            events.extend(event.to_dict(warnings=False) for event in call(**members, stream=True))
        except CLIENT_ERRORS as error:
            return reading(events, error=failure(error))
        return reading(events)

    def python_parse(self, shape, text):
        form = {"response_format" if shape.endpoint == "chat" else "text_format": Contact} if "json" in shape.shows else {}
        source = self.client.chat.completions if shape.endpoint == "chat" else self.client.responses
        return whole(lambda: source.parse(**request_of(shape.endpoint, text), **form))

    def python_stream(self, shape, text):
        """The helper: what it says is done, and the message at the end."""
        events = []
        source = self.client.chat.completions if shape.endpoint == "chat" else self.client.responses
        try:
            with source.stream(**request_of(shape.endpoint, text)) as stream:
                for event in stream:
                    # What tokens say in clear is emptied where text is redacted.
                    if event.type.endswith(".done") and not event.type.startswith("logprobs."):
                        events.append({"type": event.type, **scalars(event)})
                final = stream.get_final_completion() if shape.endpoint == "chat" else stream.get_final_response()
        except CLIENT_ERRORS as error:
            return reading(events, error=failure(error))
        return reading(events, joined(final.to_dict(warnings=False), JOINED_BY_PYTHON))

    # LangChain.

    def langchain(self, shape, text):
        import langchain_openai

        if shape.endpoint not in self.chains:
            self.chains[shape.endpoint] = langchain_openai.ChatOpenAI(
                model="any", base_url=self.base, api_key="unused", max_retries=0, timeout=20, stream_usage=True,
                use_responses_api=shape.endpoint == "responses",
            )  # fmt: skip
        chain = self.chains[shape.endpoint]
        message, count = None, 0
        try:
            if shape.mode == "whole":
                message = chain.invoke(text)
            else:
                for piece in chain.stream(text):
                    message = piece if message is None else message + piece
        except Exception as error:  # LangChain hands on errors of every kind.
            return reading(final=langchain_message(message), error=failure(error))
        return reading(final=langchain_message(message))


#: Errors of an answer, and those of a client that cannot read it.
CLIENT_ERRORS = (
    openai.OpenAIError, pydantic.ValidationError, RuntimeError, AssertionError, TypeError, IndexError, KeyError, ValueError, AttributeError,
)  # fmt: skip


#: Members of a message that the helpers join. Of others they keep the first piece or the last one, which is another
#: one where text leaves later than it came.
JOINED_BY_PYTHON = None
JOINED_BY_NODE = {"role", "content", "refusal", "tool_calls", "function_call", "parsed"}


def joined(final, members):
    """A message of a helper, without the pieces that it does not join."""
    for choice in (final or {}).get("choices") or []:
        choice.pop("text", None)
        if members and "message" in choice:
            choice["message"] = {name: value for name, value in choice["message"].items() if name in members}
    return final


def whole(call):
    try:
        return reading(final=call().to_dict(warnings=False))
    except CLIENT_ERRORS as error:
        return reading(error=failure(error))


def scalars(event):
    return {name: value for name, value in event.to_dict(warnings=False).items() if isinstance(value, (str, int))}


def langchain_message(message):
    """A message without what LangChain numbers anew each time."""
    if message is None:
        return None
    return {
        "content": message.content,
        "additional_kwargs": message.additional_kwargs,
        "tool_calls": message.tool_calls,
        "invalid_tool_calls": message.invalid_tool_calls,
        "usage": message.usage_metadata,
        "metadata": {name: value for name, value in message.response_metadata.items() if name not in ("headers", "logprobs")},
    }


def sse_events(text):
    """The payloads of an event stream, by the WHATWG specification."""
    data = []
    for line in text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if line == "":
            if data and "\n".join(data) != "":
                yield "\n".join(data)
            data = []
        field, _, value = line.partition(":")
        if field == "data":
            data.append(value.removeprefix(" "))
    # Clients take the last event even when no blank line follows it.
    if data and "\n".join(data) != "":
        yield "\n".join(data)


def decode(text):
    try:
        return json.loads(text)
    except ValueError:
        return text.strip()


class Node:
    """One process of Node that reads what it is told to."""

    process = None
    _shared = None

    @classmethod
    def shared(cls):
        cls._shared = cls._shared or cls()
        return cls._shared

    @staticmethod
    def missing():
        """Why Node cannot read, if so."""
        if shutil.which("node") is None:
            return "node is not installed; its client is not tested"
        if not (NODE_FOLDER / "node_modules" / "openai").exists():
            return "the client for Node is not installed; `make test` does so"
        return None

    def __init__(self):
        self.process = subprocess.Popen(
            ["node", NODE_FOLDER / "read.mjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )

    def read(self, base, client, shape, text):
        job = {
            "base": base, "client": client, "endpoint": shape.endpoint, "stream": shape.mode == "stream",
            "request": request_of(shape.endpoint, text),
        }  # fmt: skip
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        read = json.loads(self.process.stdout.readline())
        return {**read, "final": joined(read["final"], JOINED_BY_NODE)} if client == "node-stream" else read
