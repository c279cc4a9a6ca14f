#!/usr/bin/env python3
"""A WHEP viewer that is not ours: aiortc (its own ICE, DTLS, SRTP, jitter buffer, decoders) watches
what ffmpeg publishes over RTMP, with and without B-frames. Argument: the rivulet binary."""

import asyncio
import re
import subprocess
import sys
import time
import urllib.parse

import aiohttp
import aioice.ice
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

import leftovers  # programs end with the test

aioice.ice.get_host_addresses = lambda *_, **__: ["127.0.0.1"]


def start_gateway(binary):
    process = subprocess.Popen(
        [binary, "-httpAddr", "127.0.0.1:0", "-rtmpAddr", "127.0.0.1:0", "-srtAddr=",
         "-webrtcAddr", "127.0.0.1:7340-7359"],
        stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if " ready: " in line:
            return (process, int(re.search(r"\bhttp \S*?:(\d+)", line)[1]),
                    int(re.search(r"\brtmp \S*?:(\d+)", line)[1]))
    raise SystemExit("the gateway ended")


def publish(rtmp, name, *encoder):
    return subprocess.Popen(
        ["ffmpeg", "-hide_banner", "-loglevel", "error", "-re",
         "-f", "lavfi", "-i", "testsrc=size=320x240:rate=30",
         "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000",
         "-c:v", "libx264", "-preset", "ultrafast", "-g", "30", "-pix_fmt", "yuv420p", *encoder,
         "-c:a", "aac", "-f", "flv", f"rtmp://127.0.0.1:{rtmp}/live/{name}"])


class Watching:
    """Counts the decoded frames of each kind."""

    def __init__(self):
        self.frames = {"video": 0, "audio": 0}
        self.first = None
        self.size = None
        self.times = []
        self.tasks = []

    def add(self, track):
        self.tasks.append(asyncio.ensure_future(self.count(track)))

    async def count(self, track):
        while True:
            try:
                frame = await track.recv()
            except Exception:
                return
            self.frames[track.kind] += 1
            if track.kind == "video":
                self.first = self.first or time.monotonic()
                self.size = (frame.width, frame.height)
                self.times.append(frame.pts)


async def watch(http, path, seconds):
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    seen = Watching()
    connection.on("track", seen.add)
    for kind in ("video", "audio"):
        connection.addTransceiver(kind, direction="recvonly")
    await connection.setLocalDescription(await connection.createOffer())
    url = f"http://127.0.0.1:{http}/live/video-to-video/{path}/whep"
    async with aiohttp.ClientSession() as session:
        begun = time.monotonic()
        async with session.post(url,
                                data=connection.localDescription.sdp,
                                headers={"Content-Type": "application/sdp"}) as reply:
            answer = await reply.text()
            assert reply.status == 201, (reply.status, answer)
            resource = urllib.parse.urljoin(url, reply.headers["Location"])
        await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await asyncio.sleep(seconds)
        async with session.delete(resource) as reply:
            assert reply.status == 200, reply.status
        async with session.delete(resource) as reply:
            assert reply.status == 404, reply.status
    await connection.close()
    for task in seen.tasks:
        task.cancel()
    return seen, seen.first - begun if seen.first else None


async def check(http, rtmp):
    for name, encoder in (("plain", ("-tune", "zerolatency")), ("reordered", ("-bf", "2"))):
        publisher = publish(rtmp, name, *encoder)
        try:
            results = await asyncio.gather(watch(http, name, 5), watch(http, name, 5))
        finally:
            publisher.terminate()
            publisher.wait()
        for seen, first in results:
            print(f"{name}: {seen.frames}, first picture after {first or -1:.2f} s, {seen.size}")
            assert seen.frames["video"] > 60, seen.frames
            assert seen.frames["audio"] > 60, seen.frames
            assert seen.size == (320, 240), seen.size
            assert all(a < b for a, b in zip(seen.times, seen.times[1:])), "pictures out of order"


def main():
    gateway, http, rtmp = start_gateway(sys.argv[1])
    try:
        asyncio.run(check(http, rtmp))
    finally:
        gateway.terminate()
        code = gateway.wait(20)
    assert code == 0, f"the gateway ended with {code}"


if __name__ == "__main__":
    main()
