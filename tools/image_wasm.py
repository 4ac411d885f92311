#!/usr/bin/env python3
"""Writes the filter module as a container image, for meshes that pull modules: an OCI image layout (image-spec 1.1) in a folder.

    tools/image_wasm.py MODULE FOLDER [NAME]

There is one form that every puller takes, the "compat" variant of the Wasm artifact image specification: one gzip layer with one
file, plugin.wasm. Four small JSON objects and an archive are all of it, so the standard library writes them. The same module gives
the same image, to the byte. Push it with any tool, for example

    skopeo copy oci:FOLDER:NAME docker://registry.example.com/keeptrusts:NAME
    oras cp --from-oci-layout FOLDER:NAME registry.example.com/keeptrusts:NAME

and name it by the digest that is printed: --wasm oci://registry.example.com/keeptrusts@sha256:….
"""

import gzip
import hashlib
import io
import json
import pathlib
import sys
import tarfile

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def archive(module):
    """A tar archive with the module, without times, owners or anything else of this machine."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        member = tarfile.TarInfo("plugin.wasm")
        member.size, member.mode = len(module), 0o644
        tar.addfile(member, io.BytesIO(module))
    return packed.getvalue()


def image(module, name):
    """The layout's files by their paths, and the digest of the image's manifest."""
    files = {"oci-layout": encoded({"imageLayoutVersion": "1.0.0"})}

    def blob(media_type, data):
        digest = hashlib.sha256(data).hexdigest()
        files[f"blobs/sha256/{digest}"] = data
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    tar = archive(module)
    layer = blob(LAYER, gzip.compress(tar, 9, mtime=0))
    rootfs = {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(tar).hexdigest()}"]}
    # No machine runs it, so it is nobody's; this is what other tools write for modules.
    config = blob(CONFIG, encoded({"architecture": "wasm", "os": "wasi", "config": {}, "rootfs": rootfs}))
    annotations = {"module.wasm.image/variant": "compat"}
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer], "annotations": annotations}
    entry = blob(MANIFEST, encoded(manifest))
    named = {**entry, "annotations": {"org.opencontainers.image.ref.name": name}}
    files["index.json"] = encoded({"schemaVersion": 2, "mediaType": INDEX, "manifests": [named]})
    return files, entry["digest"]


def encoded(value):
    return json.dumps(value, separators=(",", ":")).encode()


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit("usage: image_wasm.py MODULE FOLDER [NAME]")
    module, folder = pathlib.Path(sys.argv[1]).read_bytes(), pathlib.Path(sys.argv[2])
    files, digest = image(module, sys.argv[3] if len(sys.argv) == 4 else "latest")
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    print(digest)


if __name__ == "__main__":
    main()
