#!/usr/bin/python3
"""The event feed and HTTPS of a whole gateway, with aiohttp's WebSocket client (compressed), curl and ffmpeg.

Argument: the binary. Needs Debian's python3-aiohttp, hence /usr/bin/python3."""

import asyncio
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import unittest

import aiohttp

import leftovers  # programs end with the test

RIVULET = sys.argv.pop(1)


def make_certificate(folder, name):
    """A pair of PEM files in `folder`, replaced in place as renewal tools do."""
    with tempfile.TemporaryDirectory() as fresh:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
             "-nodes", "-days", "1", "-subj", f"/CN={name}", "-addext",
             "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", f"{fresh}/key.pem",
             "-out", f"{fresh}/cert.pem"], check=True, capture_output=True)
        for file in ("cert.pem", "key.pem"):
            shutil.copy(f"{fresh}/{file}", f"{folder}/{file}.new")
            os.replace(f"{folder}/{file}.new", f"{folder}/{file}")


class gateway:
    """A gateway with plain and TLS doors, until the end of the with block."""

    def __init__(self, *arguments):
        self.arguments = arguments

    async def __aenter__(self):
        self.folder = tempfile.TemporaryDirectory()
        make_certificate(self.folder.name, "localhost")
        self.process = subprocess.Popen(
            [RIVULET, "-httpAddr", "127.0.0.1:0", "-rtmpAddr", "127.0.0.1:0", "-httpsAddr", "127.0.0.1:0",
             "-rtmpsAddr", "127.0.0.1:0", "-srtAddr", "", "-webrtcAddr", "",
             "-tlsCert", f"{self.folder.name}/cert.pem", "-tlsKey", f"{self.folder.name}/key.pem",
             *self.arguments],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        ready = self.process.stdout.readline()
        self.ports = {name: int(port) for name, port in
                      re.findall(r"(\w+) [\w.:\[\]]*:(\d+)", ready.split("ready:")[-1])}
        self.session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_):
        await self.session.close()
        self.process.terminate()
        self.process.communicate(timeout=20)
        self.folder.cleanup()

    def events(self, path="/live/video-to-video/events", secure=False, **query):
        scheme = "wss" if secure else "ws"
        port = self.ports["https" if secure else "http"]
        return self.session.ws_connect(
            f"{scheme}://127.0.0.1:{port}{path}", params=query, compress=15, heartbeat=5,
            ssl=self.trust() if secure else None)

    def trust(self):
        return ssl.create_default_context(cafile=f"{self.folder.name}/cert.pem")

    def publish(self, name, secure=False):
        scheme = "rtmps" if secure else "rtmp"
        return subprocess.Popen(
            ["ffmpeg", "-nostdin", "-v", "error", "-re", "-f", "lavfi", "-i",
             "testsrc=size=160x120:rate=15", "-c:v", "libx264", "-preset", "ultrafast", "-tune",
             "zerolatency", "-g", "15", "-f", "flv",
             f"{scheme}://127.0.0.1:{self.ports[scheme]}/live/{name}?pipeline=passthrough"],
            stdin=subprocess.DEVNULL)


async def until(socket, kind, **data):
    """Every event up to the first of this kind with these data."""
    seen = []
    while True:
        event = await asyncio.wait_for(socket.receive_json(), 20)
        seen.append(event)
        if event["type"] == kind and all(event["data"].get(k) == v for k, v in data.items()):
            return seen


class events(unittest.IsolatedAsyncioTestCase):
    async def test_a_stream_is_followed_from_start_to_end_over_plain_and_tls_sockets(self):
        async with gateway() as here:
            async with here.events() as plain, here.events(secure=True) as secure:
                self.assertIn("permessage-deflate", plain._response.headers["Sec-WebSocket-Extensions"])
                publisher = here.publish("cam", secure=True)
                try:
                    seen = await until(plain, "state", state="live")
                    self.assertEqual(seen[0]["type"], "stream_started")
                    self.assertEqual(seen[0]["data"]["protocol"], "rtmps")
                finally:
                    publisher.terminate()
                    publisher.wait()
                seen += await until(plain, "stream_ended")
                self.assertEqual(await until(secure, "stream_ended"), seen)
                numbers = [event["seq"] for event in seen]
                self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))
            middle = len(seen) // 2
            async with here.events(path="/live/video-to-video/cam/events", after=numbers[middle]) as again:
                self.assertEqual(await until(again, "stream_ended"), seen[middle + 1:])

    async def test_a_renewed_certificate_is_used_while_sockets_stay_open(self):
        async with gateway() as here:
            async with here.events(secure=True) as open_before:
                make_certificate(here.folder.name, "localhost")
                for _ in range(100):
                    try:
                        url = f"https://127.0.0.1:{here.ports['https']}/healthz"
                        async with here.session.get(url, ssl=here.trust()) as reply:
                            self.assertEqual(reply.status, 200)
                        break
                    except aiohttp.ClientConnectorCertificateError:
                        await asyncio.sleep(0.1)
                else:
                    self.fail("the old certificate is still shown")
                publisher = here.publish("cam")
                try:
                    await until(open_before, "stream_started")
                finally:
                    publisher.terminate()
                    publisher.wait()

    async def test_the_gateway_says_goodbye(self):
        async with gateway() as here:
            async with here.events() as plain, here.events(secure=True) as secure:
                here.process.terminate()
                for socket in (plain, secure):
                    message = await asyncio.wait_for(socket.receive(), 10)
                    self.assertEqual((message.type, message.data), (aiohttp.WSMsgType.CLOSE, 1001))

    async def test_curl_reads_the_api_over_tls(self):
        async with gateway() as here:
            done = subprocess.run(
                ["curl", "-sS", "--http1.1", "--cacert", f"{here.folder.name}/cert.pem",
                 f"https://localhost:{here.ports['https']}/live/video-to-video"],
                capture_output=True, text=True, timeout=20)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn('"streams"', done.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
