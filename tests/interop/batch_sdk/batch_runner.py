#!/usr/bin/python3
"""The nine batch pipelines as a runner answers them (aiohttp), each on a port of its own, as a worker
wants them. Pictures, sound and video are real but do not depend on the request.

It prints "ready {"pipeline": port, …}" and serves until it is killed. On every port, for tests:
GET /test/asked, the requests so far (fields as text, a file as its name, type and size) and how many
ended because the other side left; POST /test/next with {"pipeline", "status", "body"} for an answer
that comes instead of the next one, or {"pipeline": "llm", "chunks": […], "hang": true}."""

import asyncio
import base64
import io
import json
import struct
import subprocess
import sys
import wave
import zlib

from aiohttp import web

MODELS = {
    "text-to-image": "stabilityai/sdxl-turbo",
    "image-to-image": "stabilityai/sdxl-turbo",
    "image-to-video": "stabilityai/stable-video-diffusion-img2vid-xt",
    "upscale": "stabilityai/stable-diffusion-x4-upscaler",
    "audio-to-text": "openai/whisper-large-v3",
    "segment-anything-2": "facebook/sam2-hiera-large",
    "llm": "meta-llama/llama-3.1-8B-Instruct",
    "image-to-text": "Salesforce/blip-image-captioning-large",
    "text-to-speech": "parler-tts/parler-tts-large-v1",
}


def png():
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + bytes((x * 8, y * 8, 128)[c] for x in range(32) for c in range(3))
                    for y in range(24))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 32, 24, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def wav():
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16000)
        sound.writeframes(b"".join(struct.pack("<h", i % 200 * 50) for i in range(8000)))
    return file.getvalue()


def mp4():
    return subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=64x48:rate=6", "-t", "1",
         "-c:v", "libx264", "-pix_fmt", "yuv420p", "-movflags", "frag_keyframe+empty_moov", "-f", "mp4", "-"],
        check=True, capture_output=True).stdout


def data_url(kind, content):
    return f"data:{kind};base64," + base64.b64encode(content).decode()


def words_of(number):
    return f"{number} tokens at most"


class runners:
    def __init__(self):
        self.asked, self.next, self.left = [], {}, 0
        self.png, self.wav, self.mp4 = png(), wav(), mp4()

    async def fields_of(self, request):
        if not request.content_type.startswith("multipart/"):
            return await request.json()
        fields = {}
        async for part in await request.multipart():
            content = await part.read()
            if part.filename is None:
                fields[part.name] = content.decode()
            else:
                fields[part.name] = {"name": part.filename, "size": len(content),
                                     "type": part.headers.get("Content-Type")}
        return fields

    async def answer(self, request, pipeline):
        fields = await self.fields_of(request)
        self.asked.append({"pipeline": pipeline, "fields": fields,
                           "authorization": request.headers.get("Authorization")})
        forced = self.next.pop(pipeline, None)
        if forced and "status" in forced:
            return web.json_response(forced["body"], status=forced["status"])
        if pipeline == "llm":
            return await self.converse(request, fields, forced)
        if pipeline in ("text-to-image", "image-to-image", "upscale"):
            count = int(fields.get("num_images_per_prompt", 1))
            seed = int(fields.get("seed", 7))
            return web.json_response({"images": [
                {"url": data_url("image/png", self.png), "seed": seed + i, "nsfw": False}
                for i in range(count)]})
        if pipeline == "image-to-video":
            return web.json_response({"images": [
                {"url": f"http://{request.host}/files/made.mp4", "seed": 7, "nsfw": False}]})
        if pipeline == "audio-to-text":
            return web.json_response({"text": "hello world", "chunks": [
                {"timestamp": [0.0, 0.5], "text": "hello"}, {"timestamp": [0.5, 1.0], "text": "world"}]})
        if pipeline == "segment-anything-2":
            return web.json_response({"masks": "[[0]]", "scores": "[0.5]", "logits": "[[1]]"})
        if pipeline == "image-to-text":
            return web.json_response({"text": "a test picture"})
        return web.json_response({"audio": {"url": data_url("audio/wav", self.wav)}})

    async def converse(self, request, fields, forced):
        said = words_of(fields.get("max_tokens"))
        common = {"id": "", "created": 1700000000, "model": fields["model"]}
        usage = {"prompt_tokens": 3, "completion_tokens": len(said.split()), "total_tokens": 3 + len(said.split())}
        if not fields.get("stream"):
            return web.json_response({**common, "usage": usage, "choices": [
                {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}]})
        chunks = []
        words = said.split(" ")
        for i, word in enumerate(words):
            last = i == len(words) - 1
            chunks.append({**common, "usage": usage if last else None, "choices": [
                {"index": 0, "finish_reason": "stop" if last else "",
                 "delta": {"role": "assistant", "content": word + ("" if last else " ")}}]})
        if forced:
            chunks = forced["chunks"]
        reply = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await reply.prepare(request)
        for chunk in chunks:
            await reply.write(f"data: {json.dumps(chunk)}\n\n".encode())
        if forced and forced.get("hang"):
            while request.transport and not request.transport.is_closing():
                await asyncio.sleep(0.01)
            self.left += 1
        elif not forced:
            await reply.write(b"data: [DONE]\n\n")
        return reply

    async def test_asked(self, _):
        return web.json_response({"asked": self.asked, "left": self.left})

    async def test_next(self, request):
        wanted = await request.json()
        self.next[wanted["pipeline"]] = wanted
        return web.Response()

    async def file(self, _):
        return web.Response(body=self.mp4, content_type="video/mp4")

    def application(self, pipeline):
        facts = {"pipeline": pipeline, "model_id": MODELS[pipeline], "version": "0.14.1"}

        async def health(_):
            return web.json_response({"status": "OK"})

        async def version(_):
            return web.json_response(facts)

        async def hardware(_):
            return web.json_response({**facts, "gpu_info": {}})

        async def answer(request):
            return await self.answer(request, pipeline)

        app = web.Application(client_max_size=200 << 20)
        app.add_routes([web.get("/health", health), web.get("/version", version),
                        web.get("/hardware/info", hardware), web.post("/" + pipeline, answer),
                        web.get("/files/made.mp4", self.file),
                        web.get("/test/asked", self.test_asked), web.post("/test/next", self.test_next)])
        return app


async def main():
    all_of_them = runners()
    ports = {}
    for pipeline in MODELS:
        served = web.AppRunner(all_of_them.application(pipeline))
        await served.setup()
        site = web.TCPSite(served, "127.0.0.1", 0)
        await site.start()
        ports[pipeline] = site._server.sockets[0].getsockname()[1]
    print("ready", json.dumps(ports), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit(0)
