#!/usr/bin/env python3
"""Texts hold no path of one machine and no secret; links between pages lead somewhere; every decision
record is linked from docs/architecture.md."""

import os
import re

import source_files

# Home folders, and wherever this tree happens to stand.
MACHINE = re.compile(r"(?<![\w.])(?:/(?:root|home/[\w-]+)/[\w.-]|%s/)" % re.escape(source_files.ROOT))
SECRETS = [
    ("a private key", re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\n[A-Za-z0-9+/=]{20}")),
    ("a cloud key", re.compile(r"\bAKIA[0-9A-Z]{16}\b")),
    ("a token", re.compile(r"\b(?:ghp|gho|ghs|github_pat|glpat|xox[abp])[-_][A-Za-z0-9_]{20,}")),
]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
TEXT = (".md", ".hpp", ".cpp", ".py", ".sh", ".build", ".txt", ".ini", ".json", ".yml", ".html", ".ts", "dev", "run")


def main():
    findings = []
    files = source_files.all_files()
    for path in files:
        if not path.endswith(TEXT) or path == "tests/lint/texts.py":
            continue
        text = source_files.text_of(path)
        for match in MACHINE.finditer(text):
            findings.append(f"{path}:{text.count(chr(10), 0, match.start()) + 1}: a path of one machine")
        for what, pattern in SECRETS:
            for match in pattern.finditer(text):
                findings.append(f"{path}:{text.count(chr(10), 0, match.start()) + 1}: {what}")
        if path.endswith(".md"):
            for target in LINK.findall(text):
                if re.match(r"[a-z]+:|#", target):
                    continue
                aimed = os.path.normpath(os.path.join(os.path.dirname(path), target.split("#")[0]))
                if not os.path.exists(os.path.join(source_files.ROOT, aimed)):
                    findings.append(f"{path}: link to {target} leads nowhere")
    overview = source_files.text_of("docs/architecture.md") if "docs/architecture.md" in files else ""
    for path in files:
        if path.startswith("docs/adr/") and path[len("docs/"):] not in overview:
            findings.append(f"{path}: not linked from docs/architecture.md")
    source_files.report(findings, "texts")


main()
