// What the tests do inside a page, with the product's own modules: publish, watch, look at pixels,
// count frames. A plain page of the gateway ("/healthz") is enough to load them from.

export class Kit {
    #page;

    static async open(browser, gateway) {
        const kit = new Kit();
        kit.#page = await browser.page(`${gateway.url}/healthz`);
        await kit.#page.evaluate(async () => {
            const [pictures, publisher, player, clock] = await Promise.all(
                ['picture_source', 'rtc_publisher', 'rtc_player', 'picture_clock'].map(name => import(`/web/${name}.js`)));
            window.kit = { pictures, publisher, player, clock, published: null, watched: new Map() };
        });
        return kit;
    }

    get page() { return this.#page; }

    /** Publishes {kind, codec, pipeline, params, …} as `stream`; resolves after the answer. */
    publish(stream, wanted = {}) {
        return this.#page.evaluate(async ([stream, wanted]) => {
            const all = { kind: 'test', codec: 'auto', width: 640, height: 360, fps: 30, sound: true, clock: true,
                pipeline: 'passthrough', params: '', ...wanted, stream };
            const picture = await kit.pictures.openPicture(all, () => {});
            const session = await kit.publisher.publish(picture.stream, all, [], error => { kit.lost = error.message; });
            kit.published = { picture, session };
        }, [stream, wanted]);
    }

    unpublish() {
        return this.#page.evaluate(() => {
            kit.published.session.close();
            kit.published.picture.end();
        });
    }

    watch(path, name = path, sound = false) {
        return this.#page.evaluate(([path, name, sound]) => {
            const video = document.createElement('video');
            video.muted = !sound;
            video.playsInline = true;
            video.style.cssText = 'width:320px';
            document.body.append(video);
            const one = { video, states: [], reader: new kit.clock.ClockReader(), ages: [] };
            one.player = new kit.player.RtcPlayer(video, path, [], (state, text) => one.states.push(`${state} ${text}`));
            const follow = (_, frame) => {
                const value = one.reader.read(video);
                const shown = performance.timeOrigin + Math.max(frame.presentationTime, frame.expectedDisplayTime);
                if (value !== null) one.ages.push(kit.clock.age(value, shown));
                video.requestVideoFrameCallback(follow);
            };
            video.requestVideoFrameCallback(follow);
            kit.watched.set(name, one);
            one.player.start();
        }, [path, name, sound]);
    }

    unwatch(name) {
        return this.#page.evaluate(name => {
            kit.watched.get(name).player.stop();
            kit.watched.delete(name);
        }, name);
    }

    /** {frames, lost, packets, jitter, codec, audio, states} of a viewer. */
    viewer(name) {
        return this.#page.evaluate(async name => {
            const one = kit.watched.get(name);
            const out = { frames: 0, received: 0, packets: 0, lost: 0, nacks: 0, plis: 0, freezes: 0, audio: 0, codec: '',
                width: one.video.videoWidth, states: one.states };
            const report = await one.player.connection?.getStats();
            for (const entry of report?.values() ?? []) {
                if (entry.type !== 'inbound-rtp') continue;
                if (entry.kind === 'audio') {
                    out.audio = entry.totalSamplesReceived - (entry.concealedSamples ?? 0);
                    continue;
                }
                Object.assign(out, { frames: entry.framesDecoded, received: entry.framesReceived, packets: entry.packetsReceived,
                    lost: entry.packetsLost, nacks: entry.nackCount, plis: entry.pliCount, freezes: entry.freezeCount,
                    codec: report.get(entry.codecId)?.mimeType ?? '' });
            }
            return out;
        }, name);
    }

    /** {frames, codec, plis, nacks} of the publisher. */
    sender() {
        return this.#page.evaluate(async () => {
            const out = { frames: 0, codec: '', plis: 0, nacks: 0, state: kit.published.session.connection.connectionState,
                lost: kit.lost ?? '' };
            const report = await kit.published.session.connection.getStats();
            for (const entry of report.values())
                if (entry.type === 'outbound-rtp' && entry.kind === 'video')
                    Object.assign(out, { frames: entry.framesSent, codec: report.get(entry.codecId)?.mimeType ?? '',
                        plis: entry.pliCount, nacks: entry.nackCount });
            return out;
        });
    }

    /** The ages of the pictures shown since the last call, in milliseconds, sorted. */
    ages(name) {
        return this.#page.evaluate(name =>
            kit.watched.get(name).ages.splice(0).sort((a, b) => a - b), name);
    }

    /** The mean colour of the eight bars of the test picture: [[r, g, b], …]. */
    bars(name) {
        return this.#page.evaluate(barsOf, `kit:${name}`);
    }

    /** The mean colour of the whole picture. */
    mean(name) {
        return this.#page.evaluate(name => {
            const canvas = document.createElement('canvas');
            canvas.width = canvas.height = 64;
            const context = canvas.getContext('2d');
            context.drawImage(kit.watched.get(name).video, 0, 0, 64, 64);
            const { data } = context.getImageData(0, 0, 64, 64);
            const sum = [0, 0, 0];
            for (let i = 0; i < data.length; i += 4) for (let c = 0; c < 3; c++) sum[c] += data[i + c];
            return sum.map(value => Math.round(value / 4096));
        }, name);
    }
}

/** Runs in the page. `where` is "kit:NAME" or a selector of a video. */
export function barsOf(where) {
    const video = where.startsWith('kit:') ? window.kit.watched.get(where.slice(4)).video : document.querySelector(where);
    if (!video.videoWidth) return null;
    const canvas = document.createElement('canvas');
    canvas.width = 320;
    canvas.height = 180;
    const context = canvas.getContext('2d');
    context.drawImage(video, 0, 0, 320, 180);
    return Array.from({ length: 8 }, (_, i) => {
        const { data } = context.getImageData(i * 40 + 14, 158, 12, 10);
        const sum = [0, 0, 0];
        for (let at = 0; at < data.length; at += 4) for (let c = 0; c < 3; c++) sum[c] += data[at + c];
        return sum.map(value => Math.round(value / 120));
    });
}

export const BARS = [[255, 255, 255], [255, 255, 0], [0, 255, 255], [0, 255, 0], [255, 0, 255], [255, 0, 0], [0, 0, 255],
    [0, 0, 0]];

export const negative = bars => bars.map(bar => bar.map(value => 255 - value));

/** Whether two rows of bars are the same but for coding noise and differing colour matrices. */
export function alike(found, wanted) {
    return Boolean(found) && found.every((bar, i) => bar.every((value, c) => Math.abs(value - wanted[i][c]) < 60));
}
