#!/usr/bin/env python3
"""Counts the yardsticks that can be counted: python3 tools/yardsticks.py [FOLDER]

Rust is cut by a small reader: comments, strings and characters are blanked out first, so that braces and words in them do not count. What
follows the first `#[cfg(test)]` of a file, files named tests.rs and everything below a folder named tests are tests; the rest is production.
"""

import pathlib
import re
import subprocess
import sys

CALLBACK = re.compile(r"on_(http|vm|configure|tick|new_connection|downstream|upstream|log|done|grpc|queue)\w*|create_http_context|create_stream_context")
TOKENS = re.compile(
    r"(?P<comment>//[^\n]*|/\*.*?\*/)"
    r"|(?P<text>b?r(?P<hashes>#+)\".*?\"(?P=hashes)|b?r\".*?\"|b?\"(?:\\.|[^\"\\])*\"|b?'(?:\\(?:x..|u\{[^}]*\}|.)|[^'\\])')",
    re.S,
)


def blank(source):
    """The code alone, with places and lines as before."""
    return TOKENS.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), source)


def functions(code):
    """Name and number of lines of every function with a body, signature included."""
    for found in re.finditer(r"\bfn\s+(\w+)", code):
        opened = re.compile(r"[{;]").search(code, found.end())
        if not opened or opened[0] == ";":
            continue
        depth, at = 0, opened.start()
        for brace in re.finditer(r"[{}]", code[at:]):
            depth += 1 if brace[0] == "{" else -1
            if depth == 0:
                yield found[1], code.count("\n", found.start(), at + brace.end()) + 1
                break


def quantile(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(part * len(values)))] if values else 0


def tracked(root):
    listed = subprocess.run(["git", "-C", root, "ls-files"], capture_output=True, text=True, check=True)
    return [pathlib.Path(root, line) for line in listed.stdout.splitlines()]


def is_test(path):
    return "tests" in path.parts or path.name == "tests.rs" or path.name == "conftest.py"


def undocumented(raw):
    """Public items without a comment above them."""
    count, missing = 0, 0
    lines = raw.splitlines()
    for number, line in enumerate(lines):
        if not re.match(r"\s*pub (?:const |unsafe |async )?(fn|struct|enum|trait|type|const|static|mod) ", line):
            continue
        count += 1
        above = number - 1
        while above >= 0 and re.match(r"\s*(#\[|\)\]|\w.*\)\]$)", lines[above]):
            above -= 1
        is_file_of_its_own = re.match(r"\s*pub mod \w+;", line)
        missing += not (is_file_of_its_own or (above >= 0 and lines[above].strip().startswith("///")))
    return count, missing


def main(root):
    files = tracked(root)
    rust = [path for path in files if path.suffix == ".rs"]
    production, lengths, callbacks, long_files, indents = {}, [], [], [], []
    tests = sum(len(path.read_text(errors="replace").splitlines()) for path in files if is_test(path.relative_to(root)) and path.suffix in {".rs", ".py"})
    public, undocumented_items, comments, code_lines, panics, todos, expects, host_files, stale_allows = 0, 0, 0, 0, 0, 0, 0, set(), 0
    for path in rust:
        relative = path.relative_to(root)
        if is_test(relative):
            continue
        whole = path.read_text()
        raw, _, test_part = whole.partition("#[cfg(test)]")
        tests += test_part.count("\n")
        code = blank(raw)
        production[relative] = raw.count("\n")
        for name, length in functions(code):
            lengths.append((length, f"{relative}: {name}"))
            if str(relative).startswith("src/filter") and CALLBACK.fullmatch(name):
                callbacks.append((length, f"{relative}: {name}"))
        indents += [(len(line) - len(line.lstrip())) // 4 for line in code.splitlines() if line.strip()]
        comments += sum(1 for line in raw.splitlines() if line.strip().startswith("//"))
        code_lines += sum(1 for line in code.splitlines() if line.strip())
        todos += sum(bool(re.search(r"\b(TODO|FIXME|XXX)\b", found[0])) for found in TOKENS.finditer(raw) if found["comment"])
        expects += len(re.findall(r"#!?\[expect\(", code))
        stale_allows += len(re.findall(r"#!?\[allow\(", code))
        crate = relative.parts[1] if relative.parts[0] == "src" else ""
        if crate in {"text", "policy", "routing", "config"}:
            found, missing = undocumented(raw)
            public, undocumented_items = public + found, undocumented_items + missing
        if crate in {"text", "policy", "routing", "filter"} and path.name != "drill.rs":
            panics += len(re.findall(r"\.unwrap\(\)|\.expect\(|\b(?:panic|unreachable|todo)!", code))
        if crate == "filter" and re.search(r"hostcalls|extern\s+\"|proxy_\w+\(", raw):
            host_files.add(str(relative))
    sizes = list(production.values())
    rows = [
        ("1", "function lines p50 / p90 / max", f"{quantile([n for n, _ in lengths], .5)} / {quantile([n for n, _ in lengths], .9)} / {max(lengths)[0]} ({max(lengths)[1]})"),
        ("2", "host callbacks: lines p50 / max, over 12", f"{quantile([n for n, _ in callbacks], .5)} / {max(callbacks)[0]} ({max(callbacks)[1]}), {sum(n > 12 for n, _ in callbacks)} of {len(callbacks)}"),
        ("3", "file lines p50 / p90, over 600", f"{quantile(sizes, .5)} / {quantile(sizes, .9)}, {', '.join(f'{path} {n}' for path, n in production.items() if n > 600) or 'none'}"),
        ("4", "indent p90, levels", str(quantile(indents, .9))),
        ("5", "public items with docs (text, policy, routing, config)", f"{public - undocumented_items} of {public}"),
        ("6", "comment : code", f"{comments / max(1, code_lines):.2f}"),
        ("7", "unwrap, expect, panic (text, policy, routing, filter but drill.rs)", str(panics)),
        ("9", "files naming a host call", f"{len(host_files)} ({', '.join(sorted(host_files))})"),
        ("12", "test : production lines", f"{tests / max(1, sum(sizes)):.2f} ({tests} : {sum(sizes)})"),
        ("16", "TODO per 1,000 lines", f"{1000 * todos / max(1, sum(sizes)):.2f}"),
        ("17", "suppressed lints per 1,000 lines, allow instead of expect", f"{1000 * expects / max(1, sum(sizes)):.2f}, {stale_allows}"),
    ]
    subjects = subprocess.run(["git", "-C", root, "log", "--format=%s"], capture_output=True, text=True, check=True).stdout.splitlines()
    rows.append(("18", "commit subjects: median, over 60", f"{quantile([len(s) for s in subjects], .5)}, {sum(len(s) > 60 for s in subjects)} of {len(subjects)}"))
    dependencies = subprocess.run(["cargo", "tree", "--quiet", "--manifest-path", f"{root}/Cargo.toml", "-p", "kt-module", "--target", "wasm32-wasip1", "--depth", "1", "-e", "normal", "--prefix", "none"], capture_output=True, text=True, check=False).stdout
    outer = [line.split()[0] for line in dependencies.splitlines()[1:] if not line.startswith("kt-")]
    rows.insert(7, ("8", "direct dependencies of the module", f"{len(outer)} ({', '.join(outer)})"))
    width = max(len(name) for _, name, _ in rows)
    for number, name, value in rows:
        print(f"{number:>3}  {name:<{width}}  {value}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else str(pathlib.Path(__file__).resolve().parent.parent))
