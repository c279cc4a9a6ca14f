// A clock inside a picture: a strip of 40 black and white cells along the upper edge that holds the
// time in milliseconds. What comes back from the gateway is read again, also when a filter has
// inverted, mirrored or turned the picture, so the way from the canvas to the eye can be measured.

const CELLS = 40; // 8 of a fixed pattern, 24 of the time, 8 of a checksum
const SYNC = [1, 0, 1, 1, 0, 0, 1, 0];
const TIME_BITS = 24;
const WRAP = 2 ** TIME_BITS;
const STRIP = 1 / 15; // of the picture's height

/** Milliseconds since the epoch with the precision of performance.now(). */
export function now() {
    return performance.timeOrigin + performance.now();
}

function checksum(value) {
    let crc = 0xa5;
    for (let shift = TIME_BITS - 8; shift >= 0; shift -= 8) {
        crc ^= (value >>> shift) & 0xff;
        for (let i = 0; i < 8; i++) crc = ((crc << 1) ^ (crc & 0x80 ? 0x07 : 0)) & 0xff;
    }
    return crc;
}

function bitsOf(value, count) {
    return Array.from({ length: count }, (_, i) => (value >>> (count - 1 - i)) & 1);
}

export function encode(ms) {
    const value = Math.floor(ms) % WRAP;
    return [...SYNC, ...bitsOf(value, TIME_BITS), ...bitsOf(checksum(value), 8)];
}

function decodeUpright(bits) {
    if (SYNC.some((bit, i) => bits[i] !== bit)) return null;
    const number = part => part.reduce((sum, bit) => sum * 2 + bit, 0);
    const value = number(bits.slice(8, 8 + TIME_BITS));
    return checksum(value) === number(bits.slice(8 + TIME_BITS)) ? value : null;
}

/** The time in a row of cells in any orientation, or null. */
export function decode(bits) {
    const inverted = bits.map(bit => 1 - bit);
    for (const row of [bits, inverted, [...bits].reverse(), [...inverted].reverse()]) {
        const value = decodeUpright(row);
        if (value !== null) return value;
    }
    return null;
}

/** How long ago `value` was drawn, seen at `ms`; between minus and plus half the wrap. */
export function age(value, ms) {
    const difference = (Math.floor(ms) % WRAP) - value;
    const turned = ((difference % WRAP) + WRAP) % WRAP;
    return (turned > WRAP / 2 ? turned - WRAP : turned) + (ms % 1);
}

export function draw(context, ms) {
    const { width, height } = context.canvas;
    const strip = Math.max(8, Math.round(height * STRIP));
    context.fillStyle = '#000';
    context.fillRect(0, 0, width, strip);
    context.fillStyle = '#fff';
    encode(ms).forEach((bit, i) => {
        if (!bit) return;
        const from = Math.round((i * width) / CELLS);
        context.fillRect(from, 0, Math.round(((i + 1) * width) / CELLS) - from, strip);
    });
}

/** Reads the clock out of videos; keeps one small canvas for it. */
export class ClockReader {
    #context;

    constructor() {
        const canvas = document.createElement('canvas');
        canvas.width = CELLS * 8;
        canvas.height = 8;
        this.#context = canvas.getContext('2d', { willReadFrequently: true });
    }

    /** The value in the picture that `video` shows, or null. */
    read(video) {
        const width = video.videoWidth ?? video.width;
        const height = video.videoHeight ?? video.height;
        if (!width || !height) return null;
        const strip = Math.max(8, Math.round(height * STRIP));
        const inner = strip / 2; // the edges of the strip are blurred by the codec
        const rows = [strip / 4, height - (strip * 3) / 4];
        rows.forEach((y, i) =>
            this.#context.drawImage(video, 0, y, width, inner, 0, i * 4, CELLS * 8, 4));
        const { data } = this.#context.getImageData(0, 0, CELLS * 8, 8);
        for (const top of [0, 4]) {
            const value = decode(cellsOf(data, top));
            if (value !== null) return value;
        }
        return null;
    }
}

// The cells of one strip: the mean brightness of the inside of each, cut at the middle.
function cellsOf(data, top) {
    const levels = [];
    for (let cell = 0; cell < CELLS; cell++) {
        let sum = 0;
        for (let y = top + 1; y < top + 3; y++)
            for (let x = cell * 8 + 2; x < cell * 8 + 6; x++) {
                const at = (y * CELLS * 8 + x) * 4;
                sum += data[at] * 0.3 + data[at + 1] * 0.59 + data[at + 2] * 0.11;
            }
        levels.push(sum / 8);
    }
    const low = Math.min(...levels);
    const high = Math.max(...levels);
    const middle = (low + high) / 2;
    return high - low < 40 ? levels.map(() => 0) : levels.map(level => (level > middle ? 1 : 0));
}
