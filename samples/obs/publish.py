#!/usr/bin/python3
"""Publishes a test picture with exactly the settings of an OBS profile: address, key, token, size, rate,
codec, bit rate, keyframes. ffmpeg encodes; RTMP it sends itself, WHIP is sent by aiortc as it was
encoded. For trying a profile, and the gateway, where there is no OBS.

    publish.py PROFILE_FOLDER [--replace OLD=NEW]…      (--replace: in the address)

WHIP needs Debian's python3-aiortc and python3-aiohttp."""

import argparse
import asyncio
import configparser
import json
import os
import signal
import subprocess
import sys
import urllib.parse

# What the names of OBS are called by ffmpeg.
VIDEO_ENCODERS = {"obs_x264": "libx264"}
AUDIO_ENCODERS = {"ffmpeg_aac": "aac", "ffmpeg_opus": "libopus"}
RATES = {"24 NTSC": "24000/1001", "29.97": "30000/1001", "59.94": "60000/1001"}


class Profile:
    def __init__(self, folder, replacements):
        ini = configparser.ConfigParser()
        ini.optionxform = str
        with open(os.path.join(folder, "basic.ini"), encoding="utf-8-sig") as file:
            ini.read_file(file)
        self.video, self.audio, self.out = ini["Video"], ini["Audio"], ini["AdvOut"]
        if ini["Output"]["Mode"] != "Advanced":
            sys.exit(f"{folder}: Output.Mode has to be Advanced")
        with open(os.path.join(folder, "streamEncoder.json")) as file:
            self.encoder = json.load(file)
        with open(os.path.join(folder, "service.json")) as file:
            service = json.load(file)
        self.kind, self.service = service["type"], service["settings"]
        for replacement in replacements:
            old, new = replacement.split("=", 1)
            self.service["server"] = self.service["server"].replace(old, new)

    def encode(self):
        """ffmpeg's words for picture, sound and encoders."""
        rate = RATES.get(self.video["FPSCommon"], self.video["FPSCommon"])
        size = f"{self.video['OutputCX']}x{self.video['OutputCY']}"
        numerator, _, denominator = rate.partition("/")
        keyframes = round(self.encoder["keyint_sec"] * int(numerator) / int(denominator or 1))
        bitrate = f"{self.encoder['bitrate']}k"
        if self.encoder["rate_control"] != "CBR":
            sys.exit("only CBR is translated to ffmpeg")
        options = self.encoder.get("x264opts", "").replace(" ", ":")
        words = ["ffmpeg", "-nostdin", "-v", "error", "-re",
                 "-f", "lavfi", "-i", f"testsrc=size={size}:rate={rate}",
                 "-f", "lavfi", "-i", f"sine=frequency=440:sample_rate={self.audio['SampleRate']}",
                 "-c:v", VIDEO_ENCODERS[self.out["Encoder"]], "-pix_fmt", "yuv420p", "-b:v", bitrate,
                 "-maxrate", bitrate, "-bufsize", f"{self.encoder['buffer_size']}k", "-g", str(keyframes),
                 "-keyint_min", str(keyframes), "-preset", self.encoder["preset"],
                 "-profile:v", self.encoder["profile"], "-tune", self.encoder["tune"],
                 "-c:a", AUDIO_ENCODERS[self.out["AudioEncoder"]], "-b:a", f"{self.out['Track1Bitrate']}k",
                 "-ac", "2", "-ar", self.audio["SampleRate"]]
        parameters = "nal-hrd=cbr:force-cfr=1" + (":" + options if options else "")
        return words + ["-x264-params", parameters]


def publish_rtmp(profile):
    # OBS sends application and stream key apart; ffmpeg splits at the same place.
    address = profile.service["server"].rstrip("/") + "/" + profile.service["key"]
    words = profile.encode() + ["-f", "flv", address]
    os.execvp(words[0], words)


async def publish_whip(profile):
    import aiohttp
    import aioice.ice
    from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
    from aiortc.contrib.media import MediaPlayer

    url = profile.service["server"]
    host = urllib.parse.urlsplit(url).hostname
    if host in ("127.0.0.1", "localhost"):
        aioice.ice.get_host_addresses = lambda *_, **__: ["127.0.0.1"]
    end, wire = os.pipe()
    encoder = subprocess.Popen(
        profile.encode() + ["-f", "mpegts", "-muxdelay", "0", "-flush_packets", "1", f"pipe:{wire}"], pass_fds=[wire])
    os.close(wire)
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        # decode=False: packets go out as the encoder made them.
        source = await asyncio.get_running_loop().run_in_executor(
            None, lambda: MediaPlayer(f"pipe:{end}", format="mpegts", decode=False,
                                      options={"fflags": "nobuffer", "analyzeduration": "1500000"}))
        for track in (source.video, source.audio):
            connection.addTransceiver(track, direction="sendonly")
        h264 = [one for one in connection.getTransceivers() if one.kind == "video"][0]
        from aiortc import RTCRtpSender
        h264.setCodecPreferences([codec for codec in RTCRtpSender.getCapabilities("video").codecs
                                  if codec.mimeType in ("video/H264", "video/rtx")])
        await connection.setLocalDescription(await connection.createOffer())
        headers = {"Content-Type": "application/sdp"}
        if profile.service.get("bearer_token"):
            headers["Authorization"] = "Bearer " + profile.service["bearer_token"]
        lost = asyncio.Event()
        connection.on("connectionstatechange",
                      lambda: lost.set() if connection.connectionState in ("failed", "closed") else None)
        for ending in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(ending, lost.set)
        async with aiohttp.ClientSession() as session:
            async with session.post(url, data=connection.localDescription.sdp, headers=headers) as reply:
                answer = await reply.text()
                if reply.status != 201:
                    sys.exit(f"{url}: {reply.status} {answer}")
                resource = urllib.parse.urljoin(url, reply.headers["Location"])
            await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
            await lost.wait()
            async with session.delete(resource, headers=headers):
                pass
    finally:
        encoder.terminate()
        await connection.close()
        encoder.wait()


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("profile")
    words.add_argument("--replace", action="append", default=[])
    chosen = words.parse_args()
    profile = Profile(chosen.profile, chosen.replace)
    if profile.kind == "whip_custom":
        asyncio.run(publish_whip(profile))
    else:
        publish_rtmp(profile)


main()
