// The gateway's HTTP API as functions. A key, where the gateway wants one, is kept for this tab
// only and sent as a bearer token.

const BASE = '/live/video-to-video';
const KEY = 'rivulet-key';

let key = new URLSearchParams(location.search).get('key') ?? sessionStorage.getItem(KEY) ?? '';

export class GatewayError extends Error {
    constructor(status, message) {
        super(message);
        this.status = status;
    }
}

export function accessKey() {
    return key;
}

export function setAccessKey(text) {
    key = text;
    if (text) sessionStorage.setItem(KEY, text);
    else sessionStorage.removeItem(KEY);
}

export function streamPath(stream, rest = '') {
    return `${BASE}/${encodeURIComponent(stream)}${rest}`;
}

export function authorized(headers = {}) {
    return key ? { ...headers, Authorization: `Bearer ${key}` } : headers;
}

/** The failure that a reply tells about, in the gateway's own words. */
export async function failureOf(reply) {
    const text = await reply.text().catch(() => '');
    let message = text.slice(0, 400);
    try {
        message = JSON.parse(text).error.message ?? message;
    } catch { /* plain text */ }
    return new GatewayError(reply.status, message || `The gateway answered ${reply.status} ${reply.statusText}.`);
}

async function call(method, path, body) {
    let reply;
    try {
        reply = await fetch(path, {
            method, body, cache: 'no-store', signal: AbortSignal.timeout(10_000),
            headers: authorized(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        });
    } catch (error) {
        throw new GatewayError(0, error.name === 'TimeoutError'
            ? 'The gateway did not answer within 10 seconds.' : 'The gateway cannot be reached.');
    }
    if (!reply.ok) throw await failureOf(reply);
    const text = await reply.text();
    return text ? JSON.parse(text) : null;
}

export const health = () => call('GET', '/healthz');
export const streams = async () => (await call('GET', BASE)).streams;
export const status = stream => call('GET', streamPath(stream, '/status'));
export const update = (stream, text) => call('POST', streamPath(stream, '/update'), text);
export const stop = stream => call('DELETE', streamPath(stream));

/** Where the gateway's doors are; a gateway that does not tell has only this page's. */
export async function doors() {
    const known = {
        rtmp: null, rtmps: null, srt: null, wss: null,
        whip: `${BASE}/{stream}/whip`, whep: `${BASE}/{stream}/whep`,
        ice_servers: [], auth: false, pipelines: [],
    };
    try {
        return { ...known, ...await call('GET', '/doors') };
    } catch (error) {
        if (error.status === 401 || error.status === 403) return { ...known, auth: true };
        return known;
    }
}

/** The WebSocket address of the events of one stream, or of all. */
export function eventsUrl(doors, stream, after) {
    const secure = location.protocol === 'https:';
    const url = new URL((secure && doors.wss) || location.origin);
    url.protocol = secure ? 'wss:' : 'ws:';
    url.pathname = stream ? streamPath(stream, '/events') : `${BASE}/events`;
    url.searchParams.set('after', after); // 0: everything that is still kept
    if (key) url.searchParams.set('key', key);
    return url;
}
