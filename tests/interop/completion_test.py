#!/usr/bin/env python3
"""Completion as a shell uses it: the script that the program prints, in a real bash (and zsh and fish
where they are installed). Argument: the binary."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

RIVULET = sys.argv.pop(1)


def script(option):
    return subprocess.run([RIVULET, option], capture_output=True, text=True, check=True, timeout=20).stdout


class bash(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.script = os.path.join(cls.folder.name, "rivulet")
        with open(cls.script, "w", encoding="utf-8") as file:
            file.write(script("-helpBash"))
        for name in ("cert.pem", "key with blank.pem"):
            open(os.path.join(cls.folder.name, name), "w", encoding="utf-8").close()
        os.mkdir(os.path.join(cls.folder.name, "results"))

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def complete(self, *words):
        """What is offered for the last of the words behind `rivulet`."""
        given = " ".join("'" + w + "'" for w in ("rivulet", *words))
        done = subprocess.run(
            ["bash", "--norc", "-c", f". ./rivulet; COMP_WORDS=({given}); COMP_CWORD={len(words)}; _rivulet; "
             'printf "%s\\n" "${COMPREPLY[@]}"'],
            cwd=self.folder.name, capture_output=True, text=True, timeout=20)
        self.assertEqual(done.stderr, "")
        return [line for line in done.stdout.splitlines() if line]

    def test_offers_the_commands_and_the_gateways_options_first(self):
        self.assertEqual(self.complete("wo"), ["worker"])
        offered = self.complete("")
        for word in ("worker", "trickle", "hash-key", "-httpAddr"):
            self.assertIn(word, offered)
        self.assertNotIn("-serviceAddr", offered)

    def test_offers_the_options_of_the_command(self):
        self.assertEqual(self.complete("-httpA"), ["-httpAddr"])
        self.assertEqual(self.complete("worker", "-serviceA"), ["-serviceAddr"])
        self.assertEqual(self.complete("trickle", "-httpA"), [])
        self.assertEqual(self.complete("gateway", "--rtmpA"), ["--rtmpAddr"])

    def test_offers_choices_in_both_spellings(self):
        self.assertEqual(self.complete("-swapFiller", ""), ["freeze", "source", "none"])
        self.assertEqual(self.complete("-swapFiller", "=", "fr"), ["freeze"])
        self.assertEqual(self.complete("-swapFiller", "="), ["freeze", "source", "none"])
        self.assertEqual(self.complete("-cors", "="), ["true", "false"])
        self.assertEqual(self.complete("-v", "de"), ["debug"])

    def test_offers_files_and_folders_where_they_are_wanted(self):
        self.assertEqual(sorted(self.complete("-tlsCert", "ce")), ["cert.pem"])
        self.assertEqual(self.complete("-config", "key"), ["key with blank.pem"])
        self.assertEqual(self.complete("-resultStore", ""), ["results"])

    def test_offers_nothing_for_a_value_that_it_can_not_know_and_options_behind_a_switch(self):
        self.assertEqual(self.complete("-httpAddr", ""), [])
        self.assertEqual(self.complete("-cors", "-httpA"), ["-httpAddr"])
        self.assertEqual(self.complete("-httpAddr", ":1", "-rtmpA"), ["-rtmpAddr"])


@unittest.skipUnless(shutil.which("fish"), "fish is not installed")
class fish(unittest.TestCase):
    def complete(self, line):
        with tempfile.NamedTemporaryFile("w", suffix=".fish") as file:
            file.write(script("-helpFish"))
            file.flush()
            done = subprocess.run(["fish", "--no-config", "-c", f"source {file.name}; complete -C '{line}'"],
                                  capture_output=True, text=True, timeout=20)
        self.assertEqual(done.stderr, "")
        return [offered.split("\t")[0] for offered in done.stdout.splitlines()]

    def test_offers_commands_options_and_choices(self):
        self.assertEqual(self.complete("rivulet wo"), ["worker"])
        self.assertEqual(self.complete("rivulet worker -serviceA"), ["-serviceAddr"])
        self.assertEqual(self.complete("rivulet trickle -httpA"), [])
        self.assertEqual(self.complete("rivulet -swapFiller "), ["freeze", "none", "source"])


class other_shells(unittest.TestCase):
    def test_take_the_script(self):
        for shell, option in (("bash", "-helpBash"), ("zsh", "-helpZsh"), ("fish", "-helpFish")):
            if not shutil.which(shell):
                continue
            with self.subTest(shell), tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
                file.write(script(option))
                file.flush()
                done = subprocess.run([shell, "-n", file.name], capture_output=True, text=True, timeout=20)
                self.assertEqual((done.returncode, done.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
