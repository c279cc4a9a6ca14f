#!/usr/bin/env python3
"""Includes go downwards only.

The order is the one of src/meson.build: a folder may include itself and the folders above it there,
except for the pairs below. Files directly in src/ may include everything.
"""

import re

import source_files

FORBIDDEN = {("media", "http"), ("ingest", "session"), ("egress", "session")}
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


def main():
    order = re.findall(r"^subdir\('(\w+)'\)", source_files.text_of("src/meson.build"), re.MULTILINE)
    findings = []
    for path in source_files.cpp_files():
        parts = path.split("/")
        for included in INCLUDE.findall(source_files.text_of(path)):
            target = included.split("/")[0]
            if parts[0] == "src" and "/" not in included and len(parts) > 2:
                findings.append(f'{path}: "{included}": write the folder: "{parts[1]}/{included}"')
            if parts[0] != "src" or len(parts) < 3 or parts[1] not in order:
                continue
            if target not in order:
                findings.append(f'{path}: "{included}" belongs to no folder of src/meson.build')
            elif order.index(target) > order.index(parts[1]) or (parts[1], target) in FORBIDDEN:
                findings.append(f'{path}: "{included}" goes upwards: {parts[1]} may not know {target}')
    source_files.report(findings, "include direction")


main()
