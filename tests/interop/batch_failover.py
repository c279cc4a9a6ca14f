#!/usr/bin/env python3
"""kill -9 of an orchestrator that works on a request: the client gets the result of another one, once, and
does not notice. Real processes; the runners behind the workers are here.

Argument: the binary."""

import json
import signal
import tempfile
import threading
import unittest
import urllib.request

import batch_jobs
from batch_jobs import RIVULET, process, until

PATIENCE = 30


class place:
    """An orchestrator with one runner, which answers when it is released."""

    def __init__(self, test):
        self.runner_side = batch_jobs.shared_by_runners()
        self.runner = batch_jobs.runner("text-to-image", self.runner_side)
        test.addCleanup(self.close)
        self.worker = test.enterContext(process(
            RIVULET, "worker", "-serviceAddr", "127.0.0.1:0", "-tls", "-runner", self.runner.url))

    def close(self):
        self.runner_side.released.set()
        self.runner.shutdown()
        self.runner.server_close()

    def asked(self):
        return list(self.runner_side.asked)


class failover(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.places = [place(self), place(self)]
        addresses = ",".join(f"127.0.0.1:{each.worker.port('worker')}" for each in self.places)
        self.gateway = self.enterContext(process(
            RIVULET, "-orchAddr", addresses, "-httpAddr", "127.0.0.1:0", "-rtmpAddr=", "-srtAddr=", "-webrtcAddr=",
            "-cliAddr", "127.0.0.1:0", "-jobStore", self.folder + "/jobs"))
        self.base = f"http://127.0.0.1:{self.gateway.port('http')}"

    def ask(self, path, body=None):
        request = urllib.request.Request(self.base + path, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
            return reply.status, json.loads(reply.read())

    def orchestrators_known(self):
        models = self.ask("/models")[1]["pipelines"].get("text-to-image", {}).get("models", {})
        return sum(each["orchestrators"] for each in models.values())

    def test_a_result_of_another_orchestrator_arrives_once(self):
        until("both orchestrators are known", lambda: self.orchestrators_known() == 2)
        answers = []

        def client():
            answers.append(self.ask("/text-to-image", b'{"prompt":"job number 7"}'))

        asking = threading.Thread(target=client)
        asking.start()
        until("one of them works on it", lambda: any(each.asked() for each in self.places))
        first, second = sorted(self.places, key=lambda each: not each.asked())
        self.assertEqual(second.asked(), [])
        first.worker.end(signal.SIGKILL)
        until("the other one works on it", second.asked, 5)
        second.runner_side.released.set()
        asking.join(PATIENCE)
        self.assertEqual(len(answers), 1)
        status, body = answers[0]
        self.assertEqual(status, 200)
        self.assertEqual([each["seed"] for each in body["images"]], [7])
        self.assertEqual((first.asked(), second.asked()), ([7], [7]))


if __name__ == "__main__":
    unittest.main(verbosity=2)
