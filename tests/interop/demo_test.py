#!/usr/bin/env python3
"""The demo keeps its promise: a negative of the input, the files, the report, the exit code.
Arguments: the demo, the rivulet binary."""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import unittest

import leftovers  # programs end with the test

DEMO, RIVULET = sys.argv.pop(1), sys.argv.pop(1)
TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM
USUAL_PORTS = ((8935, TCP), (1935, TCP), (5935, TCP), (8890, UDP))


def demo(*arguments, **environment):
    return subprocess.run([DEMO, "--rivulet", RIVULET, *arguments], capture_output=True, text=True, timeout=120,
                          env={**os.environ, **environment})


def similarity(first, second, before=""):
    """PSNR in dB of two pictures, after a filter on the first; 100 for equal ones."""
    done = subprocess.run(["ffmpeg", "-hide_banner", "-i", first, "-i", second, "-lavfi",
                           f"[0]{before or 'null'},format=gbrp[a];[1]format=gbrp[b];[a][b]psnr", "-f", "null", "-"],
                          capture_output=True, text=True)
    average = re.search(r"average:(\w+\.?\d*)", done.stderr).group(1)
    return 100.0 if average == "inf" else float(average)


class the_demo(unittest.TestCase):
    def test_shows_a_negative_and_measures_it(self):
        with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as taken:
            # Another gateway has the usual ports: the demo takes others.
            for port, kind in USUAL_PORTS:
                other = taken.enter_context(socket.socket(type=kind))
                with contextlib.suppress(OSError):  # somebody has it: as good
                    other.bind(("127.0.0.1", port))
                    if kind == socket.SOCK_STREAM:
                        other.listen()
            out = os.path.join(folder, "out")
            done = demo("--for", "6", "--out", out, "--graph", "negate")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertEqual(sorted(os.listdir(out)), ["in.png", "out.mp4", "out.png", "report.json"])
            with open(os.path.join(out, "report.json"), encoding="utf-8") as file:
                report = json.load(file)
            # Half of the real rate is enough here: the machine may be busy.
            self.assertGreater(report["frames_in"], 150)
            self.assertGreater(report["frames_out"], 75)
            self.assertGreater(report["fps_out"], 15)
            self.assertLessEqual(report["latency_p50_ms"], report["latency_p99_ms"])
            self.assertLess(report["first_processed_frame_after_ms"], 4000)
            pictures = os.path.join(out, "in.png"), os.path.join(out, "out.png")
            self.assertGreater(similarity(*pictures, before="negate"), 24)
            self.assertLess(similarity(*pictures), 15)
            self.assertRegex(done.stdout, r"(?m)^ +5 s   in +\d+ fps   out +\d+ fps   latency p50")

    def test_publishes_a_file_of_another_format(self):
        with tempfile.TemporaryDirectory() as folder:
            film = os.path.join(folder, "film with blanks.mkv")
            subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=321x241:rate=25",
                            "-t", "3", "-c:v", "mpeg4", film], check=True)
            out = os.path.join(folder, "out")
            done = demo("--for", "4", "--out", out, "--input", film)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_fails_and_says_why_when_nothing_comes_out(self):
        with tempfile.TemporaryDirectory() as folder, socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))  # bound, but nobody listens
            out = os.path.join(folder, "out")
            done = demo("--for", "3", "--out", out, LP_ORCHADDR=f"http://127.0.0.1:{nobody.getsockname()[1]}")
            self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
            self.assertIn("no processed video came", done.stderr)
            self.assertFalse(os.path.exists(os.path.join(out, "out.png")))

    def test_fails_with_the_words_of_the_worker_for_a_bad_graph(self):
        done = demo("--for", "3", "--graph", "nosuchfilter")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn('the worker says: filter graph: filter "nosuchfilter"', done.stderr)

    def test_refuses_what_is_no_film(self):
        with tempfile.NamedTemporaryFile(suffix=".txt") as file:
            file.write(b"not a film\n")
            file.flush()
            done = demo("--for", "3", "--input", file.name)
        self.assertEqual(done.returncode, 1)
        self.assertIn("holds no video", done.stderr)

    def test_explains_bad_arguments(self):
        for arguments, text in ((["--for", "x"], "takes seconds"), (["--out"], "needs a value"),
                                (["--nope", "1"], "unknown option")):
            done = demo(*arguments)
            self.assertEqual(done.returncode, 2)
            self.assertIn(text, done.stderr)


if __name__ == "__main__":
    unittest.main()
