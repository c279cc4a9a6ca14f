#!/usr/bin/env python3
"""Every header of src/ begins with its purpose, then `#pragma once`; nothing says `using namespace std`."""

import re

import source_files


def main():
    findings = []
    for path in source_files.cpp_files():
        text = source_files.text_of(path)
        if re.search(r"^\s*using namespace std\s*;", text, re.MULTILINE):
            findings.append(f"{path}: using namespace std")
        if not path.endswith(".hpp") or not path.startswith(("src/", "plugins/", "tests/support/")):
            continue
        lines = text.splitlines()
        purpose = 0
        while purpose < len(lines) and lines[purpose].startswith("//"):
            purpose += 1
        if purpose == 0 or len(lines[0]) < 15:
            findings.append(f"{path}: the first lines do not say what it is for")
        if "#pragma once" not in lines[purpose:purpose + 2]:
            findings.append(f"{path}: no #pragma once after the purpose")
    source_files.report(findings, "headers")


main()
