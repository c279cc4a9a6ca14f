// Capture to display: how old a picture is on the screen that went from a canvas over WHIP through
// the gateway and a pipeline, and back over WHEP. The age comes from a clock drawn into the picture.
// The yardstick is the same browser sending the same picture to itself, with no gateway between.

import { Browser } from '../../interop/browser/chromium.mjs';
import { Gateway, until, pause } from '../../interop/browser/gateway.mjs';
import { Kit } from '../../interop/browser/page_kit.mjs';

const USAGE = `bench glass [--for SECONDS] [--pipeline NAME] [--params JSON] [--size WxH] [--fps N] [--codec NAME] [--json]
  --for SECONDS    measure so long (20), after 3 s of warming up
  --pipeline NAME  passthrough
  --check          fail when the median is over 150 ms or the 99th percentile over 300 ms
`;

function options() {
    const read = { for: 20, pipeline: 'passthrough', params: '', size: '640x360', fps: 30, codec: 'h264', json: false, check: false };
    const given = process.argv.slice(2);
    while (given.length) {
        const name = given.shift().replace(/^--/, '');
        if (!(name in read)) {
            process.stderr.write(USAGE);
            process.exit(2);
        }
        read[name] = typeof read[name] === 'boolean' ? true
            : typeof read[name] === 'number' ? Number.parseFloat(given.shift()) : given.shift();
    }
    return read;
}

const at = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];

function summary(ages, seconds) {
    return { frames: ages.length, fps: ages.length / seconds, p50: at(ages, 0.5), p90: at(ages, 0.9), p99: at(ages, 0.99),
        max: ages.at(-1) };
}

const line = (name, s) => `${name.padEnd(34)} p50 ${s.p50.toFixed(0).padStart(4)} ms   p90 ${s.p90.toFixed(0).padStart(4)} ms   ` +
    `p99 ${s.p99.toFixed(0).padStart(4)} ms   max ${s.max.toFixed(0).padStart(4)} ms   ${s.fps.toFixed(1)} frames/s\n`;

/** Two connections of one page, the second one's video watched like a WHEP viewer's. */
async function watchItself(kit, wanted) {
    await kit.page.evaluate(async wanted => {
        const picture = await kit.pictures.openPicture(wanted, () => {});
        const [sender, receiver] = [new RTCPeerConnection(), new RTCPeerConnection()];
        sender.onicecandidate = ({ candidate }) => receiver.addIceCandidate(candidate);
        receiver.onicecandidate = ({ candidate }) => sender.addIceCandidate(candidate);
        const video = document.createElement('video');
        video.muted = true;
        video.style.cssText = 'width:320px';
        document.body.append(video);
        const one = { video, states: [], reader: new kit.clock.ClockReader(), ages: [], player: { connection: receiver } };
        receiver.ontrack = ({ track, receiver: from }) => {
            from.jitterBufferTarget = 0;
            video.srcObject = new MediaStream([track]);
            video.play();
        };
        for (const track of picture.stream.getTracks())
            sender.addTransceiver(track, { direction: 'sendonly', streams: [picture.stream] });
        const codecs = RTCRtpReceiver.getCapabilities('video').codecs;
        const first = codecs.filter(codec => codec.mimeType.toLowerCase() === `video/${wanted.codec}`);
        for (const transceiver of sender.getTransceivers())
            if (transceiver.sender.track.kind === 'video') transceiver.setCodecPreferences([...first, ...codecs.filter(codec => !first.includes(codec))]);
        const follow = (_, frame) => {
            const value = one.reader.read(video);
            const shown = performance.timeOrigin + Math.max(frame.presentationTime, frame.expectedDisplayTime);
            if (value !== null) one.ages.push(kit.clock.age(value, shown));
            video.requestVideoFrameCallback(follow);
        };
        video.requestVideoFrameCallback(follow);
        await sender.setLocalDescription();
        await receiver.setRemoteDescription(sender.localDescription);
        await receiver.setLocalDescription();
        await sender.setRemoteDescription(receiver.localDescription);
        kit.watched.set('itself', one);
        kit.endItself = () => {
            sender.close();
            receiver.close();
            picture.end();
        };
    }, wanted);
}

async function measure(kit, name, seconds) {
    await until(`pictures of ${name}`, async () => (await kit.viewer(name)).frames > 15, 25_000);
    await pause(3000);
    await kit.ages(name);
    await pause(seconds * 1000);
    const ages = await kit.ages(name);
    if (ages.length < seconds * 5) throw new Error(`only ${ages.length} pictures of ${name} with a clock came`);
    return summary(ages, seconds);
}

async function main() {
    const wanted = options();
    const [width, height] = wanted.size.split('x').map(Number);
    const picture = { kind: 'test', width, height, fps: wanted.fps, sound: true, clock: true, codec: wanted.codec };
    const gateway = await Gateway.start(process.env.RIVULET);
    const browser = await Browser.start();
    const report = { size: wanted.size, fps: wanted.fps, codec: wanted.codec, pipeline: wanted.pipeline };
    try {
        const kit = await Kit.open(browser, gateway);
        await watchItself(kit, picture);
        report.itself = await measure(kit, 'itself', Math.min(10, wanted.for));
        await kit.page.evaluate(() => kit.endItself());
        await kit.page.close();

        const through = await Kit.open(browser, gateway);
        await through.publish('glass', { ...picture, pipeline: wanted.pipeline, params: wanted.params });
        await through.watch('glass-out');
        report.output = await measure(through, 'glass-out', wanted.for);
        const status = await gateway.status('glass');
        report.gateway_ms = status.output.latency_ms;
        await through.unpublish();
    } finally {
        await browser.stop();
        await gateway.stop();
    }
    if (wanted.json) {
        console.log(JSON.stringify(report));
    } else {
        process.stdout.write(`canvas ${wanted.size} at ${wanted.fps}/s, ${wanted.codec}, Chromium without a screen, loopback\n`);
        process.stdout.write(line('the browser to itself', report.itself));
        process.stdout.write(line(`WHIP > ${wanted.pipeline} > WHEP`, report.output));
        process.stdout.write(`of which the gateway and the pipeline${' '.repeat(3)}${report.gateway_ms?.toFixed(1) ?? '?'} ms at the median\n`);
    }
    if (wanted.check && (report.output.p50 >= 150 || report.output.p99 >= 300)) {
        process.stderr.write('too slow: p50 must be under 150 ms and p99 under 300 ms\n');
        process.exitCode = 1;
    }
}

main().catch(error => {
    console.error(error.message);
    process.exitCode = 1;
});
