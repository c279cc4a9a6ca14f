// One WebRTC session with the gateway over HTTP (RFC 9725): offer and answer by POST, the end by
// DELETE, and an ICE restart by PATCH when the network under it changes. The gateway is ICE-lite and
// learns our addresses from our checks, so offers go out at once, without candidates.

import { authorized, failureOf, GatewayError } from './gateway_api.js';

const CONNECT_LIMIT = 15_000; // ms from the answer to a connected transport
const RESTART_AFTER = 1_500;  // ms of silence before ICE is restarted
const LOST_LIMIT = 8_000;     // ms after that before a session counts as lost

const lines = (sdp, form) => sdp.match(new RegExp(`^${form}.*$`, 'gm')) ?? [];

/** What changes by an ICE restart, in the form of RFC 8840. */
function fragmentOf(sdp) {
    const media = sdp.slice(sdp.indexOf('m='));
    const first = form => lines(media, form)[0];
    return [first('a=ice-ufrag:'), first('a=ice-pwd:'), first('m='), first('a=mid:'), ''].join('\r\n');
}

/** A description with the ICE parameters and candidates of a fragment. */
function withFragment(sdp, fragment) {
    const [ufrag] = lines(fragment, 'a=ice-ufrag:');
    const [pwd] = lines(fragment, 'a=ice-pwd:');
    const candidates = lines(fragment, 'a=candidate:');
    let kept = sdp;
    if (candidates.length) {
        kept = kept.replace(/^a=(candidate:.*|end-of-candidates)\r\n/gm, '');
        kept = kept.replace(/^(a=mid:.*\r\n)/m, `$1${candidates.join('\r\n')}\r\n`);
    }
    return kept.replace(/^a=ice-ufrag:.*$/gm, ufrag.trim()).replace(/^a=ice-pwd:.*$/gm, pwd.trim());
}

function iceConfiguration(servers) {
    return {
        bundlePolicy: 'max-bundle',
        iceServers: servers.map(server => typeof server === 'string' ? { urls: server } : {
            urls: server.urls ?? server.url, username: server.username, credential: server.credential,
        }),
    };
}

/** An `RTCPeerConnection` that lives at the gateway; `onlost(error)` when it ends by itself. */
export class RtcSession {
    connection;
    #resource = null;
    #etag = '*';
    #restarting = false;
    #timer = 0;
    #closed = false;
    #onlost;

    constructor(iceServers, onlost) {
        this.connection = new RTCPeerConnection(iceConfiguration(iceServers));
        this.#onlost = onlost;
        this.connection.addEventListener('connectionstatechange', () => this.#changed());
    }

    get closed() { return this.#closed; }

    /** Offers what the connection has; `amend` may change the answer. Fails with the gateway's reason. */
    async open(url, signal, amend = sdp => sdp) {
        await this.connection.setLocalDescription();
        let reply;
        try {
            reply = await fetch(url, {
                method: 'POST', body: this.connection.localDescription.sdp, signal,
                headers: authorized({ 'Content-Type': 'application/sdp' }),
            });
        } catch (error) {
            this.close();
            throw error.name === 'AbortError' ? error : new GatewayError(0, 'The gateway cannot be reached.');
        }
        if (reply.status !== 201) {
            this.close();
            throw await failureOf(reply);
        }
        const location = reply.headers.get('Location');
        // A proxy may have changed the scheme and the host; the path is what counts.
        if (location) this.#resource = new URL(location, window.location.href).pathname;
        this.#etag = reply.headers.get('ETag') ?? '*';
        const sdp = amend(await reply.text());
        if (this.#closed) { // closed while the answer was under way
            this.#release();
            throw new DOMException('closed', 'AbortError');
        }
        try {
            await this.connection.setRemoteDescription({ type: 'answer', sdp });
        } catch (error) {
            this.close();
            throw error;
        }
        this.#arm(CONNECT_LIMIT, 'No connection over UDP or TCP to the gateway came about.');
        this.#changed();
        return reply.headers;
    }

    close() {
        if (this.#closed) return;
        this.#closed = true;
        clearTimeout(this.#timer);
        this.connection.close();
        this.#release();
    }

    #release() {
        if (!this.#resource) return;
        const url = this.#resource;
        this.#resource = null;
        // keepalive: it is also sent while the page goes away.
        fetch(url, { method: 'DELETE', headers: authorized(), keepalive: true }).catch(() => {});
    }

    #arm(limit, why) {
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#lose(why), limit);
    }

    #changed() {
        if (this.#closed) return;
        switch (this.connection.connectionState) {
        case 'connected':
            clearTimeout(this.#timer);
            break;
        case 'disconnected':
            clearTimeout(this.#timer);
            this.#timer = setTimeout(() => this.#restart(), RESTART_AFTER);
            break;
        case 'failed':
            this.#restart();
            break;
        case 'closed':
            this.#lose('The gateway ended the session.');
            break;
        }
    }

    async #restart() {
        if (this.#closed || this.#restarting) return;
        this.#restarting = true;
        this.#arm(LOST_LIMIT, 'The connection to the gateway was lost.');
        const { connection } = this;
        try {
            await connection.setLocalDescription(await connection.createOffer({ iceRestart: true }));
            const reply = await fetch(this.#resource, {
                method: 'PATCH', body: fragmentOf(connection.localDescription.sdp),
                headers: authorized({ 'Content-Type': 'application/trickle-ice-sdpfrag', 'If-Match': this.#etag }),
            });
            if (reply.status !== 200) throw await failureOf(reply);
            this.#etag = reply.headers.get('ETag') ?? this.#etag;
            const sdp = withFragment(connection.remoteDescription.sdp, await reply.text());
            if (!this.#closed) await connection.setRemoteDescription({ type: 'answer', sdp });
        } catch (error) {
            // Without an answer the network is still away; with one the session is gone.
            if (error instanceof GatewayError) this.#lose(error.message);
        }
        this.#restarting = false;
    }

    #lose(why) {
        if (this.#closed) return;
        this.close();
        this.#onlost(new GatewayError(0, why));
    }
}
