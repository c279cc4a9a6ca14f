#!/usr/bin/env python3
"""Prints "PASSED FAILED": the test cases of a `meson test` run. Argument: the meson-logs folder.

A GoogleTest program counts with each of its cases, any other program as one. A program that ended
badly without naming a failed case (a crash, a timeout) counts as one failure. Skipped cases count
as neither.
"""

import json
import os
import sys
import xml.etree.ElementTree as xml


def cases_of(folder):
    """Passed and failed cases of each program, from the JUnit file."""
    counts = {}
    for suite in xml.parse(os.path.join(folder, "testlog.junit.xml")).getroot().iter("testsuite"):
        for case in suite.findall("testcase"):
            program = case.get("classname") if suite.get("name", "").count(".") == 0 else None
            bad = case.find("failure") is not None or case.find("error") is not None
            skipped = case.find("skipped") is not None or case.get("status") == "notrun"
            key = program or suite.get("name")
            passed, failed = counts.get(key, (0, 0))
            counts[key] = (passed + (not bad and not skipped), failed + bad)
    return counts


def main():
    folder = sys.argv[1]
    passed = failed = programs_failed = 0
    for good, bad in cases_of(folder).values():
        passed += good
        failed += bad
    with open(os.path.join(folder, "testlog.json"), encoding="utf-8") as log:
        for line in log:
            if json.loads(line)["result"] not in ("OK", "SKIP", "EXPECTEDFAIL"):
                programs_failed += 1
    print(passed, max(failed, programs_failed))


main()
