// What can be published: a moving test picture, the camera or the screen. All of them yield a
// MediaStream and an end; the test picture, and others on request, carry a clock (picture_clock.js).

import * as clock from './picture_clock.js';

export const BARS = ['#ffffff', '#ffff00', '#00ffff', '#00ff00', '#ff00ff', '#ff0000', '#0000ff', '#000000'];

/** Calls `paint(context, ms)` for each picture of a canvas and captures the canvas. */
class PaintedStream {
    #worker = new Worker(new URL('./ticker.js', import.meta.url));
    #canvas = document.createElement('canvas');
    #track;

    constructor({ width, height, fps }, paint) {
        this.#canvas.width = width;
        this.#canvas.height = height;
        const context = this.#canvas.getContext('2d', { alpha: false });
        const byHand = 'CanvasCaptureMediaStreamTrack' in window &&
            'requestFrame' in CanvasCaptureMediaStreamTrack.prototype;
        const stream = this.#canvas.captureStream(byHand ? 0 : fps);
        [this.#track] = stream.getVideoTracks();
        const begin = performance.now();
        let due = 0;
        this.#worker.onmessage = () => {
            // The worker ticks faster than pictures are wanted, so that their spacing stays even.
            const at = performance.now();
            if (at < begin + due * (1000 / fps) - 1) return;
            due = Math.max(due + 1, Math.floor(((at - begin) * fps) / 1000));
            const ms = clock.now();
            paint(context, ms);
            clock.draw(context, ms);
            if (byHand) this.#track.requestFrame();
        };
        this.#worker.postMessage(1000 / fps / 4);
    }

    get track() { return this.#track; }

    end() {
        this.#worker.postMessage(0);
        this.#worker.terminate();
        this.#track.stop();
    }
}

// Colour bars below, a turning hand, a sweeping dot and the time: anything that stalls, tears, turns
// or changes its colours shows at once.
function paintTestPicture(context, ms) {
    const { width, height } = context.canvas;
    const unit = height / 360;
    const seconds = ms / 1000;
    const sky = context.createLinearGradient(0, 0, width, height);
    sky.addColorStop(0, `hsl(${(seconds * 6) % 360} 60% 22%)`);
    sky.addColorStop(1, `hsl(${(seconds * 6 + 80) % 360} 70% 38%)`);
    context.fillStyle = sky;
    context.fillRect(0, 0, width, height);

    const barTop = height * 0.8;
    BARS.forEach((colour, i) => {
        context.fillStyle = colour;
        const from = Math.round((i * width) / BARS.length);
        context.fillRect(from, barTop, Math.round(((i + 1) * width) / BARS.length) - from, height - barTop);
    });

    const [x, y, radius] = [width * 0.24, height * 0.435, height * 0.27];
    context.lineWidth = 3 * unit;
    context.strokeStyle = '#ffffffcc';
    context.beginPath();
    context.arc(x, y, radius, 0, Math.PI * 2);
    context.stroke();
    for (let i = 0; i < 12; i++) {
        const angle = (i * Math.PI) / 6;
        context.beginPath();
        context.moveTo(x + Math.sin(angle) * radius * 0.86, y - Math.cos(angle) * radius * 0.86);
        context.lineTo(x + Math.sin(angle) * radius * 0.95, y - Math.cos(angle) * radius * 0.95);
        context.stroke();
    }
    const turn = (seconds % 4) / 4 * Math.PI * 2;
    context.lineWidth = 7 * unit;
    context.lineCap = 'round';
    context.strokeStyle = '#ffd166';
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(x + Math.sin(turn) * radius * 0.8, y - Math.cos(turn) * radius * 0.8);
    context.stroke();
    // Lights up with each beep.
    context.fillStyle = seconds % 1 < 0.1 ? '#ffffff' : '#00000066';
    context.beginPath();
    context.arc(x, y, 16 * unit, 0, Math.PI * 2);
    context.fill();

    const time = new Date(ms);
    const two = n => String(n).padStart(2, '0');
    context.textBaseline = 'middle';
    context.fillStyle = '#ffffff';
    context.font = `600 ${46 * unit}px ui-monospace, Menlo, Consolas, monospace`;
    const text = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
    context.fillText(text, width * 0.46, height * 0.36);
    context.font = `500 ${30 * unit}px ui-monospace, Menlo, Consolas, monospace`;
    context.fillText(`.${String(time.getMilliseconds()).padStart(3, '0')}`, width * 0.46, height * 0.5);

    const sweep = (seconds % 3) / 3;
    context.fillStyle = '#ffffff';
    context.fillRect(width * 0.46, height * 0.62, width * 0.48, 2 * unit);
    context.beginPath();
    context.arc(width * (0.46 + 0.48 * sweep), height * 0.62 + unit, 9 * unit, 0, Math.PI * 2);
    context.fill();
}

// One short tone a second, when the light in the test picture is on.
function beeps() {
    const audio = new AudioContext();
    const tone = audio.createOscillator();
    const level = audio.createGain();
    const out = audio.createMediaStreamDestination();
    tone.frequency.value = 880;
    level.gain.value = 0;
    tone.connect(level).connect(out);
    tone.start();
    let planned = 0;
    const timer = setInterval(() => {
        const second = Math.ceil(clock.now() / 1000);
        if (second <= planned) return;
        planned = second;
        const at = audio.currentTime + (second * 1000 - clock.now()) / 1000;
        level.gain.setValueAtTime(0.25, at);
        level.gain.setValueAtTime(0, at + 0.1);
    }, 200);
    return {
        track: out.stream.getAudioTracks()[0],
        end() {
            clearInterval(timer);
            audio.close();
        },
    };
}

// A stream drawn onto a canvas, for the clock on top of it.
async function withClock(stream, size) {
    const video = document.createElement('video');
    video.muted = true;
    video.playsInline = true;
    video.srcObject = stream;
    await video.play();
    const actual = {
        width: Math.max(2, video.videoWidth & ~1) || size.width,
        height: Math.max(2, video.videoHeight & ~1) || size.height,
        fps: size.fps,
    };
    const painted = new PaintedStream(actual, (context, _) =>
        context.drawImage(video, 0, 0, actual.width, actual.height));
    return painted;
}

/**
 * Opens a source: {kind: 'test'|'camera'|'screen', width, height, fps, sound, clock}.
 * Returns {stream, end()}; `onended` is called when the user takes the camera or screen away.
 */
export async function openPicture(wanted, onended) {
    const parts = [];
    const end = () => parts.splice(0).forEach(part => part.end());
    try {
        if (wanted.kind === 'test') {
            const painted = new PaintedStream(wanted, paintTestPicture);
            parts.push(painted);
            const tracks = [painted.track];
            if (wanted.sound) {
                const sound = beeps();
                parts.push(sound);
                tracks.push(sound.track);
            }
            return { stream: new MediaStream(tracks), end };
        }
        const devices = navigator.mediaDevices;
        if (!devices)
            throw new Error('The browser gives cameras and screens only to pages over HTTPS or from localhost.');
        const video = { width: { ideal: wanted.width }, height: { ideal: wanted.height },
            frameRate: { ideal: wanted.fps } };
        const given = wanted.kind === 'camera'
            ? await devices.getUserMedia({ video, audio: wanted.sound })
            : await devices.getDisplayMedia({ video: { frameRate: wanted.fps }, audio: wanted.sound });
        parts.push({ end: () => given.getTracks().forEach(track => track.stop()) });
        given.getVideoTracks()[0].addEventListener('ended', onended);
        if (!wanted.clock) return { stream: given, end };
        const painted = await withClock(given, wanted);
        parts.push(painted);
        return { stream: new MediaStream([painted.track, ...given.getAudioTracks()]), end };
    } catch (error) {
        end();
        throw error;
    }
}
