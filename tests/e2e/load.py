"""Many requests at once, over connections that stay open. Small enough to leave the cores to Envoy."""

import asyncio
import collections
import json
import time
from urllib.parse import urlsplit

BODY = json.dumps({"model": "any", "messages": [{"role": "user", "content": "hello"}]}).encode()


class Load:
    """`connections` clients that share `count` requests, or `per_second` requests for `seconds`."""

    def __init__(self, url, connections, count=None, per_second=None, seconds=None, body=BODY, check=None):
        self.address = urlsplit(url)
        self.connections, self.per_second = connections, per_second
        self.left = count if count is not None else per_second * seconds
        self.body, self.check = body, check
        self.statuses = collections.Counter()
        self.bodies = []

    def run(self, alongside=None):
        """Sends all of them; `alongside` is a coroutine that runs meanwhile."""
        asyncio.run(self.all(alongside))
        return self.statuses

    async def all(self, alongside):
        self.started, self.sent = time.monotonic(), 0
        clients = [self.client() for _ in range(self.connections)]
        await asyncio.gather(*clients, *([alongside] if alongside else []))

    async def client(self):
        host, port = self.address.hostname, self.address.port
        reader, writer = await asyncio.open_connection(host, port)
        head = f"POST {self.address.path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {len(self.body)}\r\n\r\n"
        request = head.encode() + self.body
        while self.left > 0:
            self.left -= 1
            if self.per_second:
                due = self.started + self.sent / self.per_second
                self.sent += 1
                await asyncio.sleep(max(0, due - time.monotonic()))
            writer.write(request)
            status, body = await self.answer(reader)
            self.statuses[status] += 1
            if self.check:
                self.check(status, body)
            elif status != 200:
                self.bodies.append(body)
        writer.close()

    @staticmethod
    async def answer(reader):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next(int(line.split(":")[1]) for line in head.splitlines() if line.startswith("content-length:"))
        return int(head.split(" ")[1]), await reader.readexactly(length)
