#!/usr/bin/env python3
"""docs/options.md is what `rivulet -helpMarkdown` prints. Argument: the binary."""

import difflib
import subprocess
import sys

import source_files


def main():
    printed = subprocess.run([sys.argv[1], "-helpMarkdown"], capture_output=True, text=True, check=True).stdout
    kept = source_files.text_of("docs/options.md")
    findings = list(difflib.unified_diff(
        kept.splitlines(), printed.splitlines(), "docs/options.md", "rivulet -helpMarkdown", lineterm=""))
    if findings:
        findings.append("Refresh it: build/rivulet -helpMarkdown > docs/options.md")
    source_files.report(findings, "options page")


main()
