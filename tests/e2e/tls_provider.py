"""A provider over TLS and HTTP/2 that answers with a fixed body, and with trailers if asked to."""

import json
import socket
import ssl
import threading

import h2.config
import h2.connection
import h2.events


class TlsProvider:
    """Serves `https://localhost:PORT` until the test ends. `names` are the server names that clients asked for."""

    def __init__(self, certificate, body, content_type="application/json", trailers=None):
        self.body, self.content_type, self.trailers = body, content_type, trailers
        self.names, self.requests = [], []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(self.context)
        self.context.set_alpn_protocols(["h2"])
        self.context.sni_callback = lambda _, name, __: self.names.append(name)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"https://localhost:{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            with self.context.wrap_socket(connection, server_side=True) as stream:
                self.talk(stream)
        except (OSError, ssl.SSLError):
            pass

    def talk(self, stream):
        peer = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        peer.initiate_connection()
        stream.sendall(peer.data_to_send())
        bodies = {}
        while received := stream.recv(65536):
            for event in peer.receive_data(received):
                if isinstance(event, h2.events.RequestReceived):
                    self.requests.append(dict(event.headers))
                elif isinstance(event, h2.events.DataReceived):
                    bodies[event.stream_id] = bodies.get(event.stream_id, b"") + event.data
                    peer.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    self.requests[-1]["body"] = json.loads(bodies[event.stream_id])
                    self.answer(peer, event.stream_id)
            stream.sendall(peer.data_to_send())

    def answer(self, peer, stream_id):
        peer.send_headers(stream_id, [(":status", "200"), ("content-type", self.content_type)])
        peer.send_data(stream_id, self.body, end_stream=self.trailers is None)
        if self.trailers is not None:
            peer.send_headers(stream_id, self.trailers, end_stream=True)

    def close(self):
        self.listener.close()
