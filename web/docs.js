// The page to try a request: pipelines and their forms come from /openapi.json, the models from
// /models.
import { accessKey, authorized, setAccessKey } from './gateway_api.js';
import { readEvents, show } from './docs_answer.js';
import { drawForm } from './docs_form.js';
import { byId, element } from './elements.js';

let api = null;
let models = {};
let chosen = null;
let form = null;
let running = null;

function setState(text, kind = '') {
    byId('state').textContent = text;
    byId('state').dataset.kind = kind;
}

function setProblem(text) {
    byId('problem').textContent = text;
    byId('problem').dataset.kind = text ? 'bad' : '';
}

function resolved(schema) {
    return schema.$ref ? api.components.schemas[schema.$ref.split('/').pop()] : schema;
}

function pipelines() {
    return Object.entries(api.paths)
        .filter(([, methods]) => methods.post?.tags?.includes('pipelines'))
        .map(([path, methods]) => ({ path, name: path.slice(1), operation: methods.post }));
}

function offers(name) {
    return Object.entries(models[name]?.models ?? {});
}

function drawList() {
    byId('pipelines').replaceChildren(...pipelines().map(one => {
        const count = offers(one.name).length;
        const button = element('button', { type: 'button', onclick: () => choose(one.name) }, one.operation.summary,
            element('small', { title: 'models on offer' }, count ? String(count) : '–'));
        button.setAttribute('aria-current', one.name === chosen?.name);
        return element('li', {}, button);
    }));
}

function choose(name) {
    running?.abort();
    chosen = pipelines().find(one => one.name === name) ?? pipelines()[0];
    history.replaceState(null, '', `#${chosen.name}`);
    const [type, content] = Object.entries(chosen.operation.requestBody.content)[0];
    chosen.type = type;
    byId('title').replaceChildren(chosen.operation.summary, ' ', element('small', {}, `POST ${chosen.path}`));
    byId('summary').textContent = chosen.operation.description;
    const schema = resolved(content.schema);
    form = drawForm(byId('form'), {
        schema, encoding: content.encoding,
        modelField: 'model_id' in schema.properties ? 'model_id' : 'model',
        models: offers(chosen.name).map(([model]) => model),
    });
    byId('cancel').onclick = () => running?.abort();
    byId('curl-box').hidden = byId('raw-box').hidden = true;
    byId('answer').replaceChildren();
    setProblem('');
    setState('nothing sent yet');
    drawList();
}

function showCommand(isForm) {
    const quoted = text => `'${text.replaceAll("'", "'\\''")}'`;
    const key = accessKey() ? " -H 'Authorization: Bearer KEY'" : '';
    const rest = isForm ? form.lines().join(' \\\n  ')
        : `-H 'Content-Type: application/json' \\\n  -d ${quoted(JSON.stringify(form.json()))}`;
    byId('curl').textContent = `curl ${location.origin}${chosen.path}${key} \\\n  ${rest}`;
    byId('curl-box').hidden = false;
}

function showRaw(text) {
    byId('raw').textContent = text;
    byId('raw-box').hidden = false;
}

async function showFailure(reply) {
    const text = await reply.text();
    let error = { message: text || `The gateway answered ${reply.status}.` };
    try {
        error = JSON.parse(text).error;
    } catch { /* plain text */ }
    setProblem(error.message);
    form.mark(error.field);
    showRaw(text);
    setState(`${reply.status} ${reply.statusText}`, 'bad');
    if (reply.status === 401) byId('key-menu').open = true;
}

async function showStream(reply) {
    const text = element('p', { className: 'words' });
    byId('answer').replaceChildren(text);
    let raw = '';
    let failed = false;
    await readEvents(reply, (type, data) => {
        raw += `${type === 'message' ? '' : `event: ${type}\n`}data: ${data}\n\n`;
        if (data === '[DONE]') return;
        const event = JSON.parse(data);
        if (event.error) {
            failed = true;
            setProblem(event.error.message);
        }
        for (const choice of event.choices ?? []) text.append(choice.delta?.content ?? '');
    });
    showRaw(raw);
    return !failed;
}

async function send(event) {
    event.preventDefault();
    const isForm = chosen.type === 'multipart/form-data';
    running?.abort();
    const control = running = new AbortController();
    const began = performance.now();
    const took = () => `${((performance.now() - began) / 1000).toFixed(1)} s`;
    const ticking = setInterval(() => setState(`working, ${took()}`, 'wait'), 100);
    setProblem('');
    form.mark('');
    byId('answer').replaceChildren();
    byId('send').disabled = true;
    byId('cancel').disabled = false;
    showCommand(isForm);
    const over = (text, kind) => {
        clearInterval(ticking);
        setState(text, kind);
    };
    try {
        const reply = await fetch(chosen.path, {
            method: 'POST', signal: control.signal,
            headers: authorized(isForm ? {} : { 'Content-Type': 'application/json' }),
            body: isForm ? form.data() : JSON.stringify(form.json()),
        });
        if (!reply.ok) {
            clearInterval(ticking);
            await showFailure(reply);
        } else if (reply.headers.get('Content-Type')?.startsWith('text/event-stream')) {
            const good = await showStream(reply);
            over(`${good ? 'done' : 'broke off'} after ${took()}`, good ? 'good' : 'bad');
        } else {
            const text = await reply.text();
            const answer = JSON.parse(text);
            byId('answer').replaceChildren(...show(answer));
            showRaw(JSON.stringify(answer, null, 2));
            over(`done in ${took()}`, 'good');
        }
    } catch (error) {
        over(error.name === 'AbortError' ? 'cancelled' : 'failed', error.name === 'AbortError' ? '' : 'bad');
        if (error.name !== 'AbortError') setProblem('The gateway cannot be reached, or the connection broke.');
    }
    clearInterval(ticking);
    if (running === control) {
        running = null;
        byId('send').disabled = false;
        byId('cancel').disabled = true;
    }
}

async function loadModels() {
    const reply = await fetch('/models', { headers: authorized() }).catch(() => null);
    models = reply?.ok ? (await reply.json()).pipelines : {};
}

async function start() {
    byId('form').addEventListener('submit', send);
    byId('key-form').addEventListener('submit', async event => {
        event.preventDefault();
        setAccessKey(byId('key').value);
        byId('key-state').textContent = accessKey() ? 'Key set' : 'Key';
        byId('key-menu').open = false;
        await loadModels();
        choose(chosen?.name);
    });
    byId('key-state').textContent = accessKey() ? 'Key set' : 'Key';
    byId('copy').addEventListener('click', () => navigator.clipboard?.writeText(byId('curl').textContent));
    window.addEventListener('hashchange', () => choose(location.hash.slice(1)));
    try {
        api = await (await fetch('/openapi.json')).json();
    } catch {
        byId('title').textContent = 'The gateway does not tell its API.';
        return;
    }
    await loadModels();
    choose(location.hash.slice(1));
}

start();
