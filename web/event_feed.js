// The gateway's events over a WebSocket: goes on after breaks where it stopped.

import { eventsUrl } from './gateway_api.js';

const PAUSES = [500, 1000, 2000, 5000, 10_000];

export class EventFeed {
    #doors;
    #onevent;
    #onstate;
    #socket = null;
    #stream = '';
    #after = 0;
    #tries = 0;
    #timer = 0;

    /** onevent({seq, time, stream, type, data}); onstate(open: boolean). */
    constructor(doors, onevent, onstate) {
        this.#doors = doors;
        this.#onevent = onevent;
        this.#onstate = onstate;
    }

    /** Follows one stream, or all for ''. */
    follow(stream) {
        this.#stream = stream;
        this.#after = 0;
        this.#tries = 0;
        this.#connect();
    }

    #connect() {
        clearTimeout(this.#timer);
        this.#drop();
        let socket;
        try {
            socket = this.#socket = new WebSocket(eventsUrl(this.#doors, this.#stream, this.#after));
        } catch {
            return this.#later();
        }
        socket.addEventListener('open', () => {
            this.#tries = 0;
            this.#onstate(true);
        });
        socket.addEventListener('message', ({ data }) => {
            if (this.#socket !== socket) return;
            let event;
            try {
                event = JSON.parse(data);
            } catch {
                return;
            }
            if (event.seq > this.#after) this.#after = event.seq;
            this.#onevent(event);
        });
        socket.addEventListener('close', () => {
            if (this.#socket !== socket) return;
            this.#socket = null;
            this.#onstate(false);
            this.#later();
        });
    }

    #later() {
        const pause = PAUSES[Math.min(this.#tries++, PAUSES.length - 1)];
        this.#timer = setTimeout(() => this.#connect(), pause);
    }

    #drop() {
        const socket = this.#socket;
        this.#socket = null;
        socket?.close();
    }
}
