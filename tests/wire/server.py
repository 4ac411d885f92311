"""A provider that answers with recorded bytes, cut as the request says.

The text that the client asks with is `<shape> <variant> <cut>`, so that any client can ask for any answer.
"""

import json
import re
import socket
import socketserver
import threading
import time

import shape

CUTS = ("whole", "event", "odd", "byte")
BLANK_LINE = re.compile(rb"(\r\n\r\n|\n\n|\r\r)")
REASONS = {200: "OK"}


def cut(body, how):
    """The pieces in which a body is written."""
    if how == "event":
        parts = BLANK_LINE.split(body)
        pieces = [b"".join(parts[at : at + 2]) for at in range(0, len(parts), 2)]
        return [piece for piece in pieces if piece]
    # Bytes one by one make large bodies slow and show nothing more.
    size = {"whole": max(len(body), 1), "odd": 37, "byte": 1 if len(body) < 6000 else 11}[how]
    return [body[at : at + size] for at in range(0, len(body), size)]


def asked(request):
    """What the client asks for."""
    said = request.get("messages") or request.get("input") or request.get("prompt")
    while not isinstance(said, str):
        said = said[-1] if isinstance(said, list) else said.get("content") or said.get("text")
    return said


class Handler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self):
        while (length := self.read_head()) is not None:
            request = json.loads(self.rfile.read(length))
            name, variant, how = asked(request).split()
            name = self.server.instead.get("stream" if request.get("stream") else "whole", name)
            self.answer(self.server.shapes[name], variant, how)

    def read_head(self):
        length = None
        while (line := self.rfile.readline()) not in (b"\r\n", b""):
            field, _, value = line.partition(b":")
            if field.lower() == b"content-length":
                length = int(value)
        return length

    def answer(self, wanted, variant, how):
        head = f"HTTP/1.1 {wanted.status} {REASONS.get(wanted.status, 'Error')}\r\nContent-Type: {wanted.content_type}\r\n"
        self.wfile.write(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        for at, piece in enumerate(cut(wanted.body(variant), how)):
            if how == "event" and at:
                time.sleep(0.001)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, instead=()):
        """`instead` names the shapes that answer whatever is asked for, by mode."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.instead = dict(instead)
        self.shapes = {known.name: known for known in shape.load_all()}
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """A client that leaves early is no fault of the server's."""

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().server_bind()
