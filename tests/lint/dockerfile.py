#!/usr/bin/env python3
"""packaging/docker/Dockerfile: bookworm images, documented steps, sources that exist, nobody runs as
root, a health check. `--self-test` shows that each check finds what it is for."""

import fnmatch
import os
import re
import sys

import source_files

sys.path.insert(0, os.path.join(source_files.ROOT, "tests", "support"))
import dockerfile_steps as dockerfile  # noqa: E402

FILE = "packaging/docker/Dockerfile"
IMAGES = ("debian:bookworm", "debian:bookworm-slim")


def ignored(path):
    """Does .dockerignore leave it out?"""
    for line in source_files.text_of(".dockerignore").splitlines():
        pattern = line.strip().strip("/")
        if pattern and not line.startswith("#") and fnmatch.fnmatch(path, pattern):
            return True
    return False


def findings_of_copy(text, names):
    sources = text.split()[:-1]
    if text.startswith("--from="):
        stage = text.split()[0].removeprefix("--from=")
        return [] if stage in names else [f"COPY from {stage}, which is no stage"]
    found = []
    for source in sources:
        if not os.path.exists(os.path.join(source_files.ROOT, source)):
            found.append(f"COPY {source}: there is no such file")
        elif source != "." and ignored(source):
            found.append(f"COPY {source}: .dockerignore leaves it out")
    return found


def findings_of_run(text, documented):
    """Our own steps are verbs of ./dev that docs/install.md shows; the rest is one sound apt-get."""
    if text.startswith("./dev "):
        step = " ".join(text.split()[:3 if text.split()[1] == "setup" else 2])
        return [] if step in documented else [f"RUN {text}: docs/install.md does not show {step}"]
    if "apt-get install" in text:
        wanted = ("apt-get update", " -y", "--no-install-recommends", "rm -rf /var/lib/apt/lists/*")
        return [f"RUN apt-get without {w.strip()}" for w in wanted if w not in text]
    if "apt-get" in text or "curl" in text or "wget" in text:
        return [f"RUN {text}: it fetches and does not install"]
    return []


def findings_of(text):
    try:
        stages = dockerfile.read(text)
    except ValueError as wrong:
        return [str(wrong)]
    if len(stages) < 2:
        return ["it needs a stage that builds and one that runs"]
    documented = source_files.text_of("docs/install.md")
    options = set(re.findall(r'\.name = "(\w+)"', source_files.text_of("src/base/settings_table.cpp"))) | {"config"}
    found, names = [], []
    for stage in stages:
        if stage.image not in IMAGES:
            found.append(f"FROM {stage.image}: not one of {', '.join(IMAGES)}")
        for word, rest in stage.steps:
            if word == "COPY":
                found += findings_of_copy(rest, names)
            elif word == "RUN":
                found += findings_of_run(rest, documented)
            elif word == "ADD":
                found.append("ADD: COPY does without its surprises")
        names.append(stage.name)
    last = stages[-1]
    if last.last("USER") in ("", "root", "0"):
        found.append("the last stage runs as root")
    for word in ("ENTRYPOINT", "CMD"):
        if not dockerfile.words(last.last(word)):
            found.append(f"{word} is not in the JSON form: signals would go to a shell")
    if "/healthz" not in " ".join(dockerfile.health_command(last) or []):
        found.append("HEALTHCHECK does not ask /healthz")
    arguments = dockerfile.words(last.last("CMD")) or []
    for word in arguments:
        if word.startswith("-") and word[1:] not in options:
            found.append(f"CMD: rivulet has no option {word}")
    for port in re.findall(r"0\.0\.0\.0:([\d-]+)", " ".join(arguments)):
        if not re.search(rf"(^| ){port}/(tcp|udp)", last.last("EXPOSE")):
            found.append(f"CMD opens {port}, EXPOSE does not name it")
    return found


def self_test(good):
    broken = [
        ("debian:bookworm AS", "debian:latest AS", "FROM debian:latest"),
        ("COPY dev ", "COPY no-such-file ", "no such file"),
        ("COPY dev ", "COPY build ", "leaves it out") if os.path.isdir(os.path.join(source_files.ROOT, "build")) else None,
        ("--from=build", "--from=other", "no stage"),
        ("./dev package", "./dev bench", "docs/install.md"),
        ("--no-install-recommends", "", "--no-install-recommends"),
        ("USER rivulet", "USER root", "as root"),
        ('ENTRYPOINT ["rivulet"]', "ENTRYPOINT rivulet", "JSON form"),
        ("/healthz", "/", "/healthz"),
        ('"-httpAddr"', '"-htpAddr"', "no option -htpAddr"),
        ("8935/tcp", "", "EXPOSE"),
    ]
    return [f"self-test: \"{new}\" in place of \"{old}\" was not found"
            for old, new, text in filter(None, broken)
            if old not in good or not any(text in f for f in findings_of(good.replace(old, new, 1)))]


def main():
    text = source_files.text_of(FILE)
    findings = self_test(text) if "--self-test" in sys.argv else findings_of(text)
    source_files.report(findings, "Dockerfile")


main()
