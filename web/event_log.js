// The list of events on the page.

import { element } from './elements.js';

const LINES = 300;

const WORDS = {
    stream_started: 'started', stream_ended: 'ended', state: 'state', error: 'error', status: 'runner',
    params: 'parameters', viewer_joined: 'viewer joined', viewer_left: 'viewer left',
};

/** The short text of an event's data: known fields first, otherwise its JSON. */
function gist(data) {
    if (data === null || data === undefined) return '';
    if (typeof data !== 'object') return String(data);
    for (const field of ['summary', 'message', 'error_message', 'reason', 'detail', 'state'])
        if (typeof data[field] === 'string' && data[field]) return data[field];
    const text = JSON.stringify(data);
    return text === '{}' ? '' : text;
}

export class EventLog {
    #list;
    #count;
    #seen = 0;

    constructor(list, count) {
        this.#list = list;
        this.#count = count;
    }

    clear() {
        this.#list.replaceChildren();
        this.#seen = 0;
        this.#tell();
    }

    add(event) {
        const time = new Date(event.time ?? Date.now());
        const text = gist(event.data);
        const line = element('li', { className: /error|fail/.test(event.type) ? 'bad' : '' },
            element('time', { textContent: time.toLocaleTimeString([], { hour12: false }), title: time.toISOString() }),
            element('b', { textContent: event.stream ?? '' }),
            element('i', { textContent: WORDS[event.type] ?? String(event.type).replaceAll('_', ' ') }),
            element('span', { textContent: text, title: JSON.stringify(event.data, null, 2) ?? '' }));
        const atTop = this.#list.scrollTop < 8;
        this.#list.prepend(line);
        if (!atTop) this.#list.scrollTop += line.offsetHeight;
        while (this.#list.children.length > LINES) this.#list.lastChild.remove();
        this.#seen++;
        this.#tell();
    }

    #tell() {
        this.#count.textContent = this.#seen ? `${this.#seen}` : '';
    }
}
