// WHIP and WHEP with Chromium's own codecs and its fake camera. RIVULET is the binary.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, afterEach, before, test } from 'node:test';

import { Browser } from './chromium.mjs';
import { Gateway, until } from './gateway.mjs';
import { BARS, Kit, alike, negative } from './page_kit.mjs';

let gateway;
let browser;

before(async () => {
    gateway = await Gateway.start(process.env.RIVULET);
    browser = await Browser.start();
});

after(async () => {
    await browser?.stop();
    assert.equal(await gateway?.stop(), 0, gateway?.log);
});

// What a failed test leaves behind must not fail the next.
afterEach(async () => {
    await browser.closePages();
    await until('an empty gateway', async () => (await gateway.streams()).length === 0, 60_000);
});

async function grows(kit, name, frames, limit = 20_000) {
    const before = (await kit.viewer(name)).frames;
    return until(`${frames} more frames of ${name}`, async () => {
        const now = await kit.viewer(name);
        if (now.frames >= before + frames) return now;
        throw new Error(JSON.stringify(now));
    }, limit);
}

const streamEnded = name => until(`the end of ${name}`, async () => !(await gateway.streams()).includes(name));

for (const codec of ['h264', 'vp8', 'vp9']) {
    test(`the camera over ${codec}: both channels decode, the output is the negative, DELETE ends it`, async () => {
        const kit = await Kit.open(browser, gateway);
        const name = `camera-${codec}`;
        await kit.publish(name, { kind: 'camera', codec, clock: false, fps: 20, width: 640, height: 480,
            pipeline: 'avfilter', params: '{"graph":"negate"}' });
        await kit.watch(name);
        await kit.watch(`${name}-out`, `${name}-out`, true);
        await grows(kit, name, 40);
        const out = await grows(kit, `${name}-out`, 40);
        assert.equal((await kit.sender()).codec.toLowerCase(), `video/${codec}`);
        assert.equal(out.codec, 'video/H264');
        assert.ok(out.audio > 0, 'sound arrives');
        await until('the output is the negative of the source', async () => {
            const [source, output] = [await kit.mean(name), await kit.mean(`${name}-out`)];
            assert.ok(source.every((value, c) => Math.abs(255 - value - output[c]) < 22), JSON.stringify([source, output]));
            return true;
        });
        await kit.unpublish();
        await streamEnded(name);
        await kit.page.close();
    });
}

test('three viewers at once each see the picture, and one that leaves disturbs nobody', async () => {
    const kit = await Kit.open(browser, gateway);
    await kit.publish('crowd', { pipeline: 'avfilter', params: '{"graph":"negate"}' });
    const names = ['one', 'two', 'three'];
    for (const name of names) await kit.watch('crowd-out', name);
    for (const name of names) {
        await grows(kit, name, 30);
        await until(`${name} sees the negative`, async () => alike(await kit.bars(name), negative(BARS)));
    }
    await kit.unwatch('two');
    for (const name of ['one', 'three']) {
        const freezes = (await kit.viewer(name)).freezes;
        const after = await grows(kit, name, 60);
        assert.equal(after.freezes, freezes, name);
    }
    await until('the gateway counts two', async () => (await gateway.status('crowd')).players.output === 2);
    await kit.unpublish();
    await streamEnded('crowd');
    await kit.page.close();
});

test('a viewer sees the picture at once, in the middle of a group of pictures', async () => {
    const kit = await Kit.open(browser, gateway);
    await kit.publish('instant');
    await kit.watch('instant-out', 'warm');
    await grows(kit, 'warm', 60);
    const waits = [];
    for (let i = 0; i < 5; i++) {
        const begin = Date.now();
        await kit.watch('instant-out', `viewer ${i}`);
        await until('the first picture', async () => (await kit.viewer(`viewer ${i}`)).frames > 0);
        waits.push(Date.now() - begin);
        await kit.unwatch(`viewer ${i}`);
        await new Promise(resolve => setTimeout(resolve, 330));
    }
    waits.sort((a, b) => a - b);
    // Keyframes are two seconds apart: waiting for one would take a second at the median.
    assert.ok(waits[2] < 700, `first pictures after ${waits.join(', ')} ms`);
    await kit.unpublish();
    await streamEnded('instant');
    await kit.page.close();
});

test('video alone works, and sound alone is refused with the reason', async () => {
    const kit = await Kit.open(browser, gateway);
    await kit.publish('silent', { sound: false });
    await kit.watch('silent-out');
    await grows(kit, 'silent-out', 30);
    await kit.unpublish();
    await streamEnded('silent');
    const answer = await kit.page.evaluate(async () => {
        const connection = new RTCPeerConnection();
        connection.addTransceiver('audio', { direction: 'sendonly' });
        await connection.setLocalDescription();
        const reply = await fetch('/live/video-to-video/deaf/whip', { method: 'POST', body: connection.localDescription.sdp,
            headers: { 'Content-Type': 'application/sdp' } });
        connection.close();
        return [reply.status, await reply.text()];
    });
    assert.ok(answer[0] >= 400 && answer[0] < 500, answer.join(' '));
    assert.match(answer[1], /video/i);
    assert.deepEqual(await gateway.streams(), []);
    await kit.page.close();
});

test('a name with hyphens plays, by its alias with the request id too', async () => {
    const kit = await Kit.open(browser, gateway);
    await kit.publish('my-own-stream');
    await kit.watch('my-own-stream-out');
    await grows(kit, 'my-own-stream-out', 15);
    const { request_id: id } = await gateway.status('my-own-stream');
    await kit.watch(`my-own-stream-${id}-out`, 'alias');
    await grows(kit, 'alias', 15);
    await kit.unpublish();
    await streamEnded('my-own-stream');
    await kit.page.close();
});

test('a page that goes away without a word frees its stream', async () => {
    const kit = await Kit.open(browser, gateway);
    await kit.publish('vanishing');
    await kit.watch('vanishing');
    await grows(kit, 'vanishing', 15);
    await kit.page.close({ runBeforeUnload: false });
    await until('the gateway notices', async () => (await gateway.streams()).length === 0, 45_000);
});

for (const bFrames of [0, 2]) {
    test(`an RTMP publisher with ${bFrames} B-frames in a row plays, with sound`, async () => {
        const name = `studio-b${bFrames}`;
        const encoder = spawn('ffmpeg', ['-hide_banner', '-loglevel', 'error', '-re',
            '-f', 'lavfi', '-i', 'testsrc2=size=640x360:rate=30', '-f', 'lavfi', '-i', 'sine=frequency=440',
            '-c:v', 'libx264', '-preset', 'ultrafast', '-g', '60', '-bf', String(bFrames), '-pix_fmt', 'yuv420p',
            '-c:a', 'aac', '-f', 'flv', `${gateway.rtmp}/live/${name}?pipeline=passthrough`], { stdio: 'inherit' });
        try {
            await until('the stream', async () => (await gateway.streams()).includes(name));
            const kit = await Kit.open(browser, gateway);
            for (const path of [name, `${name}-out`]) {
                await kit.watch(path, path, true);
                await grows(kit, path, 30);
                const begin = Date.now();
                const { audio } = await kit.viewer(path);
                const after = await grows(kit, path, 90);
                const fps = 90_000 / (Date.now() - begin);
                assert.ok(fps > 24, `${path}: ${fps} frames a second ${JSON.stringify(after)}`);
                assert.ok(after.audio > audio + 48_000, `${path}: sound ${audio} to ${after.audio}`);
            }
            await kit.page.close();
        } finally {
            encoder.kill('SIGINT');
        }
        await streamEnded(name);
    });
}

test('no page threw or broke its policy', () => {
    assert.deepEqual(browser.problems, []);
});
