// The tabs of command lines: arrow keys move, each line has a copy button.

import { commandLines } from './command_lines.js';
import { element } from './elements.js';

async function copy(text, code) {
    try {
        await navigator.clipboard.writeText(text);
        return true;
    } catch {
        // Plain HTTP: the browser offers no clipboard; the old way, or at least the selection.
        getSelection().selectAllChildren(code);
        return document.execCommand('copy');
    }
}

export class CommandTabs {
    #tabs;
    #panel;
    #groups = [];
    #chosen = 'ffmpeg';
    #shown = '';

    constructor(tabs, panel) {
        this.#tabs = tabs;
        this.#panel = panel;
        tabs.addEventListener('keydown', event => {
            const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
            if (!step) return;
            const at = this.#groups.findIndex(group => group.title === this.#chosen);
            this.#choose(this.#groups.at((at + step) % this.#groups.length).title);
            tabs.querySelector('[aria-selected=true]').focus();
        });
    }

    show(given) {
        const groups = commandLines(given);
        const text = JSON.stringify(groups);
        if (text === this.#shown) return; // a selection by hand survives
        this.#shown = text;
        this.#groups = groups;
        this.#paint();
    }

    #choose(title) {
        this.#chosen = title;
        this.#paint();
    }

    #paint() {
        const group = this.#groups.find(one => one.title === this.#chosen) ?? this.#groups[0];
        this.#chosen = group.title;
        const focused = this.#tabs.contains(document.activeElement);
        this.#tabs.replaceChildren(...this.#groups.map(one => {
            const chosen = one === group;
            return element('button', { type: 'button', role: 'tab', textContent: one.title,
                'aria-selected': String(chosen), 'aria-controls': 'lines', tabIndex: chosen ? 0 : -1,
                onclick: () => this.#choose(one.title) });
        }));
        if (focused) this.#tabs.querySelector('[aria-selected=true]').focus();
        this.#panel.setAttribute('aria-label', group.title);
        this.#panel.replaceChildren(...group.lines.map(line => {
            const code = element('code', { textContent: line.text });
            const button = element('button', { type: 'button', textContent: 'Copy', 'aria-label': `Copy: ${line.what}`,
                hidden: Boolean(line.plain),
                onclick: async () => {
                    button.textContent = await copy(line.text, code) ? 'Copied' : 'Press Ctrl+C';
                    setTimeout(() => { button.textContent = 'Copy'; }, 1500);
                } });
            return element('div', { className: 'command' }, element('p', { textContent: line.what }),
                element('div', {}, code, button));
        }));
    }
}
