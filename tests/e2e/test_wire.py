"""What providers really send, read by the clients that people use: through the gateway it must be what it is without.

The shapes are the files of tests/wire/shapes; a new one needs no code. Each is read by every client of its endpoint,
clean and with planted values, and cut in several ways.
"""

import os
import pathlib
import sys
import zlib

import pytest

WIRE = pathlib.Path(__file__).resolve().parents[1] / "wire"
sys.path.insert(0, str(WIRE))

import docs  # noqa: E402
import readers  # noqa: E402
import same  # noqa: E402
import server  # noqa: E402
import shape  # noqa: E402

from conftest import Gateway, policy_config, target  # noqa: E402

SHAPES = shape.load_all()
NODE_MISSING = readers.Node.missing()


def cases():
    for known in SHAPES:
        for client in readers.clients_of(known):
            for variant in ("clean", "planted"):
                if variant == "clean" or known.has_values():
                    yield case(known, client, variant)


def case(known, client, variant):
    name = f"{known.name} {client} {variant}"
    is_missing = client.startswith("node") and NODE_MISSING
    marks = [pytest.mark.skip(reason=NODE_MISSING)] if is_missing else []
    return pytest.param(known, client, variant, id=name.replace(" ", "-"), marks=marks)


def cuts(known, client):
    """All of them for the plain reader; one for each client, not always the same."""
    able = server.CUTS if known.mode == "stream" else ("whole", "odd")
    if client == "wire":
        return able
    return (able[zlib.crc32(f"{known.name} {client}".encode()) % len(able)],)


class Bench:
    def __init__(self, folder):
        self.server = server.Server()
        self.gateway = Gateway(folder, policy_config(target("a", self.server.url)))
        self.through, self.direct = readers.Reader(self.gateway.url), readers.Reader(self.server.url)


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    bench = Bench(tmp_path_factory.mktemp("wire"))
    yield bench
    bench.gateway.stop()
    bench.server.shutdown()


@pytest.mark.parametrize(("known", "client", "variant"), cases())
def test_clients_read_what_the_provider_sent(request, bench, known, client, variant):
    request.node.kt_processes = [bench.gateway]
    direct = bench.direct.read(client, known, f"{known.name} {variant} whole")
    for cut in cuts(known, client):
        through = bench.through.read(client, known, f"{known.name} {variant} {cut}")
        problems = same.compare(direct, through, known.then, variant == "planted", readers.cannot_read(direct))
        assert not problems, f"cut {cut}: " + "\n".join(problems)


def test_the_wire_document_is_fresh():
    text = docs.FILE.read_text()
    before, _, rest = text.partition(docs.BEGIN)
    fresh = before + docs.tables() + rest.partition(docs.END)[2]
    if os.environ.get("UPDATE_EXPECT"):
        docs.FILE.write_text(fresh)
    assert text == fresh, "docs/wire.md is stale"


def test_every_server_shows_what_it_can():
    by_server = {}
    for known in SHAPES:
        by_server.setdefault(known.server, set()).update(known.shows)
        assert known.sources and known.shows and (known.note or known.then[0] == "same"), known.name
    servers = by_server.keys() - {"field"}
    assert len(servers) >= 14
    assert all({"text", "usage", "error", "tools", "parallel"} <= by_server[server] for server in servers)
