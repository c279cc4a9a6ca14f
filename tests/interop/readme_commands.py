#!/usr/bin/env python3
"""The README's commands for the batch pipelines, run as they stand there against a gateway that has
only its built-in models. Arguments: the binary, the README."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest
import urllib.request

import leftovers  # programs end with the test

README = sys.argv.pop(2)
RIVULET = sys.argv.pop(1)
WITHOUT_MODEL = {"segment-anything-2", "llm"}


def commands():
    """Pipeline → the README's curl."""
    with open(README) as page:
        section = page.read().split("### Pictures, sound and text")[1].split("\n### ")[0]
    found = re.findall(r"^(curl .* http://127\.0\.0\.1:8935/([a-z0-9-]+))$", section, re.MULTILINE)
    return {pipeline: line for line, pipeline in found}


class readme(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.gateway = subprocess.Popen(
            [RIVULET, "-httpAddr", "127.0.0.1:0", "-rtmpAddr", "", "-srtAddr", "", "-webrtcAddr", "",
             "-cliAddr", ""],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        port = re.search(r"http [\w.]*:(\d+)", cls.gateway.stdout.readline())[1]
        cls.base = f"http://127.0.0.1:{port}"
        # What the commands read: a picture and a sound of the gateway's own.
        cls.fetch(cls.answer("text-to-image")["images"][0]["url"], "in.png")
        cls.fetch(cls.answer("text-to-speech")["audio"]["url"], "in.wav")

    @classmethod
    def tearDownClass(cls):
        cls.gateway.send_signal(signal.SIGTERM)
        cls.gateway.communicate(timeout=30)
        cls.folder.cleanup()

    @classmethod
    def run_command(cls, pipeline):
        """Status and body."""
        line = commands()[pipeline].replace("http://127.0.0.1:8935", cls.base)
        done = subprocess.run(line + " -sS -w '\\n%{http_code}'", shell=True, cwd=cls.folder.name,
                              capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise AssertionError(f"{line}: {done.stderr}")
        body, status = done.stdout.rsplit("\n", 1)
        return int(status), json.loads(body)

    @classmethod
    def answer(cls, pipeline):
        status, body = cls.run_command(pipeline)
        if status != 200:
            raise AssertionError(f"{pipeline} was answered {status}: {body}")
        return body

    @classmethod
    def fetch(cls, url, name=None):
        """Type and bytes of a result; with `name` it is kept as a file for later commands."""
        with urllib.request.urlopen(cls.base + url, timeout=20) as reply:
            kind, content = reply.headers["Content-Type"], reply.read()
        if name:
            with open(os.path.join(cls.folder.name, name), "wb") as file:
                file.write(content)
        return kind, content

    def test_there_is_a_command_for_each_of_the_nine_pipelines(self):
        self.assertEqual(len(commands()), 9)

    def test_pictures_and_videos_can_be_fetched(self):
        for pipeline, kind, begins in [("image-to-image", "image/png", b"\x89PNG"), ("upscale", "image/png", b"\x89PNG"),
                                       ("image-to-video", "video/mp4", b"")]:
            with self.subTest(pipeline):
                got, content = self.fetch(self.answer(pipeline)["images"][0]["url"])
                self.assertEqual(got, kind)
                self.assertTrue(content.startswith(begins))
                self.assertGreater(len(content), 500)

    def test_the_text_of_a_picture_is_read(self):
        self.assertIn("river", self.answer("image-to-text")["text"])

    def test_speech_is_heard(self):
        answer = self.answer("audio-to-text")
        self.assertIsInstance(answer["text"], str)
        self.assertIsInstance(answer["chunks"], list)

    def test_a_pipeline_without_a_model_says_so(self):
        for pipeline in WITHOUT_MODEL:
            with self.subTest(pipeline):
                status, body = self.run_command(pipeline)
                self.assertEqual(status, 503)
                self.assertIn("no orchestrators available", body["error"]["message"])
                self.assertEqual(body["detail"]["msg"], body["error"]["message"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
