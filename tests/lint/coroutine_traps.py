#!/usr/bin/env python3
"""Finds two coroutine shapes that g++ 12 compiles wrongly.

A: `co_await` as the condition of if, while, for, do-while or switch (crashes). Name the result
   first, or declare it in the condition: `if (auto r = co_await f())`.
B: a capturing lambda or an aggregate temporary in a full expression that contains `co_await` (it is
   destroyed twice). Name it first and std::move it in.

Without arguments it reads the repository; with --self-test the samples beside it, in which every
line to be found ends in `// trap A` or `// trap B`.
"""

import os
import re
import sys

import source_files

OPEN, CLOSE = "([{", ")]}"
LAMBDA_NEXT = re.compile(r"\s*(?:[({<]|mutable\b|noexcept\b|->)")
CONDITION = re.compile(r"\b(if(?:\s+constexpr)?|while|switch|for)\s*\(")
DESIGNATED = re.compile(r"\{\s*\.\s*\w+\s*[={]")


def matching(text, at):
    """Index of the bracket that closes the one at `at`."""
    depth = 0
    for i in range(at, len(text)):
        if text[i] in OPEN:
            depth += 1
        elif text[i] in CLOSE:
            depth -= 1
            if depth == 0:
                return i
    return len(text) - 1


def split_top(text, separator):
    """Splits at separators outside every bracket."""
    parts, depth, begin = [], 0, 0
    for i, c in enumerate(text):
        if c in OPEN:
            depth += 1
        elif c in CLOSE:
            depth -= 1
        elif c == separator and depth == 0:
            parts.append(text[begin:i])
            begin = i + 1
    parts.append(text[begin:])
    return parts


def without_lambda_bodies(text):
    """Blanks what stands in braces: a co_await in there belongs to another expression."""
    out, depth = [], 0
    for c in text:
        depth -= c == "}"
        out.append(c if depth == 0 or c == "\n" else " ")
        depth += c == "{"
    return "".join(out)


DECLARATION = re.compile(r"^\s*(?:const\s+)?(?:auto|[\w:]+(?:<[^=]*>)?)[\s&*]+(?:\w+|\[[^\]]*\])\s*=[^=]")


def condition_traps(text):
    for match in CONDITION.finditer(text):
        begin = match.end() - 1
        inside = without_lambda_bodies(text[begin + 1:matching(text, begin)])
        parts = split_top(inside, ";")
        if match.group(1) == "for":
            if len(parts) < 2:
                continue  # range for: the range is named by the compiler
            condition = parts[1]
        else:
            condition = parts[-1]
        if "co_await" not in condition:
            continue
        if match.group(1) != "for" and DECLARATION.match(condition):
            continue
        yield match.start(), "A"


def full_expression(text, at):
    """The bounds of the full expression around the co_await at `at`."""
    begin, depth = at, 0
    while begin > 0:
        c = text[begin - 1]
        if c in ")]}":
            if c == "}" and depth == 0:
                # An initialiser or a lambda body on the way, or the end of the last statement.
                opening = opening_of(text, begin - 1)
                rest = text[begin:at].lstrip()
                if not rest.startswith((",", ")", ".", "||", "&&")):
                    break
                begin = opening
                continue
            depth += 1
        elif c in "([":
            depth = max(0, depth - 1)
        elif c == "{":
            if depth == 0:
                break
            depth -= 1
        elif c == ";" and depth == 0:
            break
        begin -= 1
    end, depth, left_parens = at, 0, False
    while end < len(text):
        c = text[end]
        if c in OPEN:
            if c == "{" and depth == 0 and left_parens and text[:end].rstrip().endswith(")"):
                break  # the body of the statement whose condition this was
            depth += 1
        elif c in CLOSE:
            if depth == 0:
                if c == "}":
                    break
                left_parens = True
            else:
                depth -= 1
        elif c == ";" and depth == 0:
            break
        end += 1
    return begin, end


def opening_of(text, at):
    depth = 0
    for i in range(at, -1, -1):
        if text[i] in CLOSE:
            depth += 1
        elif text[i] in OPEN:
            depth -= 1
            if depth == 0:
                return i
    return 0


def has_capturing_lambda(text):
    for match in re.finditer(r"\[", text):
        at = match.start()
        before = text[:at].rstrip()
        if text.startswith("[[", at) or before.endswith("["):
            continue
        if before and (before[-1].isalnum() or before[-1] in "_)]\"") \
                and not re.search(r"\b(?:return|co_return|co_await|co_yield)$", before):
            continue
        end = matching(text, at)
        if text[at + 1:end].strip() and LAMBDA_NEXT.match(text[end + 1:]):
            return True
    return False


def expression_traps(text, aggregates):
    named = re.compile(r"\b(?:%s)\s*\{\s*[^\s}]" % "|".join(sorted(aggregates))) if aggregates else None
    for match in re.finditer(r"\bco_await\b", text):
        begin, end = full_expression(text, match.start())
        expression = text[begin:end]
        if has_capturing_lambda(expression) or DESIGNATED.search(expression) \
                or (named and named.search(expression)):
            yield match.start(), "B"


STRUCT = re.compile(r"\bstruct\s+(\w+)\s*(?:final\s*)?\{")


def aggregates_in(text):
    """Names of structs without a constructor."""
    names = set()
    for match in STRUCT.finditer(text):
        body = text[match.end():matching(text, match.end() - 1)]
        if not re.search(r"\b%s\s*\(" % match.group(1), body) and ";" in body:
            names.add(match.group(1))
    return names


def findings_in(text, aggregates):
    text = source_files.blanked(text)
    found = list(condition_traps(text)) + list(expression_traps(text, aggregates))
    return sorted({(text.count("\n", 0, at) + 1, kind) for at, kind in found})


def self_test():
    problems = []
    folder = os.path.join(source_files.ROOT, source_files.SAMPLES)
    for name in sorted(os.listdir(folder)):
        text = source_files.text_of(os.path.join(source_files.SAMPLES, name))
        expected = [(number, kind) for number, line in enumerate(text.splitlines(), 1)
                    for kind in re.findall(r"// trap ([AB])", line)]
        found = findings_in(text, aggregates_in(source_files.blanked(text)))
        problems += [f"{name}:{n}: trap {k} not found" for n, k in expected if (n, k) not in found]
        problems += [f"{name}:{n}: trap {k} found, but the line is right" for n, k in found if (n, k) not in expected]
    source_files.report(problems, "coroutine trap samples")


def main():
    if "--self-test" in sys.argv:
        self_test()
    files = source_files.cpp_files()
    texts = {path: source_files.text_of(path) for path in files}
    aggregates = set()
    for text in texts.values():
        aggregates |= aggregates_in(source_files.blanked(text))
    findings = []
    for path, text in texts.items():
        if "co_await" in text:
            findings += [f"{path}:{line}: trap {kind}: see tests/lint/coroutine_traps.py"
                         for line, kind in findings_in(text, aggregates)]
    source_files.report(findings, "coroutine traps")


main()
