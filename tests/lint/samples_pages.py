#!/usr/bin/env python3
"""Every sample has a README and a run.sh that can be run, is on samples/README.md, and is run by a test;
the scripts can be read by bash; the page of the browser sample has 60 lines at most."""

import os
import re
import stat
import subprocess

import source_files


def main():
    findings = []
    files = source_files.all_files()
    folders = sorted({path.split("/")[1] for path in files if re.match(r"samples/[^/]+/", path)})
    if len(folders) < 10:
        findings.append("the pattern of this check no longer matches the samples")
    listed = set(re.findall(r"\]\(([a-z]+)/README\.md\)", source_files.text_of("samples/README.md")))
    tests = source_files.text_of("tests/interop/meson.build") + source_files.text_of("tests/interop/browser/sample_test.mjs")
    for folder in folders:
        where = f"samples/{folder}"
        if f"{where}/README.md" not in files:
            findings.append(f"{where}: no README.md")
        if f"{where}/run.sh" not in files:
            findings.append(f"{where}: no run.sh")
            continue
        if not os.stat(os.path.join(source_files.ROOT, where, "run.sh")).st_mode & stat.S_IXUSR:
            findings.append(f"{where}/run.sh: can't be run (chmod +x)")
        if "/../stage.sh\"" not in source_files.text_of(f"{where}/run.sh"):
            findings.append(f"{where}/run.sh: does not use stage.sh, which cleans up")
        if "run.sh" not in source_files.text_of(f"{where}/README.md"):
            findings.append(f"{where}/README.md: does not say what run.sh does")
        if folder not in listed:
            findings.append(f"samples/README.md: {folder} is missing")
        if not re.search(rf"'{folder}'|samples/{folder}/", tests):
            findings.append(f"{where}: no test runs it")
    for script in [path for path in files if re.match(r"samples/.*\.sh$", path)]:
        done = subprocess.run(["bash", "-n", os.path.join(source_files.ROOT, script)], capture_output=True, text=True)
        findings += [f"{script}: {line}" for line in done.stderr.splitlines()]
    findings += [f"samples/README.md: there is no {one}" for one in sorted(listed - set(folders))]
    lines = source_files.text_of("samples/browser/index.html").count("\n")
    if lines > 60:
        findings.append(f"samples/browser/index.html: {lines} lines, and its README says 60")
    source_files.report(findings, "samples")


main()
