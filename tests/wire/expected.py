"""What is known to fail, from expected_failures.txt: `pattern<TAB>reason`, over `shape client variant`."""

import fnmatch
import pathlib

import pytest

LINES = (pathlib.Path(__file__).parent / "expected_failures.txt").read_text().splitlines()
FAILURES = [tuple(line.split("\t", 1)) for line in LINES if line and not line.startswith("#")]


def marks(name):
    """An entry that no longer fails fails its test."""
    return [pytest.mark.xfail(reason=reason, strict=True) for pattern, reason in FAILURES if fnmatch.fnmatchcase(name, pattern)]


def unused(names):
    return [pattern for pattern, _ in FAILURES if not fnmatch.filter(names, pattern)]
