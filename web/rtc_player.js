// Keeps one <video> fed over WHEP: connects, waits for output that is not there yet, connects again
// after losses, until stop().

import { streamPath } from './gateway_api.js';
import { RtcSession } from './rtc_session.js';

const RETRY = [500, 1000, 2000, 3000, 5000]; // ms

/** Events through `onstate(state, text)`: connecting, waiting, playing, stopped. */
export class RtcPlayer {
    #video;
    #path;
    #iceServers;
    #onstate;
    #session = null;
    #abort = null;
    #timer = 0;
    #tries = 0;
    #running = false;

    constructor(video, path, iceServers, onstate = () => {}) {
        this.#video = video;
        this.#path = path;
        this.#iceServers = iceServers;
        this.#onstate = onstate;
    }

    get path() { return this.#path; }

    get connection() { return this.#session?.connection ?? null; }

    start() {
        if (this.#running) return;
        this.#running = true;
        this.#connect();
    }

    stop() {
        this.#running = false;
        clearTimeout(this.#timer);
        this.#abort?.abort();
        this.#session?.close();
        this.#session = null;
        this.#video.srcObject = null;
        this.#onstate('stopped', '');
    }

    /** Connects again at once instead of after the pause. */
    hurry() {
        if (!this.#running || this.#session) return;
        clearTimeout(this.#timer);
        this.#tries = 0;
        this.#connect();
    }

    async #connect() {
        const abort = this.#abort = new AbortController();
        const session = this.#session = new RtcSession(this.#iceServers, error => this.#retry(session, error));
        const media = new MediaStream();
        session.connection.addEventListener('track', ({ track, receiver }) => {
            if ('jitterBufferTarget' in receiver) receiver.jitterBufferTarget = 0;
            media.addTrack(track);
            if (this.#video.srcObject !== media) this.#video.srcObject = media;
            this.#video.play().catch(() => {});
        });
        session.connection.addEventListener('connectionstatechange', () => {
            if (session.connection.connectionState !== 'connected' || this.#session !== session) return;
            this.#tries = 0;
            this.#onstate('playing', '');
        });
        session.connection.addTransceiver('video', { direction: 'recvonly' });
        session.connection.addTransceiver('audio', { direction: 'recvonly' });
        this.#onstate('connecting', '');
        try {
            await session.open(streamPath(this.#path, '/whep'), abort.signal);
        } catch (error) {
            session.close();
            if (error.name !== 'AbortError') this.#retry(session, error);
        }
    }

    #retry(session, error) {
        if (!this.#running || this.#session !== session) return;
        this.#session = null;
        this.#onstate('waiting', error.message);
        const refused = error.status === 401 || error.status === 403;
        const pause = refused ? RETRY.at(-1) : RETRY[Math.min(this.#tries, RETRY.length - 1)];
        this.#tries++;
        this.#timer = setTimeout(() => this.#connect(), pause);
    }
}
