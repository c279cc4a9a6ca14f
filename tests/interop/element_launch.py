#!/usr/bin/env python3
"""The launch line of docs/gstreamer.md and of gst-inspect-1.0, with a fakesink for a window, against the
real gateway: pictures come out, nothing leaks. Arguments: the binary, the plugin, the page."""

import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import leftovers  # programs end with the test

RIVULET, PLUGIN, PAGE = sys.argv[1:4]
del sys.argv[1:4]
SCRATCH = tempfile.TemporaryDirectory()


def environment(**more):
    found = {**os.environ, "GST_PLUGIN_PATH": os.path.dirname(PLUGIN),
             "GST_REGISTRY": os.path.join(SCRATCH.name, "registry.bin"), **more}
    sanitizer = os.environ.get("RIVULET_PRELOAD")
    if sanitizer:
        found["LD_PRELOAD"] = sanitizer
        # GLib and GStreamer keep caches of their own to the end; leaks are the tracer's matter.
        found["ASAN_OPTIONS"] = "detect_leaks=0"
    return found


def documented_line():
    with open(PAGE, encoding="utf-8") as page:
        return re.search(r"^gst-launch-1\.0 videotestsrc.*$", page.read(), re.MULTILINE).group(0)


class gateway:
    def __enter__(self):
        plain = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
        self.process = subprocess.Popen([RIVULET, "-httpAddr", "127.0.0.1:0", "-rtmpAddr=", "-srtAddr=", "-cliAddr="],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                        env=plain)
        ready = self.process.stdout.readline()
        self.url = "http://127.0.0.1:" + re.search(r"http [\w.:\[\]]*:(\d+)", ready).group(1)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=30)


def run_line(line, seconds, **more):
    """Runs it for so long from its start on and ends it as Ctrl-C does. Exit code and all output."""
    path = os.path.join(SCRATCH.name, "output")
    with open(path, "w+", encoding="utf-8", errors="replace") as output:
        process = subprocess.Popen(shlex.split(line), stdout=output, stderr=subprocess.STDOUT,
                                   env=environment(**more))
        until = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < until:
            with open(path, encoding="utf-8", errors="replace") as said:
                if "Setting pipeline to PLAYING" in said.read():
                    break
            time.sleep(0.1)
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
        output.seek(0)
        return process.returncode, output.read()


def setUpModule():
    # The registry is made once, and slowly.
    subprocess.run(["gst-inspect-1.0", "livepeerai"], capture_output=True, env=environment(), timeout=60)


class element(unittest.TestCase):
    def test_gst_inspect_reads_like_documentation(self):
        done = subprocess.run(["gst-inspect-1.0", "livepeerai"], capture_output=True, text=True,
                              env=environment(), timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        for word in ("gateway", "params", "token", "max-latency", "on-stall", "tls-verify", "stats",
                     "audio_sink", "audio_src", "passthrough", "changeable in NULL, READY, PAUSED or PLAYING"):
            self.assertIn(word, done.stdout)

    def test_the_line_of_gst_inspect_is_the_one_of_the_page(self):
        done = subprocess.run(["gst-inspect-1.0", "livepeerai"], capture_output=True, text=True,
                              env=environment(), timeout=60)
        self.assertIn(documented_line(), re.sub(r"\s+", " ", done.stdout))

    def test_the_line_shows_processed_pictures_and_leaks_nothing(self):
        with gateway() as running:
            line = documented_line().replace("http://127.0.0.1:8935", running.url)
            self.assertIn("autovideosink", line)
            line = line.replace("autovideosink", "fakesink name=seen silent=false sync=true")
            line = line.replace("gst-launch-1.0", "gst-launch-1.0 -v -m", 1)
            code, output = run_line(line, float(os.environ.get("ELEMENT_SECONDS", "6")),
                                    GST_TRACERS="leaks(check-refs=false)", GST_DEBUG="GST_TRACER:7",
                                    GST_DEBUG_NO_COLOR="1")
        self.assertEqual(code, 0, output[-4000:])
        self.assertIn("type=(string)connected", output)
        self.assertIn("type=(string)started", output)
        pictures = re.findall(r"chain\s+\*+ \(seen:sink\) \((\d+) bytes", output)
        self.assertGreater(len(pictures), 30, output[-4000:])
        leaks = re.findall(r"object-alive, type-name=\(string\)(?!%)[^;]*;", output)
        self.assertEqual(leaks, [])
        self.assertIn("object-alive", output, "the tracer was at work")
        self.assertNotIn("AddressSanitizer", output)
        self.assertNotIn("CRITICAL", output)

    def test_a_gateway_that_is_not_there_is_waited_for(self):
        line = documented_line().replace("http://127.0.0.1:8935", "http://127.0.0.1:9")
        line = line.replace("autovideosink", "fakesink").replace("gst-launch-1.0", "gst-launch-1.0 -m", 1)
        code, output = run_line(line, 3)
        self.assertEqual(code, 0, output)
        self.assertIn("type=(string)lost", output)
        self.assertNotIn("ERROR", output)


if __name__ == "__main__":
    unittest.main()
