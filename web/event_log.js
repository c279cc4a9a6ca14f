// The list of events on the page.

import { element } from './elements.js';

const LINES = 300;

const WORDS = {
    stream_started: 'started', stream_ended: 'ended', status: 'runner', params: 'parameters',
    viewer_joined: 'viewer joined', viewer_left: 'viewer left',
};

// What of an event's data fits into a line.
const GISTS = {
    stream_started: data => `${data.protocol}, ${data.pipeline || 'noop'}`,
    stream_ended: data => data.reason || data.cause,
    state: data => [data.state?.replaceAll('_', ' '), data.detail].filter(Boolean).join(': '),
    status: data => data.state?.toLowerCase(),
    runner: data => [data.queue_event_type, data.event?.type].filter(Boolean).join(': ').replaceAll('_', ' '),
    params: data => JSON.stringify(data.params ?? data),
    viewers: data => `${data.source} of the source, ${data.output} of the output`,
    viewer_joined: data => data.protocol,
    viewer_left: data => data.reason || data.protocol,
};

function gist({ type, data }) {
    if (data === null || data === undefined) return '';
    const text = GISTS[type]?.(data) ?? data.message ?? JSON.stringify(data);
    return text === '{}' ? '' : String(text);
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
        const whole = element('pre');
        const details = element('details', {},
            element('summary', {},
                element('time', { textContent: time.toLocaleTimeString([], { hour12: false }), title: time.toISOString() }),
                element('b', { textContent: event.stream ?? '' }),
                element('i', { textContent: WORDS[event.type] ?? String(event.type).replaceAll('_', ' ') }),
                element('span', { textContent: gist(event) })),
            whole);
        details.addEventListener('toggle', () => { whole.textContent = JSON.stringify(event.data, null, 2) ?? ''; });
        const line = element('li', { className: /error|fail/.test(event.type) ? 'bad' : '' }, details);
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
