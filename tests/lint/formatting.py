#!/usr/bin/env python3
"""clang-format 14 would change nothing (./dev fmt applies it)."""

import os
import subprocess
import sys

import source_files


def main():
    paths = [os.path.join(source_files.ROOT, p) for p in source_files.cpp_files()]
    if not paths:
        sys.exit(0)
    done = subprocess.run(["clang-format-14", "--dry-run", *paths], capture_output=True, text=True)
    dirty = sorted({line.split(":")[0] for line in done.stderr.splitlines() if "-Wclang-format" in line})
    findings = [f"{os.path.relpath(p, source_files.ROOT)}: run ./dev fmt" for p in dirty]
    if done.returncode and not findings:
        findings = [done.stderr.strip() or "clang-format-14 failed"]
    source_files.report(findings, "formatting")


main()
