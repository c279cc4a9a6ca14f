// The sample page: published and watched by Chromium with its fake camera. RIVULET is the binary.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Browser } from './chromium.mjs';
import { until } from './gateway.mjs';

const RUN = fileURLToPath(new URL('../../../samples/browser/run.sh', import.meta.url));

let sample;
let browser;
let page;
const lines = [];

before(async () => {
    sample = spawn(RUN, { stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, RIVULET_SAMPLE_PORTS: 'free', RIVULET_SAMPLE_SECONDS: '90' } });
    for (const pipe of [sample.stdout, sample.stderr])
        createInterface(pipe).on('line', line => lines.push(line));
    const url = await until('the address of the page', () => {
        if (sample.exitCode !== null) throw new Error(lines.join('\n'));
        return lines.map(line => /^Open +(\S+)/.exec(line)?.[1]).find(Boolean);
    }, 40_000);
    browser = await Browser.start();
    page = await browser.page(url);
});

after(async () => {
    await browser?.stop();
    const ended = new Promise(resolve => sample.once('exit', resolve));
    sample.kill('SIGTERM');
    assert.equal(await ended, 0, lines.join('\n'));
});

/** Mean red, green and blue of a video's picture; null before there is one. */
const mean = id => page.evaluate(id => {
    const video = document.getElementById(id);
    if (!video.videoWidth) return null;
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [16, 9];
    const context = canvas.getContext('2d');
    context.drawImage(video, 0, 0, 16, 9);
    const sum = [0, 0, 0];
    context.getImageData(0, 0, 16, 9).data.forEach((value, at) => { if (at % 4 < 3) sum[at % 4] += value; });
    return sum.map(value => value / 144);
}, id);

test('Start publishes the camera and shows its negative', async () => {
    await page.click('button');
    await until('the result', async () => {
        const [camera, result] = [await mean('camera'), await mean('result')];
        const text = await page.textContent('#state');
        if (!camera || !result) throw new Error(text);
        assert.ok(camera.every((value, at) => Math.abs(255 - value - result[at]) < 25), JSON.stringify([camera, result, text]));
        return true;
    }, 30_000);
    assert.equal(await page.textContent('#state'), 'Left the camera, right what comes back.');
});

test('another filter begins with Start, and the first stream ends', async () => {
    await page.fill('[name=graph]', 'null');
    await page.fill('[name=stream]', 'second');
    await page.click('button');
    await until('the unchanged picture', async () => {
        const [camera, result] = [await mean('camera'), await mean('result')];
        return camera && result && camera.every((value, at) => Math.abs(value - result[at]) < 25);
    }, 30_000);
    const gateway = await page.inputValue('[name=gateway]');
    await until('one stream', async () => {
        const { streams } = await page.evaluate(async url => (await fetch(`${url}/live/video-to-video`)).json(), gateway);
        return streams.length === 1 && streams[0].stream === 'second';
    });
});

test('the gateway\'s refusal is shown', async () => {
    await page.fill('[name=graph]', '');
    await page.fill('[name=gateway]', `${await page.inputValue('[name=gateway]')}/nowhere`);
    await page.click('button');
    await until('the reason', async () => (await page.textContent('#state')).startsWith('It did not work: '));
    assert.deepEqual(browser.problems, []);
});
