"""`make eval`: the tables of `docs/detection.md`, from the labelled texts in CORPORA."""

import pathlib
import sys

import models
import obfuscation
import pii
import quality
import scoreboard

CORPORA = pathlib.Path(sys.argv[1])
if not CORPORA.is_dir():
    sys.exit(f"make eval: skipped, there are no corpora at {CORPORA}")
models.unseen()
scoreboard.write()
models.shipped(CORPORA)
obfuscation.table(CORPORA)
pii.tables(CORPORA)
pii.secrets(CORPORA)
quality.tables(CORPORA)
