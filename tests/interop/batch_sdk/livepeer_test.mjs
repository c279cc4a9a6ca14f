// The network's own JavaScript SDK, unchanged, drives every pipeline through a gateway.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { modules, picture, sound } from './kit.mjs';
import { Network, until } from './network.mjs';

const { Livepeer } = modules('@livepeer/ai');
const errors = modules('@livepeer/ai/models/errors');

let network, generate;
const image = { fileName: 'in.png', content: picture() };

before(async () => {
    network = await Network.start();
    generate = new Livepeer({ serverURL: network.url, httpBearer: 'ignored' }).generate;
    await until('all pipelines are known', async () => (await fetch(network.url + '/readyz')).ok);
});
after(async () => {
    await network?.stop();
});

async function failure(call) {
    let result;
    try {
        result = await call;
    } catch (error) {
        return error;
    }
    assert.fail('no error: ' + JSON.stringify(result));
}

async function fetched(url, type) {
    assert.match(url, /^\/stream\/[0-9a-f]{32}\//);
    const reply = await fetch(new URL(url, network.url));
    assert.equal(reply.status, 200);
    assert.equal(reply.headers.get('content-type'), type);
    return Buffer.from(await reply.arrayBuffer());
}

test('textToImage: the pictures are there, in their order', async () => {
    const { imageResponse: { images } } = await generate.textToImage({ prompt: 'a boat', numImagesPerPrompt: 3, seed: 40 });
    assert.deepEqual(images.map(one => [one.seed, one.nsfw]), [[40, false], [41, false], [42, false]]);
    assert.equal(new Set(images.map(one => one.url)).size, 3);
    for (const { url } of images) assert.equal((await fetched(url, 'image/png')).subarray(1, 4).toString(), 'PNG');
    const { fields, authorization } = await network.last('text-to-image');
    assert.equal(fields.model_id, 'stabilityai/sdxl-turbo');
    assert.deepEqual([fields.height, fields.width, fields.prompt], [576, 1024, 'a boat']);
    assert.notEqual(authorization, 'Bearer ignored');
});

test('imageToImage: the upload goes on as it came', async () => {
    const { imageResponse: { images } } = await generate.imageToImage({ prompt: 'a boat', image, safetyCheck: false });
    await fetched(images[0].url, 'image/png');
    const { fields } = await network.last('image-to-image');
    assert.equal(fields.image.size, image.content.length);
    assert.equal(fields.image.name, 'in.png');
    assert.equal(fields.safety_check, 'false');
    assert.equal(fields.strength, '0.800000');
});

test('imageToImage: takes a blob without a name, too', async () => {
    const { imageResponse: { images } } = await generate.imageToImage({ prompt: 'a boat', image: new Blob([picture()]) });
    assert.equal(images.length, 1);
});

test('imageToVideo: the file comes through the gateway', async () => {
    const { videoResponse: { images } } = await generate.imageToVideo({ image });
    assert.equal((await fetched(images[0].url, 'video/mp4')).subarray(4, 8).toString(), 'ftyp');
    const { fields } = await network.last('image-to-video');
    assert.deepEqual([fields.height, fields.width, fields.fps], ['576', '1024', '6']);
});

test('upscale', async () => {
    const { imageResponse: { images } } = await generate.upscale({ prompt: 'a boat', image });
    await fetched(images[0].url, 'image/png');
});

test('audioToText: the chunks and their times', async () => {
    const { textResponse } = await generate.audioToText({ audio: { fileName: 'in.wav', content: sound(2) } });
    assert.equal(textResponse.text, 'hello world');
    assert.deepEqual(textResponse.chunks.map(one => one.timestamp), [[0, 0.5], [0.5, 1]]);
    assert.deepEqual(JSON.parse((await network.last('audio-to-text')).fields.metadata), { duration: '2' });
});

test('segmentAnything2', async () => {
    const { masksResponse } = await generate.segmentAnything2({ image });
    assert.deepEqual([masksResponse.masks, masksResponse.scores, masksResponse.logits], ['[[0]]', '[0.5]', '[[1]]']);
});

test('imageToText', async () => {
    const { imageToTextResponse } = await generate.imageToText({ image });
    assert.equal(imageToTextResponse.text, 'a test picture');
});

test('textToSpeech', async () => {
    const { audioResponse } = await generate.textToSpeech({ text: 'hello' });
    assert.equal((await fetched(audioResponse.audio.url, 'audio/wav')).subarray(8, 12).toString(), 'WAVE');
});

test('llm', async () => {
    const { llmResponse } = await generate.llm({ messages: [{ role: 'user', content: 'hi' }] });
    assert.equal(llmResponse.choices[0].message.content, '256 tokens at most');
    assert.equal(llmResponse.choices[0].finishReason, 'stop');
    assert.equal(llmResponse.usage.totalTokens, 7);
});

test('what the gateway finds wrong is an HTTPError with its text', async () => {
    const before = (await network.asked()).asked.length;
    const noPrompt = await failure(generate.textToImage({ prompt: '' }));
    assert.ok(noPrompt instanceof errors.HTTPError, noPrompt);
    assert.match(noPrompt.detail.msg, /prompt/);
    const noImage = await failure(generate.upscale({ prompt: 'a', image: { fileName: 'x.png', content: Buffer.from('no image') } }));
    assert.ok(noImage instanceof errors.HTTPError, noImage);
    const noSound = await failure(generate.audioToText({ audio: { fileName: 'x.wav', content: picture() } }));
    assert.ok(noSound instanceof errors.HTTPError, noSound);
    assert.equal((await network.asked()).asked.length, before);
});

test('what a runner finds wrong is an HTTPError or an HTTPValidationError', async () => {
    await network.next('text-to-image', { status: 400, body: { detail: { msg: 'no such lora' } } });
    const refused = await failure(generate.textToImage({ prompt: 'a', loras: '{"x":1}' }));
    assert.ok(refused instanceof errors.HTTPError, refused);
    assert.equal(refused.detail.msg, 'no such lora');
    await network.next('text-to-image', { status: 422, body: {
        detail: [{ loc: ['body', 'seed'], msg: 'seed is odd', type: 'value_error' }] } });
    const invalid = await failure(generate.textToImage({ prompt: 'a', seed: 3 }));
    assert.ok(invalid instanceof errors.HTTPValidationError, invalid);
    assert.match(invalid.detail[0].msg, /seed is odd/);
    // Nobody was marked for it.
    assert.equal((await generate.textToImage({ prompt: 'a' })).imageResponse.images.length, 1);
});

test('a model that nobody has is an SDKError 503', async () => {
    const error = await failure(generate.textToImage({ prompt: 'a', modelId: 'nobody/has-it' }));
    assert.ok(error instanceof errors.SDKError, error);
    assert.equal(error.statusCode, 503);
    assert.ok(JSON.parse(error.body).error.message);
});

test('sound that is too long to upload is an HTTPError 413', async () => {
    const content = Buffer.alloc(50 * 1024 * 1024 + 1);
    sound(1).copy(content);
    const error = await failure(generate.audioToText({ audio: { fileName: 'in.wav', content } }));
    assert.ok(error instanceof errors.HTTPError, error);
    assert.match(error.detail.msg, /large|limit|MiB/);
});

test('with keys, a client without one gets an HTTPError and one with it an answer', async () => {
    const [file, key] = network.keyFile();
    const gateway = await network.gatewayWith('-streamKeys', file);
    const serverURL = `http://127.0.0.1:${gateway.port('http')}`;
    const error = await failure(new Livepeer({ serverURL }).generate.llm({ messages: [{ role: 'user', content: 'hi' }] }));
    assert.ok(error instanceof errors.HTTPError, error);
    const { llmResponse } = await new Livepeer({ serverURL, httpBearer: key })
        .generate.llm({ messages: [{ role: 'user', content: 'hi' }], maxTokens: 9 });
    assert.equal(llmResponse.choices[0].message.content, '9 tokens at most');
});
