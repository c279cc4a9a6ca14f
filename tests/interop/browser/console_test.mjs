// The console page as a person uses it, in Chromium. RIVULET is the binary.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { after, afterEach, before, test } from 'node:test';

import { Browser } from './chromium.mjs';
import { Gateway, pause, until } from './gateway.mjs';
import { BARS, alike, barsOf, negative } from './page_kit.mjs';

const RIVULET = process.env.RIVULET;
const PICTURES = process.env.PICTURES; // where to leave screenshots; nowhere when empty

let gateway;
let browser;

before(async () => {
    gateway = await Gateway.start(RIVULET);
    browser = await Browser.start({ colorScheme: 'dark' });
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

async function shoot(page, name) {
    if (!PICTURES) return;
    mkdirSync(PICTURES, { recursive: true });
    await page.screenshot({ path: `${PICTURES}/${name}.png`, fullPage: name !== 'console-phone' });
}

const bars = (page, panel) => page.evaluate(barsOf, `${panel} video`);
const shows = (page, panel, wanted) => until(`${panel} shows ${JSON.stringify(wanted)}`, async () => {
    const found = await bars(page, panel);
    if (alike(found, wanted)) return true;
    throw new Error(JSON.stringify([found, await page.textContent(`${panel} .note`), await page.textContent('#summary')]));
}, 25_000);
const meter = async (page, panel, name) =>
    Number((await page.textContent(`${panel} [data-meter=${name}] .value`)).replace('≈', ''));

test('publish the test picture, see both videos, change the graph, see the change, stop', async () => {
    const page = await browser.page(`${gateway.url}/`);
    await page.fill('#name', 'first-light');
    await until('the list of pipelines', async () => await page.inputValue('#pipeline') === 'avfilter', 10_000);
    await page.click('#go');
    await shows(page, '#source', BARS);
    await shows(page, '#output', negative(BARS));
    assert.deepEqual(await gateway.streams(), ['first-light']);

    await until('the numbers of both panels', async () => {
        for (const panel of ['#source', '#output']) {
            assert.ok(await meter(page, panel, 'fps') > 15, `${panel} fps`);
            assert.ok(await meter(page, panel, 'latency') > 0, `${panel} latency`);
            assert.ok(!(await page.textContent(`${panel} [data-meter=latency] .value`)).includes('≈'), 'measured');
        }
        return true;
    });
    await until('the stream in the list', async () =>
        (await page.textContent('tr[data-stream=first-light] .badge')) === 'live');
    if (PICTURES) await pause(40_000); // the plots get a line
    await shoot(page, 'console');

    await page.click('text=Mirror');
    await until('the update is applied', async () => (await page.textContent('#params-message')).startsWith('Applied'));
    await shows(page, '#output', [...BARS].reverse());
    await shows(page, '#source', BARS);
    assert.equal((await gateway.status('first-light')).param_updates >= 1, true);

    await page.click('#go');
    await until('the stream is gone', async () => (await gateway.streams()).length === 0);
    await until('the panels are empty', async () =>
        (await page.getAttribute('#output', 'data-state')) === 'stopped');
    assert.equal(await page.textContent('#go'), 'Go live');
    assert.deepEqual(browser.problems, []);
    await page.close();
});

for (const kind of ['camera', 'screen']) {
    test(`the ${kind} is published with a clock, and both videos play`, async () => {
        const page = await browser.page(`${gateway.url}/`);
        await page.check(`input[value=${kind}]`);
        await page.fill('#name', `my-${kind}`);
        await page.click('#go');
        await until('measured latency at both', async () => {
            for (const panel of ['#source', '#output']) {
                assert.ok(await meter(page, panel, 'fps') > 5, panel);
                assert.match(await page.textContent(`${panel} [data-meter=latency] .value`), /^\d+$/);
            }
            return true;
        }, 25_000);
        await page.click('#go');
        await until('the end', async () => (await gateway.streams()).length === 0);
    });
}

test('parameters that are not JSON are named and not sent', async () => {
    const page = await browser.page(`${gateway.url}/`);
    await page.fill('#params', '{"graph": ');
    await until('the message', async () => (await page.textContent('#params-message')).length > 0);
    assert.equal(await page.getAttribute('#params', 'aria-invalid'), 'true');
    await page.fill('#params', '[1]');
    assert.match(await page.textContent('#params-message'), /JSON object/);
    await page.fill('#params', '{"graph":"hflip"}');
    assert.equal(await page.getAttribute('#params', 'aria-invalid'), 'false');
    assert.equal(await page.getAttribute('.chip[data-graph=hflip]', 'aria-pressed'), 'true');
    await page.close();
});

test('the keyboard alone publishes and stops, and every control has a name', async () => {
    const page = await browser.page(`${gateway.url}/`);
    await page.fill('#name', 'by-keyboard');
    await page.focus('#name');
    await page.keyboard.press('Enter');
    await until('the stream', async () => (await gateway.streams()).includes('by-keyboard'));
    await until('the form says so', async () => (await page.textContent('#publish-message')).startsWith('Live as'));
    await page.focus('#go');
    await page.keyboard.press('Space');
    await until('its end', async () => !(await gateway.streams()).includes('by-keyboard'));

    await page.focus('#tabs [aria-selected=true]');
    await page.keyboard.press('ArrowRight');
    assert.equal(await page.textContent('#tabs [aria-selected=true]'), 'OBS');
    const nameless = await page.$$eval('button, input, select, textarea, a[href], video', found => found
        .filter(one => one.checkVisibility?.() ?? true)
        .filter(one => one.tagName !== 'VIDEO' && !(one.textContent.trim() || one.getAttribute('aria-label') ||
            one.labels?.length))
        .map(one => one.outerHTML));
    assert.deepEqual(nameless, []);
    await page.close();
});

test('events come over the WebSocket', async () => {
    const page = await browser.page(`${gateway.url}/`);
    await until('the feed is open', async () => (await page.textContent('#link')) === 'connected');
    await page.fill('#name', 'eventful');
    await page.click('#go');
    await until('events of the stream', async () =>
        (await page.$$eval('#events b', all => all.map(one => one.textContent))).includes('eventful'));
    await page.check('#only-watched');
    await until('the same, asked for this stream alone', async () =>
        (await page.$$eval('#events b', all => all.map(one => one.textContent))).every(one => one === 'eventful') &&
        (await page.$$('#events li')).length > 0);
    await page.click('#go');
    await until('its end', async () => (await gateway.streams()).length === 0);
    await page.close();
});

test('a feed that asks from a number on gets exactly what came after it', async () => {
    const page = await browser.page(`${gateway.url}/healthz`);
    const numbers = query => page.evaluate(query => new Promise((resolve, reject) => {
        const socket = new WebSocket(`ws://${location.host}/live/video-to-video/events${query}`);
        const seen = [];
        socket.onmessage = ({ data }) => seen.push(JSON.parse(data).seq);
        socket.onerror = () => reject(new Error('refused'));
        setTimeout(() => { socket.close(); resolve(seen); }, 1000);
    }), query);
    // The tests above have left events behind.
    const all = await numbers('?after=0');
    assert.ok(all.length >= 3, JSON.stringify(all));
    assert.deepEqual([...all].sort((a, b) => a - b), all);
    const middle = all[all.length >> 1];
    assert.deepEqual((await numbers(`?after=${middle}`)).slice(0, 5), all.filter(seq => seq > middle).slice(0, 5));
    await page.close();
});

test('a reload ends what the page published and comes up again', async () => {
    const page = await browser.page(`${gateway.url}/`);
    await page.fill('#name', 'reloaded');
    await page.click('#go');
    await shows(page, '#source', BARS);
    await page.reload();
    await until('the old stream is gone', async () => (await gateway.streams()).length === 0);
    assert.equal(await page.inputValue('#name'), 'reloaded');
    await page.click('#go');
    await shows(page, '#source', BARS);
    await shows(page, '#output', negative(BARS));
    await page.close();
    await until('a closed page ends its stream too', async () => (await gateway.streams()).length === 0);
});

test('on a phone nothing is wider than the screen, and light looks as complete as dark', async () => {
    const page = await browser.page(`${gateway.url}/`);
    await page.setViewportSize({ width: 360, height: 740 });
    await page.fill('#name', 'a-rather-long-name-of-a-stream-from-a-phone');
    await page.click('#go');
    await shows(page, '#source', BARS);
    const [content, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(content <= screen, `${content} > ${screen}`);
    await shoot(page, 'console-phone');
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize({ width: 1440, height: 1000 });
    const colours = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await colours();
    await shoot(page, 'console-light');
    await page.emulateMedia({ colorScheme: 'dark' });
    assert.notEqual(await colours(), light);
    // The button holds against the system's choice.
    await page.click('#theme');
    await page.click('#theme');
    assert.equal(await colours(), light);
    await page.close();
    await until('its end', async () => (await gateway.streams()).length === 0);
});

test('the player page plays, says what it waits for, and may be framed', async () => {
    const console = await browser.page(`${gateway.url}/`);
    const player = await browser.page(`${gateway.url}/my-show-out/`);
    await until('it says what it waits for', async () => /my-show/.test(await player.textContent('#note')));
    await console.fill('#name', 'my-show');
    await console.click('#go');
    await shows(console, '#output', negative(BARS));
    await until('the player plays', async () => alike(await player.evaluate(barsOf, '#video'), negative(BARS)), 20_000);
    assert.equal(await player.textContent('#note'), '');
    assert.equal(await player.title(), 'my-show-out · Rivulet');
    const headers = (await player.goto(`${gateway.url}/my-show/`)).headers();
    assert.doesNotMatch(headers['content-security-policy'], /frame-ancestors/);
    await until('the source plays too', async () => alike(await player.evaluate(barsOf, '#video'), BARS), 20_000);
    await player.close();
    await console.close();
    await until('its end', async () => (await gateway.streams()).length === 0);
});

test('no page asked anybody else, broke its policy or threw', () => {
    assert.deepEqual(browser.problems, []);
});
