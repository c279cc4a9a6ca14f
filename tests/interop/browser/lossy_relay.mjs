// Sits between a browser and the gateway's media port and loses a share of the RTP packets, always
// the same ones. Everything else (ICE, DTLS, RTCP) passes.

import { createSocket } from 'node:dgram';

// Mulberry32: small, and the same everywhere.
function random(seed) {
    return () => {
        seed = (seed + 0x6d2b79f5) | 0;
        let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
        t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
        return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
}

const isRtp = packet => packet[0] >= 128 && packet[0] < 192 && !(packet[1] >= 192 && packet[1] < 224);

export class LossyRelay {
    #front = createSocket('udp4').unref(); // a failed test's must not keep the program
    #backs = new Map();
    #upstream;
    counts = { up: 0, down: 0, lostUp: 0, lostDown: 0 };

    /** `up` and `down`: shares of RTP packets lost towards and from the gateway. */
    static async open(upstream, { up = 0, down = 0, seed = 1 }) {
        const one = new LossyRelay();
        one.#upstream = upstream;
        const chance = random(seed);
        const passes = (packet, share, way, lost) => {
            if (!isRtp(packet)) return true;
            one.counts[way]++;
            if (chance() >= share) return true;
            one.counts[lost]++;
            return false;
        };
        one.#front.on('message', (packet, from) => {
            const key = `${from.address}:${from.port}`;
            let back = one.#backs.get(key);
            if (!back) {
                back = createSocket('udp4').unref();
                back.on('message', reply => {
                    if (passes(reply, down, 'down', 'lostDown')) one.#front.send(reply, from.port, from.address);
                });
                back.on('error', () => {});
                one.#backs.set(key, back);
            }
            if (passes(packet, up, 'up', 'lostUp')) back.send(packet, one.#upstream, '127.0.0.1');
        });
        await new Promise(resolve => one.#front.bind(0, '127.0.0.1', resolve));
        one.port = one.#front.address().port;
        return one;
    }

    close() {
        this.#front.close();
        for (const back of this.#backs.values()) back.close();
    }
}

/** Lets the answers to `page`'s POSTs at `pattern` lead through a relay. Returns the relays made. */
export async function relayAnswers(page, pattern, loss) {
    const relays = [];
    await page.route(pattern, async route => {
        if (route.request().method() !== 'POST') return route.continue();
        const response = await route.fetch();
        const lines = [];
        for (const line of (await response.text()).split('\r\n')) {
            const candidate = /^(a=candidate:\S+ \d+ (\w+) \d+ \S+ )(\d+)( .*)$/.exec(line);
            if (!candidate) {
                lines.push(line);
                continue;
            }
            if (candidate[2].toLowerCase() !== 'udp') continue;
            let relay = relays.find(one => one.upstream === candidate[3]);
            if (!relay) {
                relay = { upstream: candidate[3], socket: await LossyRelay.open(Number(candidate[3]), loss) };
                relays.push(relay);
            }
            lines.push(candidate[1] + relay.socket.port + candidate[4]);
        }
        await route.fulfill({ response, body: lines.join('\r\n') });
    });
    return relays;
}
