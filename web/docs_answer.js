// An answer as people want it: pictures seen, sound heard, text read, a conversation as it comes.
import { element } from './elements.js';

function file(entry, index) {
    const path = new URL(entry.url, location.href);
    const video = path.pathname.endsWith('.mp4') || path.pathname.endsWith('.webm');
    const shown = video
        ? element('video', { src: path.href, controls: true, loop: true, muted: true, autoplay: true, playsInline: true })
        : element('img', { src: path.href, alt: `Result ${index + 1}` });
    const notes = [`seed ${entry.seed}`, ...entry.nsfw ? ['marked as offensive'] : []].join(', ');
    return element('figure', {}, shown,
        element('figcaption', {}, element('a', { href: path.href, target: '_blank', rel: 'noopener' }, 'Open'), ` ${notes}`));
}

function words(text) {
    return element('p', { className: 'words' }, text);
}

function chunkTable(chunks) {
    const clock = seconds => seconds === null || seconds === undefined ? '' : seconds.toFixed(2);
    return element('div', { className: 'scroll' }, element('table', {},
        element('thead', {}, element('tr', {}, ...['from', 'to', 'text'].map(text => element('th', {}, text)))),
        element('tbody', {}, ...chunks.map(chunk => element('tr', {},
            element('td', { className: 'number' }, clock(chunk.timestamp[0])),
            element('td', { className: 'number' }, clock(chunk.timestamp[1])),
            element('td', {}, chunk.text))))));
}

/** Nodes for a good answer of any pipeline. */
export function show(answer) {
    if (answer.images) return answer.images.map(file);
    if (answer.audio) return [element('audio', { src: answer.audio.url, controls: true, autoplay: true })];
    if (answer.chunks) return [words(answer.text), ...answer.chunks.length ? [chunkTable(answer.chunks)] : []];
    if (answer.choices) {
        return [...answer.choices.map(choice => words(choice.message?.content ?? '')),
            element('p', { className: 'hint' }, `${answer.usage?.total_tokens ?? 0} tokens, ${answer.model}`)];
    }
    if (answer.text !== undefined) return [words(answer.text)];
    if (answer.masks) return [words(`scores: ${answer.scores}`), element('p', { className: 'hint' }, `masks: ${answer.masks.length} characters`)];
    return [];
}

/** Reads server-sent events; `on` gets each one's type and data. */
export async function readEvents(reply, on) {
    const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
        const { value, done } = await reader.read();
        rest += value ?? '';
        const events = rest.split(/\r?\n\r?\n/);
        rest = events.pop();
        for (const event of events) {
            const lines = event.split(/\r?\n/);
            const data = lines.filter(line => line.startsWith('data:')).map(line => line.slice(5).trimStart()).join('\n');
            const type = lines.find(line => line.startsWith('event:'))?.slice(6).trim() ?? 'message';
            if (data) on(type, data);
        }
        if (done) return;
    }
}
