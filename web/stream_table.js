// The table of streams. Rows are kept and changed in place, so that the focus stays where it is.

import { element } from './elements.js';

const STATES = {
    waiting_for_media: ['waiting', 'wait'], starting: ['starting', 'wait'], connected: ['connected', 'wait'],
    live: ['live', 'good'], failed: ['no output', 'bad'], ended: ['ended', 'off'],
};

const fps = value => Number(value ?? 0).toFixed(0);

export class StreamTable {
    #body;
    #rows = new Map();
    #onwatch;
    #onstop;

    constructor(body, { onwatch, onstop }) {
        this.#body = body;
        this.#onwatch = onwatch;
        this.#onstop = onstop;
    }

    show(streams, watched) {
        const names = new Set(streams.map(one => one.stream));
        for (const [name, row] of this.#rows)
            if (!names.has(name)) {
                row.root.remove();
                this.#rows.delete(name);
            }
        for (const one of streams) {
            const row = this.#rows.get(one.stream) ?? this.#add(one.stream);
            const [word, kind] = STATES[one.state] ?? [one.state, 'off'];
            row.root.classList.toggle('watched', one.stream === watched);
            row.watch.setAttribute('aria-current', String(one.stream === watched));
            row.state.textContent = word;
            row.state.dataset.kind = kind;
            row.pipeline.textContent = one.pipeline || 'noop';
            row.fps.textContent = `${fps(one.input_fps)} → ${fps(one.output_fps)}`;
            row.players.textContent = one.players ?? 0;
            row.root.title = one.summary ?? '';
        }
    }

    #add(name) {
        const row = {
            watch: element('button', { type: 'button', className: 'link', textContent: name,
                'aria-label': `Watch ${name}`, onclick: () => this.#onwatch(name) }),
            state: element('span', { className: 'badge' }),
            pipeline: element('td', { className: 'wide' }),
            fps: element('td', { className: 'number' }),
            players: element('td', { className: 'number wide' }),
        };
        row.root = element('tr', { dataset: { stream: name } },
            element('th', { scope: 'row' }, row.watch), element('td', {}, row.state), row.pipeline, row.fps,
            row.players, element('td', { className: 'actions' },
                element('a', { href: `/${encodeURIComponent(name)}-out/`, target: '_blank', textContent: 'Player', className: 'wide',
                    'aria-label': `Player page of ${name}` }),
                element('button', { type: 'button', className: 'quiet', textContent: 'Stop',
                    'aria-label': `Stop ${name}`, onclick: () => this.#onstop(name) })));
        this.#rows.set(name, row);
        this.#body.append(row.root);
        return row;
    }
}
