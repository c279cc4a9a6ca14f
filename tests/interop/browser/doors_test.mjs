// The page at gateways that want a key, serve HTTPS, or are reached by TCP alone.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { Browser } from './chromium.mjs';
import { Gateway, until } from './gateway.mjs';
import { BARS, Kit, alike, barsOf, negative } from './page_kit.mjs';

const RIVULET = process.env.RIVULET;

let folder;
let browser;

before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'rivulet-doors-'));
    browser = await Browser.start({ ignoreHTTPSErrors: true });
});

after(async () => {
    await browser?.stop();
    rmSync(folder, { recursive: true, force: true });
});

async function at(options, work) {
    const gateway = await Gateway.start(RIVULET, ...options);
    try {
        await work(gateway);
        assert.deepEqual(browser.problems, []);
    } finally {
        await browser.closePages();
        assert.equal(await gateway.stop(), 0, gateway.log);
    }
}

const shows = (page, where, wanted) => until(`${where} shows ${JSON.stringify(wanted)}`, async () =>
    alike(await page.evaluate(barsOf, where), wanted), 25_000);

function keyLine(pattern, actions, key) {
    return execFileSync(RIVULET, ['hash-key', pattern, actions], { input: `${key}\n` }).toString();
}

test('with -streamKeys nothing works without the key and everything with it', async () => {
    const key = 'one-long-key-for-all-of-it';
    const viewerKey = 'only-for-those-who-watch';
    const file = join(folder, 'keys');
    writeFileSync(file, keyLine('*', 'all', key) + keyLine('kept', 'watch', viewerKey));
    await at(['-streamKeys', file], async gateway => {
        const page = await browser.page(`${gateway.url}/`);
        await until('it asks for the key', async () => (await page.textContent('#link')) === 'needs a key' &&
            (await page.textContent('#key-state')) === 'Key needed');
        await page.fill('#name', 'kept');
        await page.click('#go');
        await until('the refusal', async () =>
            (await page.getAttribute('#publish-message', 'data-kind')) === 'bad' &&
            (await page.textContent('#go')) === 'Go live');
        assert.match(await page.textContent('#publish-message'), /key/i);

        await page.click('#key-menu summary');
        await page.fill('#key', key);
        await page.keyboard.press('Enter');
        await until('the page is let in', async () => (await page.textContent('#link')) === 'connected');
        await page.click('#go');
        await shows(page, '#source video', BARS);
        await shows(page, '#output video', negative(BARS));
        await page.click('text=Mirror');
        await shows(page, '#output video', [...BARS].reverse());
        await until('events', async () => (await page.$$('#events li')).length > 0);
        assert.ok(!(await page.textContent('#lines')).includes(key), 'the key is not shown');

        const stranger = await browser.page(`${gateway.url}/kept-out/`);
        await until('a player without key is refused', async () => /key/i.test(await stranger.textContent('#note')));
        const viewer = await browser.page(`${gateway.url}/kept-out/?key=${viewerKey}`);
        await shows(viewer, '#video', [...BARS].reverse());
        const wrong = await browser.page(`${gateway.url}/kept-out/?key=another-key-that-is-wrong`);
        await until('a wrong key is refused', async () => (await wrong.textContent('#note')).length > 20);

        await page.click('#go');
        await until('the end', async () => (await fetch(`${gateway.url}/live/video-to-video`,
            { headers: { Authorization: `Bearer ${key}` } }).then(reply => reply.json())).streams.length === 0);
    });
});

test('over HTTPS the page has a camera, a clipboard and its event feed', async () => {
    const [cert, secret] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
        '-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', secret, '-out', cert], { stdio: 'ignore' });
    const options = ['-httpsAddr', '127.0.0.1:0', '-tlsCert', cert, '-tlsKey', secret];
    await at(options, async gateway => {
        const { https } = await gateway.json('/doors');
        const page = await browser.page(`${https}/`);
        await until('the feed', async () => (await page.textContent('#link')) === 'connected');
        await page.check('input[value=camera]');
        await page.fill('#name', 'secure');
        await page.click('#go');
        await until('both pictures', async () => await page.evaluate(() =>
            [...document.querySelectorAll('video')].every(one => one.videoWidth > 0 && one.currentTime > 0)), 25_000);
        await until('events', async () => (await page.$$('#events li')).length > 0);
        assert.match(await page.textContent('#lines'), /rtmp:/);
        await page.click('#go');
        await until('the end', async () => (await gateway.streams()).length === 0);
    });
});

test('where UDP is blocked media goes over TCP, both ways', async () => {
    await at([], async gateway => {
        const kit = await Kit.open(browser, gateway);
        await kit.page.route(/\/wh[ie]p/, async route => {
            if (route.request().method() !== 'POST') return route.continue();
            const response = await route.fetch();
            const body = (await response.text()).replace(/^a=candidate:\S+ \d+ udp .*\r\n/gim, '');
            assert.match(body, /a=candidate:\S+ \d+ tcp /i);
            await route.fulfill({ response, body });
        });
        await kit.publish('tunnel');
        await kit.watch('tunnel-out');
        await until('video', async () => (await kit.viewer('tunnel-out')).frames > 60);
        const pairs = await kit.page.evaluate(async () => {
            const out = [];
            for (const connection of [kit.published.session.connection, kit.watched.get('tunnel-out').player.connection]) {
                const report = await connection.getStats();
                for (const entry of report.values())
                    if (entry.type === 'candidate-pair' && entry.nominated) out.push(report.get(entry.remoteCandidateId).protocol);
            }
            return out;
        });
        assert.deepEqual(pairs, ['tcp', 'tcp']);
        await kit.unpublish();
        await until('the end', async () => (await gateway.streams()).length === 0);
    });
});

test('the gateway is started anew: publishing and watching go on by themselves', async () => {
    let port;
    let page;
    const first = await Gateway.start(RIVULET);
    try {
        port = first.port;
        page = await browser.page(`${first.url}/`);
        await page.fill('#name', 'steady');
        await page.click('#go');
        await shows(page, '#output video', negative(BARS));
    } finally {
        assert.equal(await first.stop(), 0, first.log);
    }
    await at(['-httpAddr', `127.0.0.1:${port}`], async gateway => {
        await until('the stream', async () => (await gateway.streams()).includes('steady'), 40_000);
        await until('pictures at the output', async () => (await gateway.status('steady')).players.output === 1, 30_000);
        await until('they move', async () => Number(await page.textContent('#output [data-meter=fps] .value')) > 15);
        await until('the feed', async () => (await page.textContent('#link')) === 'connected');
        // Ended at the gateway, it stays ended.
        await fetch(`${gateway.url}/live/video-to-video/steady`, { method: 'DELETE' });
        await until('the page knows', async () => /ended/.test(await page.textContent('#publish-message')), 30_000);
        assert.deepEqual(await gateway.streams(), []);
    });
});
