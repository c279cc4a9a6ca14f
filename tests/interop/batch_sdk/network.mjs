// The runners, a worker before them and a gateway: real processes on ports of their own choice.

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const RIVULET = process.env.RIVULET;
const RUNNER = join(dirname(fileURLToPath(import.meta.url)), 'batch_runner.py');

class Program {
    #process;
    #log = [];

    /** Resolves with the first line of its output that matches. */
    static async start(ready, command, ...words) {
        const one = new Program();
        one.#process = spawn(command, words, { stdio: ['ignore', 'pipe', 'pipe'] });
        createInterface(one.#process.stderr).on('line', line => one.#log.push(line));
        one.ready = await new Promise((resolve, reject) => {
            createInterface(one.#process.stdout).on('line', line => ready.test(line) && resolve(line));
            one.#process.once('exit', code => reject(new Error(`${command} ended (${code}): ${one.log}`)));
            setTimeout(() => reject(new Error(`${command} is not ready: ${one.log}`)), 20_000).unref();
        });
        return one;
    }

    get log() { return this.#log.slice(-60).join('\n'); }

    port(name) { return Number(new RegExp(`\\b${name} \\S*?:(\\d+)`).exec(this.ready)[1]); }

    async stop() {
        if (this.#process.exitCode !== null) return;
        const ended = new Promise(resolve => this.#process.once('exit', resolve));
        const timer = setTimeout(() => this.#process.kill('SIGKILL'), 15_000);
        this.#process.kill('SIGTERM');
        await ended;
        clearTimeout(timer);
    }
}

/** Waits until `probe` gives something true, and returns it. */
export async function until(what, probe, limit = 15_000) {
    const end = Date.now() + limit;
    for (;;) {
        const found = await probe();
        if (found) return found;
        if (Date.now() > end) throw new Error(`not within ${limit / 1000} s: ${what}`);
        await new Promise(resolve => setTimeout(resolve, 50));
    }
}

const QUIET = ['-rtmpAddr', '127.0.0.1:0', '-srtAddr=', '-webrtcAddr=', '-cliAddr', '127.0.0.1:0'];

export class Network {
    #programs = [];
    #folder = mkdtempSync(join(tmpdir(), 'rivulet-sdk-'));

    static async start() {
        const one = new Network();
        try {
            const runners = await one.#start(/^ready /, '/usr/bin/python3', RUNNER);
            const ports = JSON.parse(runners.ready.slice('ready '.length));
            one.runner = `http://127.0.0.1:${ports.llm}`;
            const urls = Object.values(ports).map(port => `http://127.0.0.1:${port}`).join(',');
            one.worker = await one.#start(/ ready: /, RIVULET, 'worker', '-serviceAddr', '127.0.0.1:0', '-tls',
                '-runner', urls);
            one.gateway = await one.gatewayWith();
            one.url = `http://127.0.0.1:${one.gateway.port('http')}`;
        } catch (error) {
            await one.stop();
            throw error;
        }
        return one;
    }

    async #start(...words) {
        const one = await Program.start(...words);
        this.#programs.push(one);
        return one;
    }

    /** One more gateway before the same worker. */
    async gatewayWith(...options) {
        const gateway = await this.#start(/ ready: /, RIVULET, '-orchAddr', `127.0.0.1:${this.worker.port('worker')}`,
            '-httpAddr', '127.0.0.1:0', ...QUIET, ...options);
        return gateway;
    }

    /** A file of hashed keys, and one key in it that may do everything. */
    keyFile() {
        const key = 'a-key-of-the-test-0123456789';
        const made = spawnSync(RIVULET, ['hash-key', '*', 'publish,watch,control'], { input: key + '\n', encoding: 'utf8' });
        if (made.status !== 0) throw new Error(made.stderr);
        const path = join(this.#folder, 'keys');
        writeFileSync(path, made.stdout);
        return [path, key];
    }

    async asked() { return (await fetch(this.runner + '/test/asked')).json(); }

    /** The newest request for a pipeline. */
    async last(pipeline) { return (await this.asked()).asked.filter(one => one.pipeline === pipeline).at(-1); }

    next(pipeline, answer) {
        return fetch(this.runner + '/test/next', { method: 'POST', body: JSON.stringify({ pipeline, ...answer }) });
    }

    async stop() {
        for (const one of this.#programs.reverse()) await one.stop();
        rmSync(this.#folder, { recursive: true, force: true });
        // Node 18 keeps the connections that fetch has left open, and the process with them.
        setTimeout(() => process.exit(), 1000).unref();
    }

    get log() { return this.#programs.map(one => one.log).join('\n----\n'); }
}
