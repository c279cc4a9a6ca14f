#!/usr/bin/env python3
"""A WHIP publisher that is not ours: aiortc sends a moving picture as H.264 and as VP8, with a tone,
and watches the source over WHEP; the picture that comes back is the one that was sent. Argument: the
rivulet binary."""

import asyncio
import json
import re
import subprocess
import sys
import time
import urllib.parse
from fractions import Fraction

import aiohttp
import aioice.ice
import av
import numpy
from aiortc import (MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCRtpSender,
                    RTCSessionDescription)

import leftovers  # programs end with the test

aioice.ice.get_host_addresses = lambda *_, **__: ["127.0.0.1"]


def start_gateway(binary):
    process = subprocess.Popen(
        [binary, "-httpAddr", "127.0.0.1:0", "-rtmpAddr=", "-srtAddr=",
         "-webrtcAddr", "127.0.0.1:7320-7339"],
        stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if " ready: " in line:
            return process, int(re.search(r"\bhttp \S*?:(\d+)", line)[1])
    raise SystemExit("the gateway ended")


class Picture(MediaStreamTrack):
    """Left half dark, right half bright; a bar moves."""

    kind = "video"

    def __init__(self):
        super().__init__()
        self.begun = None
        self.count = 0

    async def recv(self):
        self.begun = self.begun or time.monotonic()
        await asyncio.sleep(max(0, self.begun + self.count / 20 - time.monotonic()))
        pixels = numpy.zeros((240, 320, 3), numpy.uint8)
        pixels[:, :160] = 40
        pixels[:, 160:] = 200
        pixels[:20, (self.count * 4) % 300:(self.count * 4) % 300 + 20] = 255
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts, frame.time_base = self.count * 4500, Fraction(1, 90000)
        self.count += 1
        return frame


class Tone(MediaStreamTrack):
    kind = "audio"

    def __init__(self):
        super().__init__()
        self.begun = None
        self.count = 0

    async def recv(self):
        self.begun = self.begun or time.monotonic()
        await asyncio.sleep(max(0, self.begun + self.count / 50 - time.monotonic()))
        at = numpy.arange(960) + self.count * 960
        samples = (numpy.sin(at * 2 * numpy.pi * 440 / 48000) * 8000).astype(numpy.int16)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = 48000
        frame.pts, frame.time_base = self.count * 960, Fraction(1, 48000)
        self.count += 1
        return frame


async def negotiate(session, connection, url):
    await connection.setLocalDescription(await connection.createOffer())
    async with session.post(url, data=connection.localDescription.sdp,
                            headers={"Content-Type": "application/sdp"}) as reply:
        answer = await reply.text()
        assert reply.status == 201, (reply.status, answer)
        resource = urllib.parse.urljoin(url, reply.headers["Location"])
        playback = reply.headers.get("Livepeer-Playback-URL")
    await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    return resource, playback


async def check(http, codec):
    base = f"http://127.0.0.1:{http}/live/video-to-video"
    name = "py-" + codec.lower()
    publisher = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    viewer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    publisher.addTrack(Picture())
    publisher.addTrack(Tone())
    for transceiver in publisher.getTransceivers():
        transceiver.direction = "sendonly"
        if transceiver.kind == "video":
            every = RTCRtpSender.getCapabilities("video").codecs
            transceiver.setCodecPreferences(
                [one for one in every if one.mimeType in (f"video/{codec}", "video/rtx")])
    frames = {"video": 0, "audio": 0}
    last = {}
    tasks = []

    async def count(track):
        while True:
            try:
                frame = await track.recv()
            except Exception:
                return
            frames[track.kind] += 1
            last[track.kind] = frame

    viewer.on("track", lambda track: tasks.append(asyncio.ensure_future(count(track))))
    for kind in ("video", "audio"):
        viewer.addTransceiver(kind, direction="recvonly")
    async with aiohttp.ClientSession() as session:
        resource, playback = await negotiate(session, publisher, f"{base}/{name}/whip")
        assert re.fullmatch(rf"{base}/{name}-[0-9a-f]{{8}}-out/whep", playback), playback
        await negotiate(session, viewer, f"{base}/{name}/whep")
        await asyncio.sleep(6)
        async with session.get(f"{base}/{name}/status") as reply:
            status = await reply.json()
        async with session.delete(resource) as reply:
            assert reply.status == 200, reply.status
        async with session.delete(resource) as reply:
            assert reply.status == 404, reply.status
    await publisher.close()
    await viewer.close()
    for task in tasks:
        task.cancel()
    text = json.dumps(status)
    print(f"{codec}: {frames}, {re.search(r'.protocol.: .whip.[^}]*', text)[0]}")
    assert frames["video"] >= 85, frames  # 20 a second
    assert frames["audio"] >= 200, frames
    pixels = last["video"].to_ndarray(format="rgb24")
    assert pixels.shape == (240, 320, 3), pixels.shape
    assert abs(int(pixels[120, 60].mean()) - 40) < 15, pixels[120, 60]
    assert abs(int(pixels[120, 260].mean()) - 200) < 15, pixels[120, 260]
    assert ('"transcoding": true' in text) == (codec != "H264"), text


def main():
    gateway, http = start_gateway(sys.argv[1])
    try:
        for codec in ("H264", "VP8"):
            asyncio.run(check(http, codec))
    finally:
        gateway.terminate()
        code = gateway.wait(20)
    assert code == 0, f"the gateway ended with {code}"


if __name__ == "__main__":
    main()
