#!/usr/bin/env python3
"""Asynchronous jobs and kill -9: a gateway that dies with jobs in flight, its successor, and a second one
on the same journal. Real processes; the runners behind the worker are here.

Argument: the binary."""

import base64
import http.server
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request
import zlib

import leftovers  # programs end with the test

RIVULET = sys.argv.pop(1)
PATIENCE = 60
JOBS = 20
MODELS = {"text-to-image": "stabilityai/sdxl-turbo", "upscale": "stabilityai/stable-diffusion-x4-upscaler"}


def png(width, height):
    """Noise, so that it has the size of a photograph."""
    def chunk(kind, data):
        return (len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big"))
    rows = b"".join(b"\0" + os.urandom(width * 3) for _ in range(height))
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes((8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


class runner(http.server.ThreadingHTTPServer):
    """One pipeline's runner; it answers a request when `released`."""
    daemon_threads = True

    def __init__(self, pipeline, shared):
        super().__init__(("127.0.0.1", 0), runner_request)
        self.pipeline, self.shared = pipeline, shared
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        """A worker that leaves is no news."""


class runner_request(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def reply(self, value, status=200):
        text = json.dumps(value).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
        except OSError:
            self.close_connection = True

    def do_GET(self):
        facts = {"pipeline": self.server.pipeline, "model_id": MODELS[self.server.pipeline],
                 "version": "0.14.1", "status": "OK", "gpu_info": {}}
        known = self.path in ("/health", "/version", "/hardware/info")
        self.reply(facts if known else {}, 200 if known else 404)

    def read_body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def do_POST(self):
        body = self.read_body()
        marks = re.findall(rb"job number (\d+)", body)
        shared = self.server.shared
        with shared.lock:
            shared.asked.append(int(marks[0]))
            if self.server.pipeline == "upscale" and shared.picture not in body:
                shared.damaged.append(int(marks[0]))
        shared.released.wait(PATIENCE)
        self.reply({"images": [{"url": "data:image/png;base64," + shared.answer, "seed": int(marks[0]),
                                "nsfw": False}]})

    def log_message(self, *_):
        pass


class shared_by_runners:
    def __init__(self):
        self.lock, self.released = threading.Lock(), threading.Event()
        self.asked, self.damaged = [], []
        self.picture = png(300, 300)
        self.answer = base64.b64encode(png(8, 8)).decode()


class process:
    """A server until the end of the with block; `ready` is its first line."""

    def __init__(self, *words):
        self.words = words

    def __enter__(self):
        self.log = tempfile.TemporaryFile("w+")
        self.running = subprocess.Popen(self.words, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.ready = self.running.stdout.readline()
        return self

    def __exit__(self, failure, *_):
        self.end(signal.SIGTERM)
        if failure:
            print(" ".join(self.words[:2]), "wrote:\n" + self.text(), file=sys.stderr)
        self.log.close()

    def end(self, how):
        if self.running.poll() is None:
            self.running.send_signal(how)
        try:
            self.running.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            self.running.kill()
            self.running.communicate()

    def text(self):
        self.log.seek(0)
        return self.log.read()

    def port(self, name):
        return int(re.search(rf"\b{name} [\w.:\[\]]*:(\d+)", self.ready)[1])


def until(what, found, patience=PATIENCE):
    """What `found` gives as soon as it gives anything."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if result := found():
            return result
        time.sleep(0.05)
    raise AssertionError(f"not within {patience} s: {what}")


def gateway_words(worker, folder, results="results"):
    return [RIVULET, "-orchAddr", f"127.0.0.1:{worker.port('worker')}", "-httpAddr", "127.0.0.1:0",
            "-rtmpAddr=", "-srtAddr=", "-webrtcAddr=", "-cliAddr", "127.0.0.1:0",
            "-jobStore", folder + "/jobs", "-resultStore", f"{folder}/{results}", "-resultUrls", "path"]


class gateway:
    def __init__(self, worker, folder):
        self.process = process(*gateway_words(worker, folder))

    def __enter__(self):
        self.process.__enter__()
        if " http " not in self.process.ready:
            self.process.__exit__(AssertionError)
            raise AssertionError("the gateway does not start")
        self.base = f"http://127.0.0.1:{self.process.port('http')}"
        return self

    def __exit__(self, *failure):
        self.process.__exit__(*failure)

    def ask(self, path, body=None, kind="application/json", method=None, **headers):
        request = urllib.request.Request(self.base + path, body, {"Content-Type": kind, **headers}, method=method)
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.status, reply.read(), reply.headers

    def json(self, path):
        return json.loads(self.ask(path)[1])

    def knows_models(self):
        pipelines = self.json("/models")["pipelines"]
        return all(MODELS[name] in pipelines.get(name, {}).get("models", {}) for name in MODELS)

    def accept(self, number, picture):
        prompt = f"job number {number}"
        if number % 2:
            body, kind = json.dumps({"prompt": prompt}).encode(), "application/json"
            path = "/text-to-image"
        else:
            boundary = "a-boundary-of-the-test"
            body = (f"--{boundary}\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n"
                    "Content-Type: image/png\r\n\r\n").encode() + picture
            body += (f"\r\n--{boundary}\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\n{prompt}\r\n"
                     f"--{boundary}--\r\n").encode()
            path, kind = "/upscale", f"multipart/form-data; boundary={boundary}"
        status, text, headers = self.ask(path, body, kind, Prefer="respond-async")
        made = json.loads(text)
        assert status == 202 and headers["Location"] == "/jobs/" + made["id"], (status, text)
        return made["id"]


class jobs_and_kill_9(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.shared = shared_by_runners()
        self.runners = [runner(name, self.shared) for name in MODELS for _ in range(3)]
        self.addCleanup(self.close_runners)
        self.worker = self.enterContext(process(
            RIVULET, "worker", "-serviceAddr", "127.0.0.1:0", "-tls",
            "-runner", ",".join(each.url for each in self.runners)))

    def close_runners(self):
        self.shared.released.set()
        for each in self.runners:
            each.shutdown()
            each.server_close()

    def start_gateway(self):
        return gateway(self.worker, self.folder)

    def test_all_jobs_that_were_in_flight_are_accounted_for(self):
        with self.start_gateway() as first:
            until("the gateway knows the models", first.knows_models)
            ids = [first.accept(i, self.shared.picture) for i in range(JOBS)]
            until("some are at the runners", lambda: len(self.shared.asked) >= 6)
            statuses = [first.json("/jobs/" + each)["status"] for each in ids]
            self.assertIn("running", statuses)
            self.assertTrue({"queued", "running"} >= set(statuses), statuses)
            first.process.end(signal.SIGKILL)
        self.assertEqual(len(os.listdir(self.folder + "/jobs/uploads")), JOBS // 2)
        self.shared.released.set()
        with self.start_gateway() as second:
            def all_over():
                self.seen = {each: second.json("/jobs/" + each) for each in ids}
                return all(each["status"] in ("done", "failed") for each in self.seen.values())
            until("all jobs are over", all_over)
            for number, each in enumerate(ids):
                job = self.seen[each]
                self.assertEqual(job["status"], "done", job)
                [image] = job["result"]["images"]
                self.assertEqual(image["seed"], number)
                status, picture, headers = second.ask(image["url"])
                self.assertEqual((status, headers["Content-Type"]), (200, "image/png"))
                self.assertTrue(picture.startswith(b"\x89PNG"))
            self.assertEqual(set(self.shared.asked), set(range(JOBS)))
            self.assertEqual(self.shared.damaged, [])
            until("no upload is left", lambda: not os.listdir(self.folder + "/jobs/uploads"))
        # An orderly end and a further start: the results are still there.
        with self.start_gateway() as third:
            self.assertEqual(third.json("/jobs/" + ids[3])["result"], self.seen[ids[3]]["result"])

    def test_two_gateways_can_not_share_a_journal(self):
        with self.start_gateway():
            second = subprocess.run(gateway_words(self.worker, self.folder, "others"), stdin=subprocess.DEVNULL,
                                    capture_output=True, text=True, timeout=20)
        self.assertNotEqual(second.returncode, 0)
        self.assertRegex(second.stderr, "job journal .*/jobs/jobs.sqlite is in use by another process")


if __name__ == "__main__":
    unittest.main(verbosity=2)
