// How old the picture on the screen is, by the clock in it (picture_clock.js).

import * as clock from './picture_clock.js';

const PAUSE = 90;     // ms between two readings: reading pixels costs
const LONGEST = 60_000; // ms; anything else is another stream's clock

export class LatencyMeter {
    #video;
    #reader = new clock.ClockReader();
    #ages = [];
    #readAt = 0;

    constructor(video) {
        this.#video = video;
        if ('requestVideoFrameCallback' in video) this.#follow();
    }

    #follow() {
        this.#video.requestVideoFrameCallback((at, frame) => {
            this.#follow();
            if (at - this.#readAt < PAUSE) return;
            this.#readAt = at;
            const value = this.#reader.read(this.#video);
            if (value === null) return;
            const shown = performance.timeOrigin + Math.max(frame.presentationTime, frame.expectedDisplayTime);
            const ms = clock.age(value, shown);
            if (ms > -1000 && ms < LONGEST) this.#ages.push(Math.max(0, ms));
        });
    }

    /** The median since the last call, or null when no picture had a clock. */
    take() {
        const ages = this.#ages.sort((a, b) => a - b);
        this.#ages = [];
        return ages.length ? ages[ages.length >> 1] : null;
    }
}
