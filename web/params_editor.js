// The JSON parameters of a stream: presets, checking while typing, applying to the running stream.

import { element } from './elements.js';

// For the built-in avfilter model; others take what their pipeline documents.
const GRAPHS = {
    'Negative': 'negate',
    'Mirror': 'hflip',
    'Edges': 'edgedetect=mode=colormix:high=0.2:low=0.08',
    'Grey': 'hue=s=0',
    'Warm': 'colortemperature=temperature=3200',
    'Blur': 'gblur=sigma=6',
    'Frame': 'drawbox=x=0:y=0:w=iw:h=ih:t=12:color=lime',
    'Upside down': 'vflip,hflip',
    'Nothing': 'copy',
};

export class ParamsEditor {
    #area;
    #message;
    #chips;
    #apply;

    /** `apply(text)` sends a checked text to the gateway. */
    constructor({ area, message, chips, button }, apply) {
        this.#area = area;
        this.#message = message;
        this.#chips = chips;
        this.#apply = apply;
        area.addEventListener('input', () => this.#check());
        area.addEventListener('keydown', event => {
            if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
            event.preventDefault();
            this.apply();
        });
        button.addEventListener('click', () => this.apply());
        for (const [name, graph] of Object.entries(GRAPHS))
            chips.append(element('button', { type: 'button', className: 'chip', textContent: name,
                dataset: { graph }, onclick: () => this.#choose(graph) }));
        this.#check();
    }

    /** The checked text; '' for an empty field. Throws with the reason. */
    text() {
        const text = this.#area.value.trim();
        if (!text) return '';
        const value = JSON.parse(text);
        if (value === null || typeof value !== 'object' || Array.isArray(value))
            throw new Error('The parameters are a JSON object: {"name": value}.');
        return text;
    }

    /** Shows what a stream uses, unless somebody is typing. */
    show(params) {
        if (document.activeElement === this.#area) return;
        this.#area.value = JSON.stringify(params, null, 2);
        this.#check();
    }

    set pipeline(name) {
        this.#chips.hidden = name !== 'avfilter';
    }

    #choose(graph) {
        let params = {};
        try {
            params = JSON.parse(this.text() || '{}');
        } catch { /* what is there is broken; the preset replaces it */ }
        this.#area.value = JSON.stringify({ ...params, graph }, null, 2);
        this.#check();
        this.apply();
    }

    #check() {
        let problem = '';
        try {
            this.text();
        } catch (error) {
            problem = error.message;
        }
        this.#area.setAttribute('aria-invalid', String(Boolean(problem)));
        this.#say(problem, problem ? 'bad' : '');
        const graph = /"graph"\s*:\s*"([^"]*)"/.exec(this.#area.value)?.[1];
        for (const chip of this.#chips.children)
            chip.setAttribute('aria-pressed', String(chip.dataset.graph === graph));
        return !problem;
    }

    #say(text, kind) {
        this.#message.textContent = text;
        this.#message.dataset.kind = kind;
    }

    async apply() {
        if (!this.#check()) return;
        try {
            this.#say(await this.#apply(this.text() || '{}'), 'good');
        } catch (error) {
            this.#say(error.message, 'bad');
        }
    }
}
