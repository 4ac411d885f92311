"""The module as an image: pulled over HTTP by a client of others, and unpacked as the pullers of meshes do.

Istio's agent (pkg/wasm/imagefetcher.go, whose code Envoy Gateway took over) takes the last layer of the manifest, which must be
of the type that OCI gives to gzipped archives, and of that archive the file that is called plugin.wasm.
"""

import gzip
import hashlib
import http.server
import io
import json
import os
import subprocess
import sys
import tarfile
import threading

import oras.provider
import pytest
from forms import GENERATOR, WASM

from conftest import ROOT

NAME, TAG = "edge/keeptrusts", "0.1.0"


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    """The image as `make image-wasm` writes it, and the digest that it prints."""
    folder = tmp_path_factory.mktemp("image")
    command = [sys.executable, ROOT / "tools/image_wasm.py", WASM, folder, TAG]
    return folder, subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def registry(layout):
    """A registry (OCI distribution-spec 1.1, as far as pulling goes) with the layout."""
    folder, _ = layout

    def blob(digest):
        return folder / "blobs" / digest.replace(":", "/")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            kind, reference = self.path.rsplit("/", 2)[-2:]
            (entry,) = json.loads((folder / "index.json").read_text())["manifests"]
            if kind == "manifests" and reference == entry["annotations"]["org.opencontainers.image.ref.name"]:
                reference = entry["digest"]
            body = blob(reference).read_bytes() if kind in ("manifests", "blobs") and blob(reference).is_file() else b"{}"
            self.send_response(200)
            self.send_header("content-type", json.loads(body)["mediaType"] if kind == "manifests" else "application/octet-stream")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()


def unpacked(layer, data):
    assert layer["mediaType"] == "application/vnd.oci.image.layer.v1.tar+gzip"
    assert (len(data), f"sha256:{hashlib.sha256(data).hexdigest()}") == (layer["size"], layer["digest"])
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data))) as tar:
        for member in tar:
            if os.path.basename(member.name) == "plugin.wasm":
                return tar.extractfile(member).read()
    return None


def test_a_client_of_others_pulls_it(registry, layout, tmp_path):
    client = oras.provider.Registry(hostname=registry, insecure=True)
    manifest = client.get_manifest(client.get_container(f"{registry}/{NAME}:{TAG}"))
    assert manifest["mediaType"] == "application/vnd.oci.image.manifest.v1+json" and manifest["annotations"] == {"module.wasm.image/variant": "compat"}
    (layer,) = manifest["layers"]
    pulled = client.download_blob(f"{registry}/{NAME}", layer["digest"], str(tmp_path / "layer"))
    assert unpacked(layer, open(pulled, "rb").read()) == WASM.read_bytes()


def test_the_layout_names_only_what_it_holds(layout):
    folder, digest = layout
    assert json.loads((folder / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    (entry,) = json.loads((folder / "index.json").read_text())["manifests"]
    manifest = json.loads((folder / "blobs" / digest.replace(":", "/")).read_text())
    named = [entry, manifest["config"], *manifest["layers"]]
    assert entry["digest"] == digest and len(list((folder / "blobs/sha256").iterdir())) == len(named)
    for one in named:
        data = (folder / "blobs" / one["digest"].replace(":", "/")).read_bytes()
        assert (f"sha256:{hashlib.sha256(data).hexdigest()}", len(data)) == (one["digest"], one["size"])
    config = json.loads((folder / "blobs" / manifest["config"]["digest"].replace(":", "/")).read_text())
    (layer,) = manifest["layers"]
    tar = gzip.decompress((folder / "blobs" / layer["digest"].replace(":", "/")).read_bytes())
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(tar).hexdigest()}"]


def test_the_same_module_is_the_same_image_and_the_mesh_takes_its_digest(layout, tmp_path):
    command = [sys.executable, ROOT / "tools/image_wasm.py", WASM, tmp_path / "again", TAG]
    digest = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    assert digest == layout[1]
    image = f"oci://registry.example.com/{NAME}@{digest}"
    objects = subprocess.run(
        [GENERATOR, ROOT / "policy-configs/together.yaml", "--format", "istio", "--wasm", image], check=True, capture_output=True, text=True
    ).stdout
    assert digest.removeprefix("sha256:") in objects
