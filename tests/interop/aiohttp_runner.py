#!/usr/bin/python3
"""A live-video runner as Python people write them (aiohttp): one stream at a time, the picture
passes unchanged. `--kind ai` speaks as ai-runner does, `--kind stream` as pytrickle and ComfyStream.

It prints "ready PORT" and serves until it is killed. What a test wants to know is under /test/:
GET /test/log, the calls and updates so far; POST /test/health with {"status": …} or {} (the truth);
POST /test/refuse with {"status": 503, "text": …} for the next starts, {} to stop that."""

import argparse
import asyncio
import json
import sys
import time

import aiohttp
from aiohttp import web

ATTEMPTS, PAUSE = 5, 0.5


class subscriber:
    """From the newest segment on, the next GET opened in advance."""

    def __init__(self, session, url):
        self.session, self.url, self.seq = session, url, -2

    async def segments(self, on_bytes=None):
        """Whole segments, or with `on_bytes` their pieces as they come (None ends a segment)."""
        failures = 0
        while failures < ATTEMPTS:
            try:
                async with self.session.get(f"{self.url}/{self.seq}") as reply:
                    if "Lp-Trickle-Closed" in reply.headers or reply.status == 404:
                        return
                    if reply.status == 470:
                        self.seq = int(reply.headers["Lp-Trickle-Latest"])
                        continue
                    reply.raise_for_status()
                    self.seq = int(reply.headers["Lp-Trickle-Seq"]) + 1
                    failures = 0
                    whole = bytearray()
                    while block := await reply.content.read(32 * 1024):
                        if on_bytes:
                            await on_bytes(block)
                        else:
                            whole += block
                    if on_bytes:
                        await on_bytes(None)
                    else:
                        yield bytes(whole)
            except aiohttp.ClientError:
                failures += 1
                await asyncio.sleep(PAUSE)


class publisher:
    def __init__(self, session, url, mime):
        self.session, self.url, self.mime = session, url, mime
        self.seq = -1
        self.queue = self.task = None

    async def write(self, block):
        if self.queue is None:
            self.seq += 1
            queue = self.queue = asyncio.Queue(maxsize=8)

            async def body():
                while (piece := await queue.get()) is not None:
                    yield piece

            async def post(seq):
                async with self.session.post(f"{self.url}/{seq}", data=body(),
                                             headers={"Content-Type": self.mime}) as reply:
                    await reply.read()

            self.task = asyncio.create_task(post(self.seq))
        await self.queue.put(block)
        if block is None:
            self.queue = None
            await self.task

    async def whole(self, data):
        await self.write(data)
        await self.write(None)

    async def close(self):
        if self.queue is not None:
            await self.write(None)
        async with self.session.delete(self.url) as reply:
            return reply.status


class stream:
    def __init__(self, runner, start):
        self.runner, self.start = runner, start
        self.params = start.get("params") or {}
        self.began = time.time()
        self.tasks = []
        self.one_event = asyncio.Lock()
        self.ended = False

    async def run(self):
        connector = aiohttp.TCPConnector(limit=0, ssl=False)
        self.session = aiohttp.ClientSession(connector=connector)
        self.events = publisher(self.session, self.start["events_url"], "application/json")
        self.output = publisher(self.session, self.start["publish_url"], "video/mp2t")
        self.tasks = [asyncio.create_task(self.control()), asyncio.create_task(self.report())]
        self.media = asyncio.create_task(self.pass_media())

    async def pass_media(self):
        source = subscriber(self.session, self.start["subscribe_url"])
        async for _ in source.segments(self.output.write):
            pass
        await self.end()

    async def control(self):
        source = subscriber(self.session, self.start["control_url"])
        async for text in source.segments():
            message = json.loads(text)
            if message == {"keep": "alive"}:
                continue
            self.params = message
            self.runner.note("params", message)
            await self.status()
        # The end of the control channel ends the job.
        asyncio.create_task(self.end())

    async def event(self, event, kind="ai_stream_events"):
        async with self.one_event:
            await self.events.whole(
                json.dumps({"event": event, "queue_event_type": kind}).encode())

    async def status(self):
        if self.runner.kind == "ai":
            await self.event({"type": "status", "pipeline": self.runner.model, "state": "ONLINE",
                              "start_time": int(self.began * 1000),
                              "inference_status": {"fps": 30, "last_params": self.params}})
        else:
            await self.event({"type": "params_updated"})

    async def report(self):
        while True:
            if self.runner.kind == "ai":
                await self.status()
            else:
                await self.event({"type": "heartbeat"}, "stream_heartbeat")
            await asyncio.sleep(1)

    async def end(self):
        if self.ended:
            return
        self.ended = True
        for task in [*self.tasks, self.media]:
            if task is not asyncio.current_task():
                task.cancel()
        try:
            await self.output.close()
        except aiohttp.ClientError:
            pass
        await self.session.close()
        self.runner.note("ended", self.start.get("gateway_request_id"))
        if self.runner.stream is self:
            self.runner.stream = None


class runner:
    def __init__(self, kind, model, pipeline, token):
        self.kind, self.model, self.pipeline, self.token = kind, model, pipeline, token
        self.stream = None
        self.log = []
        self.forced_health = None
        self.refusal = {}

    def note(self, what, value=None):
        self.log.append([what, value])

    def failure(self, status, text):
        return web.json_response({"detail": {"msg": text}}, status=status)

    @web.middleware
    async def authorized(self, request, handler):
        if self.token and not request.path.startswith("/test/") and \
                request.headers.get("Authorization") != "Bearer " + self.token:
            return self.failure(401, "Invalid bearer token")
        return await handler(request)

    async def begin(self, body):
        self.note("start", body)
        self.stream = stream(self, body)
        await self.stream.run()

    async def ai_start(self, request):
        body = await request.json()
        if self.refusal:
            return self.failure(self.refusal["status"], self.refusal["text"])
        if not all(isinstance(body.get(key), str) for key in ("subscribe_url", "publish_url")):
            return self.failure(422, "field required")
        if body.get("model_id") not in (None, "", self.model):
            return self.failure(400, "model mismatch")
        if self.stream:
            await self.stream.end()
        await self.begin(body)
        return web.json_response({"publish_url": "", "subscribe_url": "", "control_url": ""})

    async def stream_start(self, request):
        body = await request.json()
        if self.refusal:
            return self.failure(self.refusal["status"], self.refusal["text"])
        if not body.get("gateway_request_id"):
            return self.failure(400, "gateway_request_id is required")
        if self.stream:
            return web.json_response({"status": "error", "message": "busy"}, status=503)
        await self.begin(body)
        return web.json_response({"status": "success", "message": "Stream started",
                                  "request_id": body["gateway_request_id"],
                                  "current_state": "OK"})

    async def stream_params(self, request):
        self.note("posted params", await request.json())
        return web.json_response({"status": "success"})

    async def stream_stop(self, _):
        self.note("stop")
        if self.stream:
            await self.stream.end()
        return web.json_response({"status": "success"})

    async def stream_status(self, _):
        return web.json_response({"running": self.stream is not None})

    async def health(self, _):
        return web.json_response(
            {"status": self.forced_health or ("OK" if self.stream else "IDLE")})

    async def version(self, _):
        return web.json_response(
            {"pipeline": self.pipeline, "model_id": self.model, "version": "0.14.0"})

    async def hardware(self, _):
        return web.json_response({"pipeline": self.pipeline, "model_id": self.model, "gpu_info": {
            "0": {"id": "GPU-1", "name": "Test card", "major": 8, "minor": 9,
                  "memory_free": 1_000_000_000, "memory_total": 2_000_000_000}}})

    async def text_to_image(self, request):
        body = await request.json()
        self.note("text-to-image", body)
        if not body.get("prompt"):
            return self.failure(400, "a prompt is needed")
        if body["prompt"] == "fail":
            return self.failure(500, "the card is on fire")
        return web.json_response({"images": [
            {"url": "data:image/png;base64,AAAA", "seed": 1, "nsfw": False}]})

    async def test_log(self, _):
        return web.json_response(self.log)

    async def test_health(self, request):
        self.forced_health = (await request.json()).get("status")
        return web.Response()

    async def test_refuse(self, request):
        self.refusal = await request.json()
        return web.Response()

    def application(self):
        app = web.Application(middlewares=[self.authorized])
        app.add_routes([
            web.get("/health", self.health), web.get("/version", self.version),
            web.get("/hardware/info", self.hardware),
            web.get("/test/log", self.test_log), web.post("/test/health", self.test_health),
            web.post("/test/refuse", self.test_refuse)])
        if self.kind == "ai":
            app.add_routes([web.post("/live-video-to-video", self.ai_start),
                            web.post("/text-to-image", self.text_to_image)])
        else:
            app.add_routes([web.post("/stream/start", self.stream_start),
                            web.post("/live-video-to-video", self.stream_start),
                            web.post("/stream/params", self.stream_params),
                            web.post("/stream/stop", self.stream_stop),
                            web.get("/stream/status", self.stream_status)])
        return app


async def main():
    words = argparse.ArgumentParser()
    words.add_argument("--kind", choices=["ai", "stream"], default="ai")
    words.add_argument("--model", default="identity")
    words.add_argument("--pipeline", default="live-video-to-video")
    words.add_argument("--token", default="")
    chosen = words.parse_args()
    served = web.AppRunner(
        runner(chosen.kind, chosen.model, chosen.pipeline, chosen.token).application())
    await served.setup()
    site = web.TCPSite(served, "127.0.0.1", 0)
    await site.start()
    print("ready", site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit(0)
