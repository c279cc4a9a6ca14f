#!/usr/bin/env python3
"""Prints "PASSED FAILED": the test cases of a `meson test` run. Arguments: the meson-logs folder, and
the base name of its logs when it is not "testlog". With --failed instead the names of the programs
that failed, one a line.

A GoogleTest program counts with each of its cases, any other program as one. A program that ended
badly without naming a failed case (a crash, a timeout) counts as one failure. Skipped cases count
as neither.
"""

import json
import os
import sys
import xml.etree.ElementTree as xml


def cases_of(logs):
    """Passed and failed cases of each program, from the JUnit file."""
    counts = {}
    for suite in xml.parse(logs + ".junit.xml").getroot().iter("testsuite"):
        for case in suite.findall("testcase"):
            program = case.get("classname") if suite.get("name", "").count(".") == 0 else None
            bad = case.find("failure") is not None or case.find("error") is not None
            skipped = case.find("skipped") is not None or case.get("status") == "notrun"
            key = program or suite.get("name")
            passed, failed = counts.get(key, (0, 0))
            counts[key] = (passed + (not bad and not skipped), failed + bad)
    return counts


def failed_programs(logs):
    with open(logs + ".json", encoding="utf-8") as log:
        tests = [json.loads(line) for line in log]
    return [t["name"].rpartition(" / ")[2] for t in tests
            if t["result"] not in ("OK", "SKIP", "EXPECTEDFAIL")]


def main():
    arguments = [a for a in sys.argv[1:] if a != "--failed"]
    logs = os.path.join(arguments[0], arguments[1] if len(arguments) > 1 else "testlog")
    programs = failed_programs(logs)
    if "--failed" in sys.argv:
        print("\n".join(programs))
        return
    passed = failed = 0
    for good, bad in cases_of(logs).values():
        passed += good
        failed += bad
    print(passed, max(failed, len(programs)))


main()
