#!/usr/bin/python3
"""A Python program at the gateway's trickle door, as those written for orchestrators are (aiohttp, POSTs
and GETs opened in advance): publishes ffmpeg's test picture in real time, changes the parameters while it
runs, reads the events and the processed stream, and looks at its frames.

Argument: the binary. Needs Debian's python3-aiohttp, hence /usr/bin/python3."""

import asyncio
import json
import re
import subprocess
import tempfile
import time
import unittest

import aiohttp

from trickle_aiohttp import RIVULET, publisher, subscriber

SECONDS, RATE = 8, 30
WIDTH, HEIGHT = 64, 36  # of the pictures that are compared
CLOCK = 1 << 33


class running_gateway:
    async def __aenter__(self):
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [RIVULET, "-httpAddr", "127.0.0.1:0", "-rtmpAddr=", "-srtAddr=", "-webrtcAddr=", "-cliAddr="],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, text=True)
        ready = self.process.stdout.readline()
        self.base = "http://127.0.0.1:" + re.search(r"\bhttp [\w.:\[\]]*:(\d+)", ready).group(1)
        return self

    async def __aexit__(self, failure, *_):
        self.process.terminate()
        self.process.communicate(timeout=30)
        if failure:
            self.log.seek(0)
            print(self.log.read())
        self.log.close()


class live_publisher(publisher):
    """Segments that grow as the encoder writes; `sent` keeps what went out."""

    def __init__(self, session, url):
        super().__init__(session, url, "video/mp2t")
        self.sent = bytearray()
        self.current = None

    async def begin(self):
        await self.end()
        self.seq += 1
        self.current = self.ahead or self._open(self.seq)
        self.ahead = self._open(self.seq + 1)

    async def write(self, block):
        self.sent += block
        await self.current[0].put(block)

    async def end(self):
        if self.current:
            queue, task = self.current
            self.current = None
            await queue.put(None)
            await task


class cutter:
    """MPEG-TS packets into segments that begin with PAT, PMT and a keyframe."""

    def __init__(self, publish):
        self.publish, self.pmt, self.tables, self.rest = publish, None, [], b""

    async def feed(self, data):
        self.rest += data
        block = b""
        while len(self.rest) >= 188:
            packet, self.rest = self.rest[:188], self.rest[188:]
            assert packet[0] == 0x47
            pid = (packet[1] & 0x1F) << 8 | packet[2]
            if pid == 0:
                self.pmt = (packet[15] & 0x1F) << 8 | packet[16]
                self.tables = [packet]
            elif pid == self.pmt:
                self.tables.append(packet)
            else:
                adaptation = packet[3] & 0x20 and packet[4] > 0
                if packet[1] & 0x40 and adaptation and packet[5] & 0x40 and self.tables:
                    if block and self.publish.current:
                        await self.publish.write(block)
                    await self.publish.begin()
                    block = b""
                block += b"".join(self.tables) + packet
                self.tables = []
        if block and self.publish.current:
            await self.publish.write(block)


def pictures(ts):
    """{pts: gray picture}."""
    with tempfile.NamedTemporaryFile(suffix=".ts") as file:
        file.write(ts)
        file.flush()
        probed = subprocess.run(
            ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "frame=pts", "-of", "csv=p=0",
             file.name], stdout=subprocess.PIPE, text=True, check=True).stdout
        times = [int(line.strip(",")) % CLOCK for line in probed.split()]
        raw = subprocess.run(
            ["ffmpeg", "-nostdin", "-v", "error", "-i", file.name, "-map", "0:v", "-vsync", "passthrough",
             "-vf", f"scale={WIDTH}:{HEIGHT}:flags=area,format=gray", "-f", "rawvideo", "-"],
            stdout=subprocess.PIPE, check=True).stdout
    size = WIDTH * HEIGHT
    frames = [raw[at:at + size] for at in range(0, len(raw), size)]
    assert len(frames) == len(times), (len(frames), len(times))
    return dict(zip(times, frames))


def difference(a, b):
    return sum(abs(x - y) for x, y in zip(a, b)) / len(a)


def negated(picture):
    return bytes(255 - value for value in picture)


def turned(picture):
    rows = [picture[at:at + WIDTH] for at in range(0, len(picture), WIDTH)]
    return b"".join(reversed(rows))


class trickle_door(unittest.IsolatedAsyncioTestCase):
    async def collect(self, session, url, into):
        reader = subscriber(session, url, 0)
        while (item := await reader.next()) is not None:
            into.append(item[1])

    async def run_stream(self, session, base):
        async with session.post(base + "/live/video-to-video/cam/trickle",
                                json={"pipeline": "avfilter", "params": {"graph": "negate"}}) as reply:
            self.assertEqual(reply.status, 201, await reply.text())
            door = await reply.json()
        output, events = [], []
        reading = [asyncio.create_task(self.collect(session, door["subscribe_url"], output)),
                   asyncio.create_task(self.collect(session, door["events_url"], events))]
        out = live_publisher(session, door["publish_url"])
        cut = cutter(out)
        encoder = await asyncio.create_subprocess_exec(
            "ffmpeg", "-nostdin", "-v", "error", "-re", "-f", "lavfi",
            "-i", f"testsrc=size=640x360:rate={RATE}", "-t", str(SECONDS), "-c:v", "libx264",
            "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", str(RATE),
            "-mpegts_flags", "pat_pmt_at_frames", "-flush_packets", "1", "-muxdelay", "0", "-f", "mpegts", "-",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        changed = None
        started = time.monotonic()
        while data := await encoder.stdout.read(16 * 1024):
            await cut.feed(data)
            if changed is None and time.monotonic() - started > SECONDS / 2:
                changed = len(out.sent)
                control = publisher(session, door["control_url"], "application/json")
                await control.segment([b'{"keep":"alive"}'])
                await control.segment([b'{"gra', b'ph":"vflip"}'], 0.02)
                control.ahead[1].cancel()
        self.assertEqual(await encoder.wait(), 0)
        await out.end()
        self.assertEqual(await out.close(), 200)
        await asyncio.wait_for(asyncio.gather(*reading), 20)
        for seq, status, echoed in out.results:
            self.assertEqual((status, echoed), (200, str(seq)))
        return bytes(out.sent), changed, b"".join(output), [json.loads(event) for event in events]

    async def test_a_stream_is_transformed_told_about_and_ended(self):
        async with running_gateway() as gateway, aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0)) as session:
            sent, changed, got, events = await self.run_stream(session, gateway.base)
        before, after = pictures(sent), pictures(got)
        early = set(pictures(sent[:changed]))
        self.assertEqual(len(before), SECONDS * RATE)
        same = before.keys() & after.keys()
        self.assertGreaterEqual(len(same), 0.95 * len(before), "frames that came, by their times")
        self.assertEqual(after.keys() - before.keys(), set(), "times that nobody sent")
        negatives, others = [], []
        for pts in same:
            as_negative = difference(after[pts], negated(before[pts]))
            as_turned = difference(after[pts], turned(before[pts]))
            self.assertLess(min(as_negative, as_turned), 12, f"frame {pts} is neither")
            (negatives if as_negative < as_turned else others).append(pts)
        self.assertGreater(len(negatives), 0.9 * (len(early) - RATE))
        self.assertGreater(len(others), RATE)
        self.assertLess(max(negatives), min(others), "the change is at one frame")

        types = [event["type"] for event in events]
        self.assertEqual(types[0], "stream_started")
        self.assertEqual(types[-1], "stream_ended")
        self.assertIn({"params": {"graph": "vflip"}}, [e["data"] for e in events if e["type"] == "params"])
        self.assertIn("live", [e["data"]["state"] for e in events if e["type"] == "state"])
        self.assertEqual(sorted(e["seq"] for e in events), [e["seq"] for e in events])
        print(f"{len(before)} frames sent, {len(same)} came: {len(negatives)} negated, "
              f"{len(others)} upside down; {len(events)} events")


if __name__ == "__main__":
    unittest.main(verbosity=2)
