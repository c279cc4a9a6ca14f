// OpenAI's own client, unchanged, holds conversations through a gateway.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { modules } from './kit.mjs';
import { Network, until } from './network.mjs';

const { OpenAI } = modules('openai');
const MODEL = 'meta-llama/llama-3.1-8B-Instruct';
const messages = [{ role: 'user', content: 'hi' }];

let network, client;

before(async () => {
    network = await Network.start();
    client = new OpenAI({ baseURL: network.url + '/v1', apiKey: 'ignored', maxRetries: 0 });
    await until('the model is known', async () => (await client.models.list()).data.length > 0);
});
after(async () => {
    await network?.stop();
});

test('lists the models that the network has', async () => {
    const { data } = await client.models.list();
    assert.deepEqual(data.map(one => [one.id, one.object]), [[MODEL, 'model']]);
});

test('an answer in one piece', async () => {
    const made = await client.chat.completions.create({ model: MODEL, messages, max_completion_tokens: 12 });
    assert.equal(made.object, 'chat.completion');
    assert.match(made.id, /^chatcmpl-/);
    assert.equal(made.model, MODEL);
    assert.equal(made.choices[0].message.content, '12 tokens at most');
    assert.equal(made.choices[0].finish_reason, 'stop');
    assert.equal(made.usage.total_tokens, 7);
});

test('an answer in pieces', async () => {
    const stream = await client.chat.completions.create({ model: MODEL, messages, stream: true });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    assert.equal(chunks.map(one => one.choices[0].delta.content).join(''), '256 tokens at most');
    assert.equal(chunks.at(-1).choices[0].finish_reason, 'stop');
    assert.ok(chunks.every(one => one.object === 'chat.completion.chunk' && one.id === chunks[0].id && !one.usage));
});

test('its stream helper gathers the pieces, and the usage at the end', async () => {
    const runner = client.chat.completions.stream({ model: MODEL, messages, stream_options: { include_usage: true } });
    assert.equal(await runner.finalContent(), '256 tokens at most');
    assert.equal((await runner.totalUsage()).total_tokens, 7);
});

test('parts of text are taken, and a list of them is one text', async () => {
    const content = [{ type: 'text', text: 'a' }, { type: 'text', text: 'b' }];
    await client.chat.completions.create({ model: MODEL, messages: [{ role: 'developer', content: 'be brief' }, { role: 'user', content }] });
    assert.deepEqual((await network.last('llm')).fields.messages,
        [{ role: 'system', content: 'be brief' }, { role: 'user', content: 'a\nb' }]);
});

test('what the network cannot do is a BadRequestError that names the field', async () => {
    const tools = [{ type: 'function', function: { name: 'f', parameters: {} } }];
    const error = await client.chat.completions.create({ model: MODEL, messages, tools }).then(assert.fail, error => error);
    assert.ok(error instanceof OpenAI.BadRequestError, error);
    assert.equal(error.param, 'tools');
    assert.equal(error.type, 'invalid_request_error');
});

test('a model that nobody has is an InternalServerError 503', async () => {
    const error = await client.chat.completions.create({ model: 'nobody/has-it', messages }).then(assert.fail, error => error);
    assert.ok(error instanceof OpenAI.InternalServerError, error);
    assert.equal(error.status, 503);
});

test('a runner that refuses is a BadRequestError also of a stream', async () => {
    await network.next('llm', { status: 400, body: { detail: { msg: 'too many words' } } });
    const error = await client.chat.completions.create({ model: MODEL, messages, stream: true }).then(assert.fail, error => error);
    assert.ok(error instanceof OpenAI.BadRequestError, error);
    assert.match(error.message, /too many words/);
});

const first = { id: '', model: MODEL, created: 1, choices: [{ index: 0, delta: { content: 'Hel' }, finish_reason: '' }] };

test('a stream that breaks is an error, behind what came before', async () => {
    await network.next('llm', { chunks: [first] });
    const stream = await client.chat.completions.create({ model: MODEL, messages, stream: true });
    const chunks = [];
    const error = await (async () => {
        for await (const chunk of stream) chunks.push(chunk);
    })().then(assert.fail, error => error);
    assert.equal(chunks[0].choices[0].delta.content, 'Hel');
    assert.ok(error instanceof OpenAI.APIError, error);
});

test('a client that leaves ends the work at the runner', async () => {
    await network.next('llm', { chunks: [first], hang: true });
    const { left } = await network.asked();
    const stream = await client.chat.completions.create({ model: MODEL, messages, stream: true });
    for await (const chunk of stream) {
        assert.equal(chunk.choices[0].delta.content, 'Hel');
        break; // its iterator aborts the request
    }
    await until('the runner sees the end', async () => (await network.asked()).left > left);
    // And nobody is marked for it.
    await client.chat.completions.create({ model: MODEL, messages });
});

test('with keys, a wrong one is an AuthenticationError and the right one is let in', async () => {
    const [file, key] = network.keyFile();
    const gateway = await network.gatewayWith('-streamKeys', file);
    const baseURL = `http://127.0.0.1:${gateway.port('http')}/v1`;
    const wrong = new OpenAI({ baseURL, apiKey: 'wrong', maxRetries: 0 });
    const error = await wrong.chat.completions.create({ model: MODEL, messages }).then(assert.fail, error => error);
    assert.ok(error instanceof OpenAI.AuthenticationError, error);
    const right = new OpenAI({ baseURL, apiKey: key, maxRetries: 0 });
    assert.equal((await right.chat.completions.create({ model: MODEL, messages })).choices.length, 1);
});
