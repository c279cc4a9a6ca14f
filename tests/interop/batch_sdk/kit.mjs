// The npm modules, and uploads for the tests.

import { createRequire } from 'node:module';
import { deflateSync } from 'node:zlib';

export const modules = createRequire(process.env.SDK_MODULES + '/');

function crc(bytes) {
    let c = ~0;
    for (const b of bytes) {
        c ^= b;
        for (let i = 0; i < 8; ++i) c = (c >>> 1) ^ (c & 1 ? 0xEDB88320 : 0);
    }
    return ~c >>> 0;
}

/** A grey PNG of 16 × 8. */
export function picture() {
    const chunk = (kind, data) => {
        const body = Buffer.concat([Buffer.from(kind), data]);
        const made = Buffer.alloc(body.length + 8);
        made.writeUInt32BE(data.length, 0);
        body.copy(made, 4);
        made.writeUInt32BE(crc(body), body.length + 4);
        return made;
    };
    const head = Buffer.from([0, 0, 0, 16, 0, 0, 0, 8, 8, 0, 0, 0, 0]);
    return Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]), chunk('IHDR', head),
        chunk('IDAT', deflateSync(Buffer.alloc(8 * 17, 100))), chunk('IEND', Buffer.alloc(0))]);
}

/** So many seconds of silence as WAV. */
export function sound(seconds) {
    const size = 8000 * 2 * seconds;
    const made = Buffer.alloc(44 + size);
    made.write('RIFF', 0);
    made.writeUInt32LE(36 + size, 4);
    made.write('WAVEfmt ', 8);
    made.writeUInt32LE(16, 16);
    made.writeUInt16LE(1, 20);
    made.writeUInt16LE(1, 22);
    made.writeUInt32LE(8000, 24);
    made.writeUInt32LE(16000, 28);
    made.writeUInt16LE(2, 32);
    made.writeUInt16LE(16, 34);
    made.write('data', 36);
    made.writeUInt32LE(size, 40);
    return made;
}
