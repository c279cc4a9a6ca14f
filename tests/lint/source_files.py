"""The files of the repository, and C++ text without comments and strings."""

import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SAMPLES = os.path.join("tests", "lint", "samples")


def all_files():
    """Paths below ROOT: what git tracks or would track; without git, everything but builds."""
    try:
        listed = subprocess.run(
            ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
        files = [f for f in listed if f and os.path.isfile(os.path.join(ROOT, f))]
    except (OSError, subprocess.CalledProcessError):
        files = []
        for folder, folders, names in os.walk(ROOT):
            folders[:] = [d for d in folders if d != ".git" and not d.startswith("build")]
            files += [os.path.relpath(os.path.join(folder, n), ROOT) for n in names]
    return sorted(set(files))


def cpp_files():
    return [f for f in all_files()
            if f.endswith((".hpp", ".cpp")) and not f.startswith(SAMPLES)
            and not f.startswith("src/pch/")
            and f.split(os.sep)[0] in ("src", "tests", "plugins", "samples")]


def text_of(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as file:
        return file.read()


_HIDDEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"([^()\s\\]{0,16})\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'',
    re.DOTALL)


def blanked(text):
    """The text with comments, strings and character constants blanked; line numbers stay."""
    def blank(match):
        found = match.group(0)
        if found[0] == "'" and match.start() and text[match.start() - 1].isalnum():
            return found  # a digit separator
        return re.sub(r"[^\n]", " ", found)
    return _HIDDEN.sub(blank, text)


def report(findings, what):
    """Prints findings and ends the program with the matching exit code."""
    for finding in findings:
        print(finding)
    print(f"{what}: {len(findings)} finding(s)")
    sys.exit(1 if findings else 0)
