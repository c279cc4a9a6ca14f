#!/usr/bin/env python3
"""docs/metrics.md lists every metric and event of the source, and nothing else; the Grafana dashboard
asks for no metric that is not on it."""

import json
import re

import source_files

PAGE = "docs/metrics.md"
DASHBOARD = "samples/grafana/rivulet.json"
METRIC = r"(?:livepeer|rivulet|process)_[a-z0-9_]+"


def of_source():
    """Names in string constants of the files that make metrics or send events."""
    metrics, events = set(), set()
    for path in source_files.cpp_files():
        if not path.startswith("src/") or not path.endswith(".cpp"):
            continue
        text = source_files.text_of(path)
        if "observe::" in text or "namespace rivulet::observe" in text:
            metrics.update(re.findall(rf'"({METRIC})"', text))
        events.update(re.findall(r'(?:queue|events)_?->send\(\s*"([a-z_]+)"', text))
        events.update(re.findall(r'trace\(\s*"([a-z_]+)"', text))
    return metrics, events


def of_page():
    text = source_files.text_of(PAGE)
    words = set(re.findall(r"`([a-z0-9_]+)`", text))
    return {w for w in words if re.fullmatch(METRIC, w)}, words


def of_dashboard():
    found = set()

    def walk(value, key=None):
        if isinstance(value, dict):
            for name, inner in value.items():
                walk(inner, name)
        elif isinstance(value, list):
            for inner in value:
                walk(inner, key)
        elif key in ("expr", "query") and isinstance(value, str):
            found.update(re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(METRIC, value))

    walk(json.loads(source_files.text_of(DASHBOARD)))
    return found


def main():
    findings = []
    metrics, events = of_source()
    listed, words = of_page()
    asked = of_dashboard()
    if len(metrics) < 30 or len(asked) < 15:
        findings.append("the patterns of this check no longer match what they should")
    findings += [f"{PAGE}: {name} is missing" for name in sorted((metrics - listed) | (events - words))]
    findings += [f"{PAGE}: nothing makes {name}" for name in sorted(listed - metrics)]
    findings += [f"{DASHBOARD}: nothing makes {name}" for name in sorted(asked - metrics)]
    source_files.report(findings, "metrics page")


main()
