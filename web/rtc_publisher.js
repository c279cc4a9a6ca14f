// Publishes a MediaStream over WHIP.

import { streamPath } from './gateway_api.js';
import { RtcSession } from './rtc_session.js';

/** The codecs of the browser with the wanted one first ('auto': H.264, which nobody must transcode). */
function codecOrder(wanted) {
    const mime = { auto: 'video/h264', h264: 'video/h264', vp8: 'video/vp8', vp9: 'video/vp9' }[wanted];
    const all = RTCRtpSender.getCapabilities?.('video')?.codecs ?? [];
    const first = all.filter(codec => codec.mimeType.toLowerCase() === mime);
    const helpers = all.filter(codec => /rtx|red|ulpfec|flexfec/i.test(codec.mimeType));
    const rest = all.filter(codec => !first.includes(codec) && !helpers.includes(codec));
    if (!first.length || wanted === 'auto') return [...first, ...rest, ...helpers];
    return [...first, ...helpers];
}

// About 0.1 bit per pixel, which live encoders need for a clean picture.
export function bitrateFor({ width, height, fps }) {
    return Math.round(Math.min(8e6, Math.max(6e5, width * height * fps * 0.1)));
}

// Chromium starts at 300 kbit/s and takes half a minute to trust the path; this is where it begins.
function withStartBitrate(sdp, kbps) {
    return sdp.replace(/^(a=fmtp:\d+ (?=.*(?:profile-level-id|max-fr)).*)$/gm, `$1;x-google-start-bitrate=${kbps}`);
}

/**
 * wanted: {stream, pipeline, params, codec, width, height, fps}. Resolves when the gateway has taken
 * the stream; fails with its reason. `onlost` as in RtcSession.
 */
export async function publish(media, wanted, iceServers, onlost, signal) {
    const session = new RtcSession(iceServers, onlost);
    const { connection } = session;
    const maxBitrate = bitrateFor(wanted);
    for (const track of media.getTracks()) {
        const sender = connection.addTransceiver(track, {
            direction: 'sendonly', streams: [media],
            sendEncodings: track.kind === 'video' ? [{ maxBitrate, maxFramerate: wanted.fps }] : undefined,
        });
        if (track.kind !== 'video') continue;
        const order = codecOrder(wanted.codec);
        if (order.length && sender.setCodecPreferences) sender.setCodecPreferences(order);
        const parameters = sender.sender.getParameters();
        parameters.degradationPreference = 'maintain-resolution';
        await sender.sender.setParameters(parameters).catch(() => {});
    }
    const query = new URLSearchParams();
    if (wanted.pipeline) query.set('pipeline', wanted.pipeline);
    if (wanted.params) query.set('params', wanted.params);
    const text = query.toString();
    await session.open(streamPath(wanted.stream, '/whip') + (text ? `?${text}` : ''), signal,
        answer => withStartBitrate(answer, Math.round(maxBitrate / 2000)));
    return session;
}
