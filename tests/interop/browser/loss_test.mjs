// Three of a hundred RTP packets are lost: the pictures still come, and come in time.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { Browser } from './chromium.mjs';
import { Gateway, pause, until } from './gateway.mjs';
import { Kit } from './page_kit.mjs';
import { relayAnswers } from './lossy_relay.mjs';

const SECONDS = 12;
const LOSS = 0.03;

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

const median = sorted => sorted[sorted.length >> 1];

/** Publishes and watches for a while: {sent, decoded, first, last}: frames, and ages in ms. */
async function run(kit, stream) {
    await until('video', async () => (await kit.viewer(stream)).frames > 30, 25_000);
    await pause(2000);
    await kit.ages(stream);
    const [sent, seen] = [await kit.sender(), await kit.viewer(stream)];
    await pause(3000);
    const first = median(await kit.ages(stream));
    await pause((SECONDS - 6) * 1000);
    await kit.ages(stream);
    await pause(3000);
    const last = median(await kit.ages(stream));
    const [sentEnd, seenEnd] = [await kit.sender(), await kit.viewer(stream)];
    return { sent: sentEnd.frames - sent.frames, decoded: seenEnd.frames - seen.frames, first, last, viewer: seenEnd,
        sender: sentEnd };
}

function check(result, context) {
    const text = `${JSON.stringify(result)} ${context}`;
    assert.ok(result.sent > SECONDS * 20, `the browser sent too little: ${text}`);
    assert.ok(result.decoded >= result.sent * 0.95, `frames are missing: ${text}`);
    assert.ok(result.last < result.first + 100, `the delay grows: ${text}`);
    assert.ok(result.last < 1000, `the delay is long: ${text}`);
}

for (const codec of ['h264', 'vp8']) {
    test(`packets of a publisher are lost (${codec})`, async () => {
        const kit = await Kit.open(browser, gateway);
        const relays = await relayAnswers(kit.page, '**/whip*', { up: LOSS });
        const stream = `lossy-${codec}`;
        await kit.publish(stream, { codec });
        await kit.watch(stream);
        const result = await run(kit, stream);
        const { up, lostUp } = relays[0].socket.counts;
        assert.ok(lostUp > up * LOSS * 0.6 && lostUp > 20, `the relay lost ${lostUp} of ${up}`);
        check(result, `lost ${lostUp} of ${up}`);
        await kit.unpublish();
        await kit.page.close();
        relays.forEach(one => one.socket.close());
        await until('the end', async () => (await gateway.streams()).length === 0);
    });
}

test('packets to a viewer are lost', async () => {
    const kit = await Kit.open(browser, gateway);
    const relays = await relayAnswers(kit.page, '**/whep*', { down: LOSS });
    await kit.publish('far');
    await kit.watch('far');
    const result = await run(kit, 'far');
    const { down, lostDown } = relays[0].socket.counts;
    assert.ok(lostDown > down * LOSS * 0.6 && lostDown > 20, `the relay lost ${lostDown} of ${down}`);
    check(result, `lost ${lostDown} of ${down}`);
    await kit.unpublish();
    await kit.page.close();
    relays.forEach(one => one.socket.close());
});

for (const side of ['whip', 'whep']) {
    test(`the way of a ${side} session breaks: ICE is restarted, the session stays`, async () => {
        const kit = await Kit.open(browser, gateway);
        const relays = await relayAnswers(kit.page, `**/${side}*`, {});
        const asked = { POST: 0, PATCH: 0 };
        kit.page.on('request', request => {
            if (request.url().includes(`/${side}`)) asked[request.method()]++;
        });
        await kit.publish(`moving-${side}`);
        await kit.watch(`moving-${side}`, 'viewer');
        await until('video', async () => (await kit.viewer('viewer')).frames > 30);
        // The answer to the PATCH names the gateway's own port, past the relay.
        relays.forEach(one => one.socket.close());
        await until('the restart', async () => asked.PATCH > 0);
        const { frames } = await kit.viewer('viewer');
        await until('video again', async () => (await kit.viewer('viewer')).frames > frames + 60);
        assert.deepEqual(asked, { POST: 1, PATCH: 1 });
        await kit.unpublish();
        await kit.page.close();
        await until('the end', async () => (await gateway.streams()).length === 0);
    });
}
