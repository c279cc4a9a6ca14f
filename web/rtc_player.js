// Keeps one <video> fed over WHEP: connects, waits for output that is not there yet, connects again
// after losses, until stop().

import { streamPath } from './gateway_api.js';
import { RtcSession } from './rtc_session.js';

const SILENT = 1500; // ms without an answer before the viewer is told what is going on
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
    #tracks = [];
    #listening = () => this.#show();

    constructor(video, path, iceServers, onstate = () => {}) {
        this.#video = video;
        this.#path = path;
        this.#iceServers = iceServers;
        this.#onstate = onstate;
    }

    get path() { return this.#path; }

    /** The channel has sound, heard or not. */
    get hasSound() { return this.#tracks.some(track => track.kind === 'audio'); }

    get connection() { return this.#session?.connection ?? null; }

    start() {
        if (this.#running) return;
        this.#running = true;
        this.#video.addEventListener('volumechange', this.#listening);
        this.#connect();
    }

    stop() {
        this.#running = false;
        clearTimeout(this.#timer);
        this.#abort?.abort();
        this.#session?.close();
        this.#session = null;
        this.#tracks = [];
        this.#video.removeEventListener('volumechange', this.#listening);
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

    // Gives the element its tracks, the sound only when it is heard: otherwise the pictures would wait
    // for a buffer of sound that nobody listens to.
    #show() {
        const wanted = this.#tracks.filter(track => track.kind === 'video' || !this.#video.muted);
        const media = this.#video.srcObject ?? new MediaStream();
        const [old] = media.getVideoTracks();
        if (!this.#video.srcObject || (old && !wanted.includes(old))) {
            this.#video.srcObject = new MediaStream(wanted);
        } else {
            for (const track of media.getTracks()) if (!wanted.includes(track)) media.removeTrack(track);
            for (const track of wanted) if (!media.getTracks().includes(track)) media.addTrack(track);
        }
        this.#video.play().catch(() => {});
    }

    async #connect() {
        const abort = this.#abort = new AbortController();
        const session = this.#session = new RtcSession(this.#iceServers, error => this.#retry(session, error));
        this.#tracks = [];
        session.connection.addEventListener('track', ({ track, receiver }) => {
            if ('jitterBufferTarget' in receiver) receiver.jitterBufferTarget = 0;
            this.#tracks.push(track);
            this.#show();
        });
        session.connection.addEventListener('connectionstatechange', () => {
            if (session.connection.connectionState !== 'connected' || this.#session !== session) return;
            this.#tries = 0;
            this.#onstate('playing', '');
        });
        session.connection.addTransceiver('video', { direction: 'recvonly' });
        session.connection.addTransceiver('audio', { direction: 'recvonly' });
        this.#onstate('connecting', '');
        // The gateway keeps the request while a stream is not there yet.
        const patience = setTimeout(() => this.#onstate('waiting', `Waiting for ${this.#path}…`), SILENT);
        try {
            await session.open(streamPath(this.#path, '/whep'), abort.signal);
        } catch (error) {
            session.close();
            if (error.name !== 'AbortError') this.#retry(session, error);
        } finally {
            clearTimeout(patience);
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
