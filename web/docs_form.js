// The form of one pipeline, drawn from its schema in /openapi.json, and what was filled in as the
// body of a request.
import { element } from './elements.js';

const LONG = new Set(['prompt', 'negative_prompt', 'text', 'description']);

function labelText(name, required) {
    return [name, required ? element('span', { className: 'need', title: 'required' }, ' *') : ''];
}

function conversation(describedBy) {
    const turns = element('div', { className: 'talk' });
    const addTurn = (role, content) => {
        const who = element('select', { ariaLabel: 'Who says it' },
            ...['system', 'user', 'assistant'].map(one => element('option', { value: one }, one)));
        who.value = role;
        const words = element('textarea', { rows: 2, ariaLabel: 'What is said', value: content });
        words.setAttribute('aria-describedby', describedBy);
        const turn = element('div', { className: 'turn', dataset: { turn: '' } }, who, words,
            element('button', { type: 'button', className: 'quiet', ariaLabel: 'Remove', onclick: () => turn.remove() }, '×'));
        turns.append(turn);
    };
    addTurn('user', '');
    const more = element('button', { type: 'button', className: 'quiet', onclick: () => addTurn('user', '') }, 'Add a message');
    return {
        nodes: [turns, element('div', { className: 'row' }, more)],
        value: () => [...turns.querySelectorAll('[data-turn]')]
            .map(turn => ({ role: turn.querySelector('select').value, content: turn.querySelector('textarea').value }))
            .filter(turn => turn.content !== ''),
    };
}

function inputFor(schema, id, name, models) {
    if (schema.format === 'binary') return element('input', { id, type: 'file', accept: schema.accept ?? '' });
    if (schema.type === 'boolean') {
        const choice = element('select', { id },
            element('option', { value: '' }, schema.default === undefined ? '' : `as usual: ${schema.default}`),
            element('option', { value: 'true' }, 'true'), element('option', { value: 'false' }, 'false'));
        return choice;
    }
    if (schema.type === 'integer' || schema.type === 'number') {
        return element('input', {
            id, type: 'number', step: schema.type === 'integer' ? '1' : 'any',
            ...(schema.minimum === undefined ? {} : { min: schema.minimum }),
            ...(schema.maximum === undefined ? {} : { max: schema.maximum }),
            placeholder: schema.default ?? '',
        });
    }
    if (LONG.has(name)) return element('textarea', { id, rows: 3, placeholder: schema.default ?? '' });
    const input = element('input', { id, type: 'text', placeholder: schema.default ?? '', spellcheck: false });
    if (models) input.setAttribute('list', models);
    return input;
}

/** Fills `form`; the result's functions read it: json(), data() and lines() for curl. */
export function drawForm(form, { schema, encoding, modelField, models }) {
    const required = new Set(schema.required ?? []);
    const fields = [];
    const first = element('div', { className: 'talk' });
    const numbers = element('div', { className: 'numbers' });
    form.replaceChildren(first, numbers);
    for (const [name, described] of Object.entries(schema.properties)) {
        const id = `field-${name}`;
        const hint = element('span', { className: 'what', id: `${id}-what` }, described.description ?? '');
        if (described.items?.$ref?.endsWith('LLMMessage')) {
            const talk = conversation(hint.id);
            first.append(element('div', {}, element('label', {}, ...labelText(name, required.has(name))), ...talk.nodes, hint));
            fields.push({ name, schema: described, value: () => talk.value(), node: null });
            continue;
        }
        const list = name === modelField ? 'known-models' : '';
        const input = inputFor({ ...described, accept: encoding?.[name]?.contentType }, id, name, list);
        input.setAttribute('aria-describedby', hint.id);
        if (list) {
            form.append(element('datalist', { id: list }, ...models.map(one => element('option', { value: one }))));
        }
        const small = ['integer', 'number', 'boolean'].includes(described.type);
        (small ? numbers : first).append(element('div', {},
            element('label', { htmlFor: id }, ...labelText(name, required.has(name))), input, hint));
        fields.push({ name, schema: described, node: input, value: () => input.value });
    }
    form.append(element('div', { className: 'row' }, element('button', { className: 'primary', id: 'send' }, 'Send'),
        element('button', { type: 'button', className: 'quiet', id: 'cancel', disabled: true }, 'Cancel')));

    const filled = () => fields.filter(field => field.node?.type === 'file' ? field.node.files.length
        : Array.isArray(field.value()) ? field.value().length : field.value() !== '');

    const typed = field => {
        const text = field.value();
        if (Array.isArray(text)) return text;
        if (field.schema.type === 'boolean') return text === 'true';
        if (field.schema.type === 'integer' || field.schema.type === 'number') return Number(text);
        return text;
    };

    return {
        json: () => Object.fromEntries(filled().map(field => [field.name, typed(field)])),
        data: () => {
            const body = new FormData();
            for (const field of filled()) {
                if (field.node.type === 'file') body.append(field.name, field.node.files[0], field.node.files[0].name);
                else body.append(field.name, field.value());
            }
            return body;
        },
        lines: () => filled().map(field => field.node?.type === 'file'
            ? `-F '${field.name}=@${field.node.files[0].name.replaceAll("'", "'\\''")}'`
            : `-F '${field.name}=${String(field.value()).replaceAll("'", "'\\''")}'`),
        /** Marks the field that the gateway found fault with. */
        mark: name => {
            for (const field of fields) field.node?.setAttribute('aria-invalid', field.name === name);
            fields.find(field => field.name === name)?.node?.focus();
        },
    };
}
