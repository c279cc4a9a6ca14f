// The page at /docs against the built-in orchestrator: forms out of the API's own document, answers
// as people see and hear them, failures at the field at fault.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { Browser } from './chromium.mjs';
import { Gateway, until } from './gateway.mjs';

let browser;
let gateway;

before(async () => {
    browser = await Browser.start();
    gateway = await Gateway.start(process.env.RIVULET);
    await until('the built-in models', async () =>
        Object.keys((await gateway.json('/models')).pipelines['text-to-image'].models).length > 0);
});

afterEach(async () => {
    await browser.closePages();
    assert.deepEqual(browser.problems.splice(0), []);
});

after(async () => {
    await browser?.stop();
    if (gateway) assert.equal(await gateway.stop(), 0, gateway.log);
});

async function open(pipeline) {
    const page = await browser.page(`${gateway.url}/docs#${pipeline}`);
    await page.waitForSelector('#send');
    return page;
}

const state = page => page.textContent('#state');
const done = page => until('the answer', async () => /^done in/.test(await state(page)) || false, 30_000);

const picture = page => page.evaluate(async () => {
    const canvas = document.createElement('canvas');
    canvas.width = 96;
    canvas.height = 64;
    const context = canvas.getContext('2d');
    context.fillStyle = '#0f766e';
    context.fillRect(0, 0, 96, 64);
    return canvas.toDataURL('image/png').split(',')[1];
}).then(text => ({ name: 'a.png', mimeType: 'image/png', buffer: Buffer.from(text, 'base64') }));

test('every pipeline has a form with all of its fields', async () => {
    const page = await open('text-to-image');
    const document = await gateway.json('/openapi.json');
    const paths = Object.entries(document.paths).filter(([, methods]) => methods.post?.tags?.includes('pipelines'));
    assert.equal(await page.locator('#pipelines button').count(), paths.length);
    for (const [path, methods] of paths) {
        await page.click(`#pipelines button:has-text("${methods.post.summary}")`);
        await until(path, async () => (await page.textContent('#title')).includes(path));
        const { schema } = Object.values(methods.post.requestBody.content)[0];
        const fields = Object.keys(document.components.schemas[schema.$ref.split('/').pop()].properties);
        assert.equal(await page.locator('#form .what').count(), fields.length, path);
    }
});

test('a prompt becomes a picture of the size that was asked for', async () => {
    const page = await open('text-to-image');
    await page.fill('#field-prompt', 'it\'s a lighthouse');
    await page.fill('#field-width', '320');
    await page.fill('#field-height', '200');
    await page.click('#send');
    await done(page);
    const size = await until('the picture', () => page.evaluate(() => {
        const image = document.querySelector('#answer img');
        return image?.complete && image.naturalWidth ? [image.naturalWidth, image.naturalHeight] : null;
    }));
    assert.deepEqual(size, [320, 200]);
    const command = await page.textContent('#curl');
    assert.match(command, /^curl http:\/\/127\.0\.0\.1:\d+\/text-to-image/);
    assert.ok(command.includes(String.raw`it'\''s a lighthouse`), command);
});

test('a picture is uploaded and comes back four times as large', async () => {
    const page = await open('upscale');
    await page.setInputFiles('#field-image', await picture(page));
    await page.fill('#field-prompt', 'sharp');
    await page.click('#send');
    await done(page);
    assert.equal(await until('the picture', () =>
        page.evaluate(() => document.querySelector('#answer img')?.naturalWidth)), 384);
});

test('a text is heard', async () => {
    const page = await open('text-to-speech');
    await page.fill('#field-text', 'Hello from the river.');
    await page.click('#send');
    await done(page);
    const seconds = await until('the sound', () => page.evaluate(() => document.querySelector('#answer audio')?.duration));
    assert.ok(seconds > 0.5, `${seconds} s`);
});

test('what is wrong is shown at its field', async () => {
    const page = await open('text-to-image');
    await page.fill('#field-prompt', 'a cat');
    await page.fill('#field-width', '9000');
    await page.click('#send');
    await until('the reason', async () => (await page.textContent('#problem')).includes('between 1 and 8192'));
    assert.equal(await page.getAttribute('#field-width', 'aria-invalid'), 'true');
    assert.match(await state(page), /^400/);
    await page.fill('#field-width', '64');
    await page.click('#send');
    await done(page);
    assert.equal(await page.textContent('#problem'), '');
});

test('a conversation is read as it comes', async () => {
    const page = await open('llm');
    let asked;
    await page.route('**/llm', route => {
        asked = route.request().postDataJSON();
        const piece = text => `data: ${JSON.stringify({ choices: [{ index: 0, delta: { role: 'assistant', content: text } }] })}\n\n`;
        return route.fulfill({ contentType: 'text/event-stream', body: `: keep-alive\n\n${piece('Hello ')}${piece('<b>there')}data: [DONE]\n\n` });
    });
    await page.fill('.turn textarea', 'Hi');
    await page.selectOption('#field-stream', 'true');
    await page.fill('#field-max_tokens', '9');
    await page.click('#send');
    await until('the end', async () => /^done after/.test(await state(page)));
    assert.equal(await page.textContent('#answer'), 'Hello <b>there');
    assert.deepEqual(asked, { messages: [{ role: 'user', content: 'Hi' }], max_tokens: 9, stream: true });
});

test('a pipeline that nobody offers says so', async () => {
    const page = await open('llm');
    await page.fill('.turn textarea', 'Hi');
    await page.click('#send');
    await until('the reason', async () => (await page.textContent('#problem')).length > 0);
    assert.match(await state(page), /^503/);
});

for (const colorScheme of ['light', 'dark']) {
    test(`nothing overflows and all is readable, narrow and ${colorScheme}`, async () => {
        const page = await open('image-to-image');
        await page.emulateMedia({ colorScheme });
        for (const width of [360, 900, 1440]) {
            await page.setViewportSize({ width, height: 900 });
            assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `at ${width}`);
        }
        if (process.env.PICTURES) await page.screenshot({ path: `${process.env.PICTURES}/docs-${colorScheme}.png`, fullPage: true });
    });
}
