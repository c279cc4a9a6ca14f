#!/usr/bin/env python3
"""curl as publisher and reader against `rivulet trickle`: what an operator types by hand.

Argument: the binary."""

import re
import subprocess
import sys
import time
import unittest

import leftovers  # programs end with the test

RIVULET = sys.argv.pop(1)


def curl(*words, **options):
    return subprocess.Popen(["curl", "-sS", "--max-time", "20", *words], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def ask(*words, body=None):
    """The exit status and what came out."""
    running = curl(*words)
    out, _ = running.communicate(body, timeout=30)
    return running.returncode, out


class trickle_with_curl(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.process = subprocess.Popen(
            [RIVULET, "trickle", "-addr", "127.0.0.1:0", "-autocreate"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        ready = cls.process.stdout.readline()
        cls.base = "http://127.0.0.1:" + re.search(r"trickle [\w.:\[\]]*:(\d+)", ready).group(1)

    @classmethod
    def tearDownClass(cls):
        cls.process.terminate()
        cls.process.communicate(timeout=20)

    def test_a_live_upload_is_seen_by_a_waiting_reader_as_it_happens(self):
        url = self.base + "/live"
        self.assertEqual(ask("-X", "POST", "-H", "Expect-Content: text/plain", url)[0], 0)
        reader = curl("-N", url + "/0")
        writer = curl("-X", "POST", "-T", "-", url + "/0", bufsize=0)
        for word in (b"first", b"second", b"third"):
            begin = time.monotonic()
            writer.stdin.write(word)
            self.assertEqual(reader.stdout.read(len(word)), word)
            self.assertLess(time.monotonic() - begin, 2)
        self.assertIsNone(reader.poll(), "the segment is still open")
        writer.stdin.close()
        self.assertEqual(writer.wait(20), 0)
        self.assertEqual(reader.wait(20), 0)
        self.assertEqual(reader.stdout.read(), b"")
        for each in (reader, writer):
            each.stdout.close()
            each.stderr.close()
        reader.stdin.close()

    def test_whole_segments_come_back_with_their_headers(self):
        url = self.base + "/whole"
        data = bytes(range(256)) * 4000
        status, _ = ask("-f", "-H", "Content-Type: video/mp2t", "--data-binary", "@-", url + "/0",
                        body=data)
        self.assertEqual(status, 0)
        status, out = ask("-D", "-", url + "/0")
        head, _, body = out.partition(b"\r\n\r\n")
        self.assertEqual(body, data)
        for line in (b"Content-Type: video/mp2t", b"Lp-Trickle-Seq: 0", b"Lp-Trickle-Latest: 1"):
            self.assertIn(line, head)
        self.assertEqual(ask(url + "/next")[1], b"1")
        self.assertEqual(ask("-I", "-w", "%{http_code}", "-o", "/dev/null", url + "/0")[1], b"200")
        self.assertEqual(ask("-0", url + "/0")[1], data, "HTTP/1.0")
        self.assertEqual(ask("-w", "%{http_code}", url + "/9")[1], b"Entry not found470")

    def test_one_connection_serves_many_requests(self):
        url = self.base + "/reused"
        status, out = ask("-w", "%{num_connects}", "-d", "a", url + "/0",
                          "--next", "-sS", "-w", "%{num_connects}", "-d", "b", url + "/1",
                          "--next", "-sS", "-w", "%{num_connects}", url + "/[0-1]")
        self.assertEqual((status, out), (0, b"10a0b0"))

    def test_an_open_upload_to_nowhere_is_told_at_once(self):
        process = subprocess.Popen([RIVULET, "trickle", "-addr", "127.0.0.1:0"],
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            port = re.search(r":(\d+)", process.stdout.readline()).group(1)
            writer = curl("-X", "POST", "-T", ".", "-w", "%{http_code}",
                          f"http://127.0.0.1:{port}/nobody/0", bufsize=0)
            writer.stdin.write(b"begun")
            self.assertEqual(writer.stdout.read(), b"Stream not found\n404")
            writer.stdin.close()
            writer.wait(20)
            writer.stdout.close()
            writer.stderr.close()
        finally:
            process.terminate()
            process.communicate(timeout=20)

    def test_the_end_of_a_channel_reaches_its_readers(self):
        url = self.base + "/ending"
        ask("-X", "POST", url)
        reader = curl("-D", "-", url + "/-1")
        time.sleep(0.1)
        self.assertEqual(ask("-f", "-X", "DELETE", url)[0], 0)
        out, _ = reader.communicate(timeout=20)
        self.assertIn(b"Lp-Trickle-Closed: terminated", out)


if __name__ == "__main__":
    unittest.main()
