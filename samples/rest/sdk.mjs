// The network's JavaScript SDK against a gateway. Arguments: its URL, a folder for the files.

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { Livepeer } from '@livepeer/ai';

const [gateway, folder] = process.argv.slice(2);
const { generate } = new Livepeer({ serverURL: gateway, httpBearer: process.env.KEY || 'none' });

// Answers name files by URL, which may be relative to the gateway.
async function save(url, name) {
    const reply = await fetch(new URL(url, gateway));
    if (!reply.ok) throw new Error(`${url}: ${reply.status} ${await reply.text()}`);
    await writeFile(join(folder, name), Buffer.from(await reply.arrayBuffer()));
    console.log(`  ${name}`);
    return { fileName: name, content: await readFile(join(folder, name)) };
}

const { imageResponse: { images: [card] } } = await generate.textToImage({ prompt: 'a quiet river', width: 640, height: 360 });
const image = await save(card.url, 'sdk-river.png');

const { imageResponse: { images: [negative] } } = await generate.imageToImage({ prompt: 'negate', image });
await save(negative.url, 'sdk-negative.png');

const { audioResponse: { audio } } = await generate.textToSpeech({ text: 'Good morning from the quiet river' });
await save(audio.url, 'sdk-speech.wav');

const { imageToTextResponse: { text } } = await generate.imageToText({ image });
console.log(`  the picture says: ${text.trim()}`);
