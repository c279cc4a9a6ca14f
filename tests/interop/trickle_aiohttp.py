#!/usr/bin/python3
"""Publishers and subscribers as Python workers write them (aiohttp), against `rivulet trickle`.

Argument: the binary. Needs Debian's python3-aiohttp, hence /usr/bin/python3."""

import asyncio
import re
import subprocess
import sys
import unittest

import aiohttp

import leftovers  # programs end with the test

RIVULET = sys.argv.pop(1)


class running_server:
    async def __aenter__(self):
        self.process = subprocess.Popen(
            [RIVULET, "trickle", "-addr", "127.0.0.1:0", "-autocreate"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        ready = self.process.stdout.readline()
        self.base = "http://127.0.0.1:" + re.search(r"trickle [\w.:\[\]]*:(\d+)", ready).group(1)
        return self

    async def __aexit__(self, *_):
        self.process.terminate()
        self.process.communicate(timeout=20)


class publisher:
    """One POST per segment from a queue, the next one opened in advance, as ai-runner does it."""

    def __init__(self, session, url, mime, close_header=True):
        self.session, self.url, self.mime = session, url, mime
        self.headers = {"Content-Type": mime}
        if close_header:
            self.headers["Connection"] = "close"
        self.seq = -1
        self.ahead = None
        self.results = []

    def _open(self, seq):
        queue = asyncio.Queue(maxsize=1)

        async def body():
            while (block := await queue.get()) is not None:
                yield block

        async def post():
            async with self.session.post(f"{self.url}/{seq}", headers=self.headers,
                                         data=body()) as reply:
                self.results.append((seq, reply.status, reply.headers.get("Lp-Trickle-Seq")))
                await reply.read()

        return queue, asyncio.create_task(post())

    async def segment(self, blocks, pause=0.0):
        self.seq += 1
        queue, task = self.ahead or self._open(self.seq)
        self.ahead = self._open(self.seq + 1)
        for block in blocks:
            await queue.put(block)
            await asyncio.sleep(pause)
        await queue.put(None)
        await task

    async def close(self):
        queue, task = self.ahead
        await queue.put(None)
        await task
        async with self.session.delete(self.url) as reply:
            return reply.status


class subscriber:
    """Start at -2 (or a number), the next GET opened in advance, jumps gaps."""

    def __init__(self, session, url, start=-2, close_header=True):
        self.session, self.url, self.seq = session, url, start
        self.headers = {"Connection": "close"} if close_header else {}
        self.ahead = None

    def _open(self, seq):
        return asyncio.create_task(self.session.get(f"{self.url}/{seq}", headers=self.headers))

    async def next(self):
        """(number, body), or None at the end of the channel."""
        for _ in range(5):
            reply = await (self.ahead or self._open(self.seq))
            self.ahead = None
            if "Lp-Trickle-Closed" in reply.headers or reply.status == 404:
                reply.release()
                return None
            if reply.status == 470:
                self.seq = int(reply.headers["Lp-Trickle-Latest"])
                await reply.read()
                continue
            assert reply.status == 200, reply.status
            served = int(reply.headers["Lp-Trickle-Seq"])
            self.seq = served + 1
            self.ahead = self._open(self.seq)
            body = bytearray()
            while block := await reply.content.read(32 * 1024):
                body += block
            return served, bytes(body), reply.headers.get("Content-Type")
        raise AssertionError("no segment after five attempts")

    def stop(self):
        if self.ahead:
            self.ahead.cancel()


def blocks_of(seq, count=8, size=20_000):
    return [bytes([(seq * 7 + i) % 256]) * size for i in range(count)]


class aiohttp_peers(unittest.IsolatedAsyncioTestCase):
    async def stream(self, close_header, readers):
        async with running_server() as server, aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0)) as session:
            url = server.base + "/job"
            out = publisher(session, url, "video/mp2t", close_header)
            got = [{} for _ in range(readers)]

            async def follow(into):
                reader = subscriber(session, url, 0, close_header)
                while (item := await reader.next()) is not None:
                    into[item[0]] = item[1]
                    self.assertIn(item[2], ("video/mp2t", None))

            await out.segment(blocks_of(0), 0.005)
            following = [asyncio.create_task(follow(into)) for into in got]
            for seq in range(1, 12):
                await out.segment(blocks_of(seq), 0.005)
            await asyncio.sleep(0.1)
            self.assertEqual(await out.close(), 200)
            await asyncio.wait_for(asyncio.gather(*following), 10)
            for seq, status, echoed in out.results:
                self.assertEqual((status, echoed), (200, str(seq)))
            for into in got:
                for seq in range(12):
                    self.assertEqual(into.get(seq), b"".join(blocks_of(seq)), f"segment {seq}")

    async def test_segments_arrive_whole_with_connection_close(self):
        await self.stream(True, 1)

    async def test_segments_arrive_whole_on_kept_connections(self):
        await self.stream(False, 3)

    async def test_a_control_message_is_one_read(self):
        async with running_server() as server, aiohttp.ClientSession() as session:
            url = server.base + "/job-control"
            out = publisher(session, url, "application/json")
            message = b'{"prompt":"' + b"x" * 30_000 + b'"}'
            await out.segment([b'{"keep":"alive"}'])
            waiting = asyncio.create_task(session.get(url + "/1"))
            await asyncio.sleep(0.1)
            await out.segment([message])
            reply = await asyncio.wait_for(waiting, 5)
            # Workers take one read of 32 KiB for the whole message.
            self.assertEqual(await reply.content.readany(), message)
            self.assertEqual(reply.headers["Content-Type"], "application/json")
            await out.close()

    async def test_a_late_subscriber_starts_in_the_newest_segment_and_a_slow_one_jumps(self):
        async with running_server() as server, aiohttp.ClientSession() as session:
            url = server.base + "/job"
            out = publisher(session, url, "video/mp2t")
            for seq in range(10):
                await out.segment([b"%d" % seq])
            reader = subscriber(session, url, -2)
            self.assertEqual((await reader.next())[:2], (9, b"9"))
            reader.stop()
            slow = subscriber(session, url, 1)
            waiting = asyncio.create_task(slow.next())
            await asyncio.sleep(0.1)
            await out.segment([b"10"])
            self.assertEqual((await asyncio.wait_for(waiting, 5))[:2], (10, b"10"))
            slow.stop()
            await out.close()


if __name__ == "__main__":
    unittest.main()
