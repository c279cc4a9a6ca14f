// The console page: ties the forms, the videos, the list and the events together.

import * as gateway from './gateway_api.js';
import { CommandTabs } from './command_tabs.js';
import { byId, element } from './elements.js';
import { EventFeed } from './event_feed.js';
import { EventLog } from './event_log.js';
import { ParamsEditor } from './params_editor.js';
import { openPicture } from './picture_source.js';
import { publish } from './rtc_publisher.js';
import { StreamTable } from './stream_table.js';
import { VideoPanel } from './video_panel.js';

const PIPELINES = ['avfilter', 'noop', 'passthrough'];

let doors = { whip: null, whep: null, ice_servers: [], pipelines: [], auth: false };
let watched = '';       // the stream in the panels
let adopting = false;   // its parameters are to be shown once they are known
let publishing = null;  // {stream, session, picture, abort}
let streams = [];

const panels = { source: new VideoPanel(byId('source')), output: new VideoPanel(byId('output')) };
const tabs = new CommandTabs(byId('tabs'), byId('lines'));
const log = new EventLog(byId('events'), byId('events-count'));
const table = new StreamTable(byId('streams'), { onwatch: name => watch(name), onstop: stopStream });
const editor = new ParamsEditor(
    { area: byId('params'), message: byId('params-message'), chips: byId('chips'), button: byId('apply') },
    applyParams);
let feed = null;

function say(text, kind = '') {
    byId('publish-message').textContent = text;
    byId('publish-message').dataset.kind = kind;
}

function pipeline() {
    const chosen = byId('pipeline').value;
    return chosen === '' ? byId('other').value.trim() : chosen;
}

function showCommands() {
    let params = '';
    try {
        params = editor.text();
    } catch { /* said beside the field */ }
    const compact = params && JSON.stringify(JSON.parse(params));
    tabs.show({ doors, stream: watched || byId('name').value.trim() || 'NAME', pipeline: pipeline(),
        params: compact, key: gateway.accessKey() });
}

function watch(name) {
    adopting = name !== '' && name !== watched && publishing?.stream !== name;
    watched = name;
    history.replaceState(null, '', name ? `#${encodeURIComponent(name)}` : location.pathname + location.search);
    byId('params-stream').textContent = name ? `of ${name}` : '';
    if (name) {
        panels.source.watch(name, doors.ice_servers);
        panels.output.watch(`${name}-out`, doors.ice_servers);
    } else {
        panels.source.stop();
        panels.output.stop();
        byId('summary').textContent = '';
        byId('facts').hidden = true;
    }
    if (byId('only-watched').checked) follow();
    table.show(streams, watched);
    showCommands();
}

async function applyParams(text) {
    showCommands();
    if (!watched) return 'Used when you go live.';
    await gateway.update(watched, text);
    return `Applied to ${watched}.`;
}

async function stopStream(name) {
    if (publishing?.stream === name) return endPublishing();
    if (!confirm(`End the stream ${name} for everybody?`)) return;
    try {
        await gateway.stop(name);
    } catch (error) {
        say(error.message, 'bad');
    }
    refresh();
}

// --- publishing

function lockForm(live) {
    byId('publish').querySelectorAll('fieldset, select, input').forEach(field => { field.disabled = live; });
    const go = byId('go');
    go.textContent = live ? 'Stop' : 'Go live';
    go.classList.toggle('stop', live);
}

async function goLive() {
    const [width, height] = byId('size').value.split('x').map(Number);
    const wanted = {
        kind: new FormData(byId('publish')).get('kind'), stream: byId('name').value.trim(),
        pipeline: pipeline(), params: '', codec: byId('codec').value, width, height,
        fps: Number(byId('fps').value), sound: byId('sound').checked, clock: byId('clock').checked,
    };
    try {
        wanted.params = editor.text();
    } catch (error) {
        return say(`The parameters are not JSON: ${error.message}`, 'bad');
    }
    try {
        localStorage.setItem('rivulet-name', wanted.stream);
    } catch { /* no storage: the name is not remembered */ }
    const mine = publishing = { stream: wanted.stream, session: null, picture: null, abort: new AbortController() };
    lockForm(true);
    say(wanted.kind === 'test' ? 'Connecting…' : 'Asking for the picture…');
    try {
        mine.picture = await openPicture(wanted, () => endPublishing());
    } catch (error) {
        if (publishing === mine) endPublishing(error.name === 'NotAllowedError'
            ? 'The browser did not give the picture.' : error.message);
        return;
    }
    if (publishing !== mine) return mine.picture.end();
    say('Connecting…');
    keepPublishing(mine, wanted);
}

// Publishes until it is stopped here or at the gateway; comes back after breaks.
async function keepPublishing(mine, wanted) {
    let wasLive = false;
    for (let tries = 0; publishing === mine; tries++) {
        let problem;
        try {
            const lost = new Promise(resolve => { mine.lost = resolve; });
            mine.session = await publish(mine.picture.stream, wanted, doors.ice_servers, mine.lost, mine.abort.signal);
            if (publishing !== mine) return mine.session.close();
            say(`Live as ${wanted.stream}.`, 'good');
            if (wasLive) hurryPanels();
            else watch(wanted.stream);
            wasLive = true;
            tries = 0;
            refresh();
            problem = await lost;
        } catch (error) {
            problem = error;
        }
        if (publishing !== mine) return;
        // A refusal, or a session that the gateway has ended, is its last word; silence is not.
        if (!wasLive || (problem.status >= 400 && problem.status < 500)) {
            return endPublishing(problem.status === 404 && wasLive ? 'The gateway has ended the stream.' : problem.message);
        }
        say(`${problem.message} Trying again…`, 'bad');
        await new Promise(resolve => setTimeout(resolve, Math.min(8000, 500 * 2 ** tries)));
    }
}

function hurryPanels() {
    for (const panel of Object.values(panels)) panel.hurry();
}

function endPublishing(problem = '') {
    const ended = publishing;
    publishing = null;
    if (!ended) return;
    ended.abort.abort();
    ended.session?.close();
    ended.picture?.end();
    lockForm(false);
    say(problem, problem ? 'bad' : '');
    if (watched === ended.stream) watch('');
    setTimeout(refresh, 300);
}

// --- what the gateway says

let refreshing = false;
async function refresh() {
    if (refreshing) return;
    refreshing = true;
    try {
        streams = await gateway.streams();
        linkState(feedOpen ? 'good' : 'wait', feedOpen ? 'connected' : 'no event feed');
    } catch (error) {
        const refused = error.status === 401 || error.status === 403;
        // A key may be for some streams only: they work, but the list is not for it.
        if (error.status === 403) linkState('wait', 'key without the list');
        else linkState('bad', refused ? 'needs a key' : 'not reachable');
        if (refused) {
            doors.auth = true;
            streams = [];
        }
    }
    refreshing = false;
    table.show(streams, watched);
    byId('no-streams').hidden = streams.length > 0;
    const name = byId('name').value.trim();
    if (!publishing && doors.whip && byId('publish-message').dataset.kind !== 'bad')
        say(streams.some(one => one.stream === name) ? 'A stream of this name is live; publishing takes it over.' : '');
    byId('key-state').textContent = gateway.accessKey() ? 'Key ✓' : doors.auth ? 'Key needed' : 'Key';
}

function linkState(kind, text) {
    const link = byId('link');
    link.dataset.kind = kind;
    if (link.textContent !== text) link.textContent = text;
}

const milliseconds = value => value === null || value === undefined ? null : `${Number(value).toFixed(0)} ms`;

function facts(status) {
    const own = status.gateway_status ?? {};
    const out = own.output ?? {};
    const players = own.players ?? {};
    const all = {
        pipeline: own.pipeline || null,
        orchestrator: own.orchestrator?.url,
        'in the gateway and pipeline': milliseconds(out.latency_ms),
        'keyframes every': own.ingest?.keyframe_interval_s ? `${own.ingest.keyframe_interval_s} s` : null,
        viewers: own.players ? `${players.source ?? 0} + ${players.output ?? 0}` : null,
        'parameter updates': own.param_updates,
        'last error': own.last_errors?.at(-1)?.error_message,
    };
    return Object.entries(all).filter(([, value]) => value !== null && value !== undefined && value !== '')
        .map(([name, value]) => element('div', {}, element('dt', { textContent: name }), element('dd', { textContent: value })));
}

async function showStatus() {
    const name = watched;
    if (!name) return;
    let text = '';
    let entries = [];
    try {
        const status = await gateway.status(name);
        text = status.gateway_status?.summary ?? '';
        entries = facts(status);
        const params = status.inference_status?.last_params;
        if (adopting && name === watched && params) {
            adopting = false;
            editor.show(params);
            editor.pipeline = status.gateway_status?.pipeline ?? pipeline();
        }
    } catch (error) {
        text = error.message;
    }
    if (name !== watched) return;
    if (byId('summary').textContent !== text) byId('summary').textContent = text;
    byId('facts').replaceChildren(...entries);
    byId('facts').hidden = !entries.length;
}

let feedOpen = false;
function follow() {
    log.clear();
    feed.follow(byId('only-watched').checked ? watched : '');
}

let refreshSoon = 0;
function onEvent(event) {
    log.add(event);
    clearTimeout(refreshSoon);
    refreshSoon = setTimeout(refresh, 150);
    if (event.stream === watched) hurryPanels();
}

// --- the page itself

function useTheme(theme) {
    if (theme === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    const button = byId('theme');
    button.textContent = { auto: 'Auto', dark: 'Dark', light: 'Light' }[theme];
    button.setAttribute('aria-label', `Colours: ${{ auto: 'as the system', dark: 'dark', light: 'light' }[theme]}`);
}

function stored(name, otherwise) {
    try {
        return localStorage.getItem(name) ?? otherwise;
    } catch {
        return otherwise;
    }
}

function listen() {
    byId('publish').addEventListener('submit', event => {
        event.preventDefault();
        if (publishing) endPublishing();
        else goLive();
    });
    byId('pipeline').addEventListener('change', () => {
        byId('other-pipeline').hidden = byId('pipeline').value !== '';
        editor.pipeline = pipeline();
        showCommands();
    });
    byId('other').addEventListener('input', showCommands);
    byId('name').addEventListener('input', () => { say(''); showCommands(); });
    byId('params').addEventListener('input', showCommands);
    byId('only-watched').addEventListener('change', follow);
    byId('clear-events').addEventListener('click', () => log.clear());
    byId('key-form').addEventListener('submit', async event => {
        event.preventDefault();
        gateway.setAccessKey(byId('key').value.trim());
        byId('key-menu').open = false;
        await learnDoors();
        follow();
        hurryPanels();
        refresh();
    });
    byId('theme').addEventListener('click', () => {
        const themes = ['auto', 'dark', 'light'];
        const next = themes[(themes.indexOf(stored('rivulet-theme', 'auto')) + 1) % 3];
        try {
            localStorage.setItem('rivulet-theme', next);
        } catch { /* holds until the page is left */ }
        useTheme(next);
    });
    addEventListener('hashchange', () => watch(askedStream()));
    addEventListener('pagehide', () => {
        publishing?.session?.close();
        for (const panel of Object.values(panels)) panel.stop();
    });
    addEventListener('pageshow', event => { if (event.persisted) location.reload(); });
}

/** The stream that the address names; '' when it names none. */
function askedStream() {
    try {
        return decodeURIComponent(location.hash.slice(1));
    } catch {
        return '';
    }
}

async function learnDoors() {
    doors = await gateway.doors();
    const names = doors.pipelines.length
        ? doors.pipelines.map(one => typeof one === 'string' ? one : one.name) : PIPELINES;
    const chosen = byId('pipeline').value;
    byId('pipeline').replaceChildren(...names.map(name => element('option', { value: name, textContent: name })),
        element('option', { value: '', textContent: 'Other…' }));
    byId('pipeline').value = names.includes(chosen) ? chosen : names.includes('avfilter') ? 'avfilter' : names[0];
    byId('other-pipeline').hidden = byId('pipeline').value !== '';
    editor.pipeline = pipeline();
    byId('go').disabled = !doors.whip;
    if (!doors.whip) say('WebRTC is switched off at this gateway; publish from other programs.');
}

async function begin() {
    useTheme(stored('rivulet-theme', 'auto'));
    byId('name').value = stored('rivulet-name', '') ||
        `cam-${Math.floor(Math.random() * 65536).toString(16).padStart(4, '0')}`;
    byId('key').value = gateway.accessKey();
    listen();
    gateway.health().then(({ version }) => { byId('version').textContent = version; }, () => {});
    await learnDoors();
    feed = new EventFeed(doors, onEvent, open => { feedOpen = open; refresh(); });
    follow();
    const asked = askedStream();
    if (asked) watch(asked);
    showCommands();
    await refresh();
    setInterval(() => { if (!document.hidden) refresh(); }, 2500);
    setInterval(() => {
        if (document.hidden) return;
        for (const panel of Object.values(panels)) panel.tick();
        showStatus();
    }, 1000);
}

begin();
