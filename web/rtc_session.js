// One WebRTC session with the gateway over HTTP (RFC 9725): offer and answer by POST, the end by
// DELETE. The gateway is ICE-lite and learns our addresses from our checks, so the offer goes out
// at once, without candidates.

import { authorized, failureOf, GatewayError } from './gateway_api.js';

const CONNECT_LIMIT = 15_000; // ms from the answer to a connected transport
const LOST_LIMIT = 6_000;     // ms of silence before a session counts as lost

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
        if (location) this.#resource = new URL(location, new URL(url, window.location.href));
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
            this.#arm(LOST_LIMIT, 'The connection to the gateway was lost.');
            break;
        case 'failed':
            this.#lose('The connection to the gateway failed.');
            break;
        case 'closed':
            this.#lose('The gateway ended the session.');
            break;
        }
    }

    #lose(why) {
        if (this.#closed) return;
        this.close();
        this.#onlost(new GatewayError(0, why));
    }
}
