// One watched channel: the picture, what to say when there is none, and its numbers.

import { LatencyMeter } from './latency_meter.js';
import { LinePlot } from './line_plot.js';
import { RtcMeter } from './rtc_meter.js';
import { RtcPlayer } from './rtc_player.js';

const FROZEN = 4; // seconds without a new picture before the panel says so

const FORMATS = {
    latency: value => [value.toFixed(0), 'ms'],
    fps: value => [value.toFixed(1), 'fps'],
    bitrate: value => value >= 1e6 ? [(value / 1e6).toFixed(2), 'Mbit/s'] : [(value / 1e3).toFixed(0), 'kbit/s'],
    loss: value => [value.toFixed(value < 10 ? 1 : 0), '%'],
};

export class VideoPanel {
    #root;
    #video;
    #note;
    #player = null;
    #rtc = new RtcMeter();
    #latency;
    #plots = {};
    #still = 0;
    #since = '';
    #frames = 0;
    #state = 'stopped';

    /** `root` is a .panel element of the page. */
    constructor(root) {
        this.#root = root;
        this.#video = root.querySelector('video');
        this.#note = root.querySelector('.note');
        this.#latency = new LatencyMeter(this.#video);
        for (const meter of root.querySelectorAll('[data-meter]'))
            this.#plots[meter.dataset.meter] = new LinePlot(meter.querySelector('canvas'));
        const sound = root.querySelector('.sound');
        sound.addEventListener('click', () => {
            this.#video.muted = !this.#video.muted;
            sound.setAttribute('aria-pressed', String(!this.#video.muted));
            if (this.#video.paused) this.#video.play().catch(() => {});
        });
        root.querySelector('.full').addEventListener('click', () => {
            if (document.fullscreenElement) document.exitFullscreen();
            else (this.#video.requestFullscreen ?? this.#video.webkitEnterFullscreen)?.call(this.#video);
        });
        this.#show('stopped', '');
    }

    get path() { return this.#player?.path ?? ''; }

    watch(path, iceServers) {
        if (this.path === path) return this.#player.hurry();
        this.stop();
        this.#player = new RtcPlayer(this.#video, path, iceServers, (state, text) => this.#show(state, text));
        this.#player.start();
    }

    stop() {
        this.#player?.stop();
        this.#player = null;
        for (const plot of Object.values(this.#plots)) plot.clear();
        this.#numbers({});
    }

    hurry() { this.#player?.hurry(); }

    #show(state, text) {
        this.#state = state;
        this.#still = 0;
        this.#root.dataset.state = state;
        const words = {
            stopped: this.#root.dataset.idle,
            connecting: 'Connecting…',
            waiting: text,
            playing: '',
        }[state];
        if (this.#note.textContent !== words) this.#note.textContent = words;
    }

    /** Once a second. */
    async tick() {
        const numbers = await this.#rtc.read(this.#player?.connection ?? null).catch(() => null);
        const glass = this.#latency.take();
        if (!numbers) {
            if (this.#player) this.#numbers({});
            return;
        }
        this.#still = numbers.frames > this.#frames ? 0 : this.#still + 1;
        if (!this.#still) this.#since = new Date().toLocaleTimeString([], { hour12: false });
        this.#frames = numbers.frames;
        if (this.#state === 'playing')
            this.#note.textContent = this.#still >= FROZEN ? `No new picture since ${this.#since}.` : '';
        this.#root.dataset.frozen = String(this.#still >= FROZEN);
        this.#numbers({ ...numbers, latency: glass ?? numbers.transit, guessed: glass === null });
    }

    #numbers(numbers) {
        for (const meter of this.#root.querySelectorAll('[data-meter]')) {
            const name = meter.dataset.meter;
            const value = numbers[name] ?? null;
            const [text, unit] = value === null ? ['–', ''] : FORMATS[name](value);
            const guess = name === 'latency' && value !== null && numbers.guessed;
            meter.querySelector('.value').textContent = (guess ? '≈' : '') + text;
            meter.querySelector('.unit').textContent = unit;
            if (name === 'latency')
                meter.title = guess
                    ? 'From the gateway to the screen, estimated: the picture carries no clock.'
                    : 'From the camera or canvas to the screen, by the clock in the picture.';
            if (this.#player) this.#plots[name].add(value);
        }
        this.#root.querySelector('.format').textContent = numbers.width
            ? `${numbers.codec} ${numbers.width}×${numbers.height}` : '';
    }
}
