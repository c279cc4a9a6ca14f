// A rivulet process on ports of its own choice, and its API.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const MEDIA_PORTS = [7280, 7299];

export class Gateway {
    #process;
    #log = [];

    static async start(binary, ...options) {
        const one = new Gateway();
        if (!options.includes('-httpAddr')) options.push('-httpAddr', '127.0.0.1:0');
        one.#process = spawn(binary, ['-rtmpAddr', '127.0.0.1:0', '-srtAddr=',
            '-webrtcAddr', `127.0.0.1:${MEDIA_PORTS.join('-')}`, ...options], { stdio: ['ignore', 'pipe', 'pipe'] });
        createInterface(one.#process.stderr).on('line', line => one.#log.push(line));
        const ready = await new Promise((resolve, reject) => {
            createInterface(one.#process.stdout).on('line', line => / ready: /.test(line) && resolve(line));
            one.#process.once('exit', code => reject(new Error(`rivulet ended (${code}): ${one.log}`)));
            setTimeout(() => reject(new Error(`rivulet is not ready: ${one.log}`)), 20_000).unref();
        });
        one.port = Number(/\bhttp \S*?:(\d+)/.exec(ready)[1]);
        one.rtmp = `rtmp://127.0.0.1:${/\brtmp \S*?:(\d+)/.exec(ready)?.[1]}`;
        one.url = `http://127.0.0.1:${one.port}`;
        return one;
    }

    get log() { return this.#log.slice(-40).join('\n'); }

    get pid() { return this.#process.pid; }

    /** Exit code after SIGTERM. */
    async stop() {
        if (this.#process.exitCode !== null) return this.#process.exitCode;
        const ended = new Promise(resolve => this.#process.once('exit', resolve));
        const timer = setTimeout(() => this.#process.kill('SIGKILL'), 15_000);
        this.#process.kill('SIGTERM');
        const code = await ended;
        clearTimeout(timer);
        return code;
    }

    async json(path) {
        const reply = await fetch(this.url + path);
        if (!reply.ok) throw new Error(`GET ${path}: ${reply.status} ${await reply.text()}`);
        return reply.json();
    }

    async streams() {
        return (await this.json('/live/video-to-video')).streams.map(one => one.stream);
    }

    async status(stream) {
        return (await this.json(`/live/video-to-video/${stream}/status`)).gateway_status;
    }

    update(stream, params) {
        return fetch(`${this.url}/live/video-to-video/${stream}/update`,
            { method: 'POST', body: JSON.stringify(params) });
    }
}

/** Waits until `probe` gives something true, and returns it. */
export async function until(what, probe, limit = 15_000) {
    const end = Date.now() + limit;
    let last;
    do {
        try {
            last = await probe();
            if (last) return last;
        } catch (error) {
            last = error;
        }
        await new Promise(resolve => setTimeout(resolve, 100));
    } while (Date.now() < end);
    throw new Error(`not within ${limit / 1000} s: ${what}; last: ${last instanceof Error ? last.message : JSON.stringify(last)}`);
}

export const pause = ms => new Promise(resolve => setTimeout(resolve, ms));
