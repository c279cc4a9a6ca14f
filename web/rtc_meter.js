// Turns the counters of an RTCPeerConnection into numbers of the last second.

function pick(report, type, kind) {
    for (const entry of report.values())
        if (entry.type === type && (!kind || entry.kind === kind)) return entry;
    return null;
}

function roundTrip(report) {
    for (const entry of report.values())
        if (entry.type === 'candidate-pair' && entry.nominated && entry.currentRoundTripTime !== undefined)
            return entry.currentRoundTripTime * 1000;
    return null;
}

export class RtcMeter {
    #last = null;
    #connection = null;

    /** Null before there are two readings of the same connection. */
    async read(connection) {
        if (connection !== this.#connection) {
            this.#connection = connection;
            this.#last = null;
        }
        if (!connection || connection.connectionState === 'closed') return null;
        const report = await connection.getStats();
        const inbound = pick(report, 'inbound-rtp', 'video');
        const outbound = pick(report, 'outbound-rtp', 'video');
        const now = inbound ? this.#inbound(report, inbound) : outbound ? this.#outbound(report, outbound) : null;
        const last = this.#last;
        this.#last = now;
        if (!now || !last || now.at <= last.at) return null;
        const seconds = (now.at - last.at) / 1000;
        const lost = Math.max(0, now.lost - last.lost);
        const packets = now.packets - last.packets;
        return {
            fps: (now.frames - last.frames) / seconds,
            bitrate: ((now.bytes - last.bytes) * 8) / seconds,
            loss: now.lossShare ?? (packets + lost > 0 ? (100 * lost) / (packets + lost) : 0),
            frames: now.frames, dropped: now.dropped, freezes: now.freezes,
            width: now.width, height: now.height, codec: now.codec, limited: now.limited,
            rtt: now.rtt,
            // An estimate of the way from the gateway to the screen where no clock can be read.
            transit: now.emitted > last.emitted
                ? (now.rtt ?? 0) / 2 + (1000 * (now.delay - last.delay)) / (now.emitted - last.emitted) : null,
        };
    }

    #inbound(report, entry) {
        const codec = report.get(entry.codecId);
        return {
            at: entry.timestamp, frames: entry.framesDecoded ?? 0, bytes: entry.bytesReceived ?? 0,
            packets: entry.packetsReceived ?? 0, lost: entry.packetsLost ?? 0, lossShare: null,
            dropped: entry.framesDropped ?? 0, freezes: entry.freezeCount ?? 0,
            width: entry.frameWidth, height: entry.frameHeight, codec: codec?.mimeType?.split('/')[1] ?? '',
            limited: '', rtt: roundTrip(report),
            delay: entry.jitterBufferDelay ?? 0, emitted: entry.jitterBufferEmittedCount ?? 0,
        };
    }

    #outbound(report, entry) {
        const codec = report.get(entry.codecId);
        const remote = pick(report, 'remote-inbound-rtp', 'video');
        return {
            at: entry.timestamp, frames: entry.framesEncoded ?? 0, bytes: entry.bytesSent ?? 0,
            packets: entry.packetsSent ?? 0, lost: remote?.packetsLost ?? 0,
            lossShare: remote?.fractionLost === undefined ? null : remote.fractionLost * 100,
            dropped: 0, freezes: 0, width: entry.frameWidth, height: entry.frameHeight,
            codec: codec?.mimeType?.split('/')[1] ?? '',
            limited: entry.qualityLimitationReason === 'none' ? '' : entry.qualityLimitationReason ?? '',
            rtt: remote?.roundTripTime === undefined ? roundTrip(report) : remote.roundTripTime * 1000,
            delay: 0, emitted: 0,
        };
    }
}
