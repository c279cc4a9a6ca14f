#!/usr/bin/python3
"""A Python runner behind `rivulet worker`, a gateway before it, ffmpeg publishing and playing: real
processes from the encoder's socket to the player's, with both dialects of runners.

Argument: the binary. Needs Debian's python3-aiohttp, hence /usr/bin/python3."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import leftovers  # programs end with the test

RIVULET = sys.argv.pop(1)
RUNNER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "aiohttp_runner.py")
PATIENCE = 20


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
        if self.running.poll() is None:
            self.running.terminate()
        try:
            self.running.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            self.running.kill()
            self.running.communicate()
        if failure:
            self.log.seek(0)
            print(" ".join(self.words[:2]), "wrote:\n" + self.log.read(), file=sys.stderr)
        self.log.close()

    def port(self, name):
        return int(re.search(rf"\b{name} [\w.:\[\]]*:(\d+)", self.ready)[1])


def ask(url, body=None):
    request = urllib.request.Request(
        url, json.dumps(body).encode() if body is not None else None,
        {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as reply:
        text = reply.read()
    return json.loads(text) if text else None


def until(what, found, patience=PATIENCE):
    """What `found` gives as soon as it gives anything."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        try:
            if result := found():
                return result
        except urllib.error.HTTPError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"not within {patience} s: {what}")


class network:
    """Runner, worker with TLS and gRPC, gateway."""

    def __init__(self, kind, model):
        self.kind, self.model = kind, model

    def __enter__(self):
        self.all = []
        try:
            self.runner = self.start("/usr/bin/python3", RUNNER, "--kind", self.kind, "--model", self.model)
            self.runner_url = "http://127.0.0.1:" + self.runner.ready.split()[1]
            self.worker = self.start(RIVULET, "worker", "-serviceAddr", "127.0.0.1:0", "-tls",
                                     "-runner", self.runner_url, "-checkTokens")
            # As operators write it: no scheme means TLS.
            self.gateway = self.start(
                RIVULET, "-orchAddr", f"127.0.0.1:{self.worker.port('worker')}", "-httpAddr", "127.0.0.1:0",
                "-rtmpAddr", "127.0.0.1:0", "-srtAddr=", "-webrtcAddr=", "-cliAddr", "127.0.0.1:0")
            self.api = f"http://127.0.0.1:{self.gateway.port('http')}/live/video-to-video"
            self.rtmp = f"rtmp://127.0.0.1:{self.gateway.port('rtmp')}/live"
            self.private = f"http://127.0.0.1:{self.gateway.port('private')}"
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def start(self, *words):
        self.all.append(process(*words).__enter__())
        return self.all[-1]

    def __exit__(self, *failure):
        for one in reversed(self.all):
            one.__exit__(*failure)

    def publish(self, name, params):
        query = f"pipeline={self.model}&params={urllib.request.quote(json.dumps(params))}"
        return subprocess.Popen(
            ["ffmpeg", "-nostdin", "-v", "error", "-re", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=25",
             "-f", "lavfi", "-i", "sine=sample_rate=48000", "-c:v", "libx264", "-preset", "ultrafast",
             "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "25", "-c:a", "aac", "-t", "60",
             "-f", "flv", f"{self.rtmp}/{name}?{query}"], stdin=subprocess.DEVNULL)

    def log(self):
        return ask(self.runner_url + "/test/log")

    def logged(self, what):
        return [value for name, value in self.log() if name == what]

    def status(self, name):
        return ask(f"{self.api}/{name}/status")


def play(url, seconds):
    """What ffmpeg finds in that much of the stream: codec to number of packets, and the pictures' times."""
    with tempfile.TemporaryDirectory() as folder:
        file = folder + "/played.ts"
        subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-i", url, "-t", str(seconds), "-c", "copy",
                        "-f", "mpegts", file], check=True, timeout=40, stdin=subprocess.DEVNULL)
        found = json.loads(subprocess.run(
            ["ffprobe", "-v", "error", "-show_streams", "-show_packets", "-of", "json", file],
            check=True, capture_output=True, timeout=20).stdout)
        # The pictures are real: every one decodes.
        decoded = subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-xerror", "-i", file, "-f", "null", "-"],
                                 capture_output=True, text=True, timeout=20)
    codecs = {stream["index"]: stream["codec_name"] for stream in found["streams"]}
    packets = {}
    for packet in found["packets"]:
        packets.setdefault(codecs[packet["stream_index"]], []).append(float(packet["dts_time"]))
    return packets, decoded


class a_runner_behind_a_worker:
    def test_a_stream_goes_through_encoder_gateway_worker_runner_and_back(self):
        with network(self.kind, self.model) as here:
            offered = until("the gateway knows the worker's model", lambda: self.models(here))
            self.assertEqual(list(offered), [self.model])
            self.assertEqual(offered[self.model]["runnerVersion"], "0.14.0")
            publisher = here.publish("cam", {"strength": 1})
            try:
                until("processed video", lambda: here.status("cam")["gateway_status"]["state"] == "live")
                packets, decoded = play(here.rtmp + "/cam-out", 3)
                self.assertGreater(len(packets["h264"]), 60)
                self.assertGreater(len(packets["aac"]), 100)
                self.assertEqual(packets["h264"], sorted(set(packets["h264"])))
                self.assertEqual((decoded.returncode, decoded.stderr), (0, ""))

                [start] = here.logged("start")
                self.assertEqual(start["params"], {"strength": 1})
                ask(f"{here.api}/cam/update", {"strength": 2, "prompt": "ein Fluß"})
                until("the runner has the update", lambda: here.logged("params"))
                self.assertEqual(here.logged("params"), [{"strength": 2, self.workflow: "ein Fluß"}])
                until("/status shows what the runner works with", lambda: here.status("cam")[
                    "inference_status"]["last_params"].get("strength") == 2)
                self.assertEqual(here.status("cam")["gateway_status"]["swaps"]["count"], 0)
            finally:
                publisher.terminate()
                publisher.wait(timeout=20)
            until("the runner's stream ends with the publisher", lambda: here.logged("ended"))

            # The place is free again.
            publisher = here.publish("again", {})
            try:
                until("video of the next stream",
                      lambda: here.status("again")["gateway_status"]["state"] == "live")
                self.assertEqual(len(here.logged("start")), 2)
            finally:
                publisher.terminate()
                publisher.wait(timeout=20)

    def test_a_runner_that_is_killed_leaves_its_stream_waiting_with_the_reason(self):
        with network(self.kind, self.model) as here:
            until("the gateway knows the worker's model", lambda: self.models(here))
            publisher = here.publish("cam", {})
            try:
                until("processed video", lambda: here.status("cam")["gateway_status"]["state"] == "live")
                here.runner.running.send_signal(signal.SIGKILL)
                told = until("the stream says that it has no orchestrator",
                             lambda: (lambda s: s["state"] != "live" and s)(here.status("cam")["gateway_status"]))
                self.assertRegex(told["summary"], "orchestrator")
                # The source still comes in and can be watched.
                packets, _ = play(here.rtmp + "/cam", 1)
                self.assertGreater(len(packets["h264"]), 20)
                self.assertIsNone(publisher.poll())
            finally:
                publisher.terminate()
                publisher.wait(timeout=20)

    def models(self, here):
        [one] = ask(here.private + "/getNetworkCapabilities")["orchestrators"] or [{}]
        return ((one.get("capabilities") or {}).get("constraints") or {}).get(
            "PerCapability", {}).get("35", {}).get("models")


class ai_runner(a_runner_behind_a_worker, unittest.TestCase):
    kind, model, workflow = "ai", "noop", "prompt"

    def test_the_runner_is_told_the_model_and_the_channels_of_the_worker(self):
        with network(self.kind, self.model) as here:
            until("the gateway knows the worker's model", lambda: self.models(here))
            publisher = here.publish("cam", {})
            try:
                [start] = until("the start", lambda: here.logged("start"))
            finally:
                publisher.terminate()
                publisher.wait(timeout=20)
            self.assertEqual(start["model_id"], self.model)
            for key in ("subscribe_url", "publish_url", "control_url", "events_url"):
                self.assertIn(f":{here.worker.port('worker')}/ai/trickle/", start[key])


class stream_runner(a_runner_behind_a_worker, unittest.TestCase):
    # The one word for a workflow that these runners read in an update.
    kind, model, workflow = "stream", "comfyui", "prompts"


if __name__ == "__main__":
    unittest.main(verbosity=2)
