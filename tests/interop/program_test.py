#!/usr/bin/env python3
"""The program as an operator meets it: options, pages, exit codes, signals. Argument: the binary."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import leftovers  # programs end with the test

RIVULET = sys.argv.pop(1)
REST = ["-srtAddr", "127.0.0.1:0", "-cliAddr", "127.0.0.1:0"]
ANY = ["-httpAddr", "127.0.0.1:0", "-rtmpAddr", "127.0.0.1:0", *REST]


def run(*arguments, **environment):
    return subprocess.run([RIVULET, *arguments], capture_output=True, text=True, timeout=20,
                          env={"PATH": os.environ["PATH"], **environment})


class running:
    """A rivulet process until the end of the with block; `ports` are what it announced."""

    def __init__(self, *arguments, env=None):
        self.arguments, self.env = arguments, env

    def __enter__(self):
        self.process = subprocess.Popen([RIVULET, *self.arguments], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, env=self.env)
        self.ready = self.process.stdout.readline()
        self.ports = {name: int(port) for name, port in re.findall(r"(\w+) [\w.:\[\]]*:(\d+)", self.ready.split("ready:")[-1])}
        return self

    def __exit__(self, *_):
        self.end(signal.SIGKILL)

    def end(self, how):
        """Exit code and log."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        _, log = self.process.communicate(timeout=30)
        return self.process.returncode, log

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['http']}{path}", timeout=10) as reply:
            return reply.read().decode()


class pages(unittest.TestCase):
    def test_version_names_program_and_number(self):
        done = run("-version")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"^rivulet \d+\.\d+\.\d+\n$")

    def test_each_command_has_its_own_help(self):
        self.assertIn("-rtmpAddr HOST:PORT", run("--help").stdout)
        self.assertIn("-serviceAddr HOST:PORT", run("worker", "-help").stdout)
        self.assertIn("-autocreate", run("trickle", "-h").stdout)
        self.assertNotIn("-rtmpAddr", run("trickle", "-h").stdout)

    def test_print_config_shows_what_would_be_used(self):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write("# mine\nmaxStreams 7\nminSegDuration=2s\n")
            file.flush()
            done = run("-printConfig", "-config", file.name, "-maxStreams", "9", LP_SHARDS="3",
                       LP_MAXSTREAMS="8")
        lines = done.stdout.splitlines()
        for line in ("maxStreams=9", "minSegDuration=2s", "shards=3"):
            self.assertIn(line, lines)


class start(unittest.TestCase):
    def test_fails_with_code_2_and_one_sentence_for_a_bad_option(self):
        done = run("-htpAddr", ":1")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertEqual(done.stderr, "rivulet: unknown option -htpAddr; did you mean -httpAddr?\n")

    def test_fails_with_code_2_and_the_name_of_a_config_file_that_can_not_be_read(self):
        with tempfile.TemporaryDirectory() as folder:
            for path in (folder, f"{folder}/missing"):
                done = run("-config", path)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertEqual(done.stderr, f"rivulet: -config: cannot read {path}\n")

    def test_fails_with_code_1_and_the_option_that_can_not_be_obeyed(self):
        # Nobody can make or write a file in /proc, whoever runs this.
        for option, value, why in (("-uploadFolder", "/proc/uploads", "/proc/uploads can't be made"),
                                   ("-uploadFolder", "/proc", "/proc can't be written"),
                                   ("-liveAIAuthWebhookUrl", "notaurl", "http"),
                                   ("-streamKeys", "/nonexistent", "/nonexistent: No such file"),
                                   ("-resultStore", "/proc/results", "can't make /proc/results"),
                                   ("-jobStore", "/proc/jobs", "/proc/jobs can't be made"),
                                   ("-orchAddr", "http://", "no host")):
            done = run(*ANY, option, value)
            self.assertEqual((done.returncode, done.stdout), (1, ""), (option, done.stderr))
            self.assertRegex(done.stderr, f"cannot start: {option}: .*{why}")

    def test_makes_the_folder_for_uploads(self):
        with tempfile.TemporaryDirectory() as folder:
            with running("-uploadFolder", f"{folder}/a/b", *ANY) as gateway:
                self.assertIn("ready", gateway.ready)
                self.assertEqual(os.listdir(f"{folder}/a/b"), [])
                self.assertEqual(gateway.end(signal.SIGTERM)[0], 0)

    def test_fails_with_code_1_and_the_address_when_a_port_is_taken(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            for arguments in (["-httpAddr", f"127.0.0.1:{port}", "-rtmpAddr=", *REST],
                              ["-httpAddr", "127.0.0.1:0", "-rtmpAddr", f"127.0.0.1:{port}", *REST],
                              ["worker", "-serviceAddr", f"127.0.0.1:{port}"],
                              ["trickle", "-addr", f"127.0.0.1:{port}"]):
                done = run(*arguments)
                self.assertEqual((done.returncode, done.stdout), (1, ""), arguments)
                self.assertIn(f"{port}", done.stderr)

    def test_of_a_go_livepeer_command_line_works_and_names_what_is_ignored(self):
        with running("-gateway", "-network", "offchain", "-httpIngest", "-v", "6",
                     "-gasLimit", "21", *ANY) as gateway:
            self.assertIn("http", gateway.ports)
            code, log = gateway.end(signal.SIGTERM)
        self.assertEqual(code, 0)
        self.assertNotIn("-network is ignored:", log)
        self.assertIn("-gasLimit is ignored:", log)

    def test_a_chain_without_a_node_of_it_ends_the_start_with_the_cure(self):
        done = run("-network", "arbitrum-one-mainnet", *ANY)
        self.assertEqual(done.returncode, 1)
        self.assertIn("-network arbitrum-one-mainnet needs -ethUrl", done.stderr)


class service_manager(unittest.TestCase):
    def test_hears_when_the_doors_are_open_and_when_the_process_is_ending(self):
        for at in ("", "@"):
            with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
                name = f"{at}{folder}/notify"
                notices.bind("\0" + name[1:] if at else name)
                notices.settimeout(20)
                with running(*ANY, env={"PATH": os.environ["PATH"], "NOTIFY_SOCKET": name}) as gateway:
                    doors = notices.recv(4096).decode()
                    self.assertRegex(doors, r"^READY=1\nSTATUS=http 127\.0\.0\.1:\d+, rtmp 127\.0\.0\.1:\d+")
                    self.assertIn(doors.split("STATUS=")[1], gateway.ready)
                    code, _ = gateway.end(signal.SIGTERM)
                    self.assertEqual(notices.recv(4096), b"STOPPING=1")
                    self.assertEqual(code, 0)

    def test_hears_it_though_it_is_busy_at_that_moment(self):
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices, \
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as others:
            name = f"{folder}/notify"
            notices.bind(name)
            notices.settimeout(20)
            others.setblocking(False)
            waiting = 0
            with self.assertRaises(BlockingIOError):
                while True:
                    others.sendto(b"other", name)
                    waiting += 1
            with running(*ANY, env={"PATH": os.environ["PATH"], "NOTIFY_SOCKET": name}) as gateway:
                # The announcement comes first: nobody listens until then.
                self.assertIn("ready", gateway.ready)
                time.sleep(0.3)
                for _ in range(waiting):
                    self.assertEqual(notices.recv(4096), b"other")
                self.assertRegex(notices.recv(4096), rb"^READY=1\n")
                self.assertEqual(gateway.end(signal.SIGTERM)[0], 0)

    def test_that_nobody_hears_is_no_reason_to_fail_but_a_warning(self):
        for name in ("/no/such/socket", "relative", "@", "/" + "x" * 200):
            with running(*ANY, env={"PATH": os.environ["PATH"], "NOTIFY_SOCKET": name}) as gateway:
                self.assertIn("ready", gateway.ready)
                code, log = gateway.end(signal.SIGTERM)
                self.assertEqual(code, 0)
                self.assertIn("the service manager was not told READY=1", log)


class life(unittest.TestCase):
    def test_gateway_answers_and_ends_with_code_0_at_either_signal(self):
        for how in (signal.SIGTERM, signal.SIGINT):
            with running(*ANY) as gateway:
                self.assertEqual(json.loads(gateway.get("/live/video-to-video")), {"streams": []})
                self.assertEqual(json.loads(gateway.get("/healthz"))["status"], "ok")
                with self.assertRaises(urllib.error.HTTPError) as missing:
                    gateway.get("/live/video-to-video/nobody/status")
                self.assertEqual(missing.exception.code, 404)
                missing.exception.close()
                self.assertEqual(gateway.end(how)[0], 0)

    def test_worker_answers_and_ends_with_code_0(self):
        with running("worker", "-serviceAddr", "127.0.0.1:0") as worker:
            worker.ports["http"] = worker.ports["worker"]
            worker.get("/health")
            self.assertEqual(worker.end(signal.SIGTERM)[0], 0)

    def test_trickle_server_carries_a_segment_and_ends_with_code_0(self):
        with running("trickle", "-addr", "127.0.0.1:0", "-autocreate", "-path", "/live") as server:
            url = f"http://127.0.0.1:{server.ports['trickle']}/live/news/0"
            urllib.request.urlopen(urllib.request.Request(url, data=b"hello", method="POST"), timeout=10).close()
            with urllib.request.urlopen(url, timeout=10) as reply:
                self.assertEqual(reply.read(), b"hello")
            self.assertEqual(server.end(signal.SIGTERM)[0], 0)

    def test_gateway_without_rtmp_has_no_rtmp_port(self):
        with running("-httpAddr", "127.0.0.1:0", "-rtmpAddr=", *REST) as gateway:
            self.assertNotIn("rtmp", gateway.ports)

    def test_gateway_with_a_worker_elsewhere_starts_none_itself(self):
        with running("worker", "-serviceAddr", "127.0.0.1:0") as worker:
            with running(*ANY, "-orchAddr", f"http://127.0.0.1:{worker.ports['worker']}") as gateway:
                self.assertNotIn("worker", gateway.ports)


if __name__ == "__main__":
    unittest.main()
