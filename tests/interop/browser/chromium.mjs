// Chromium without a screen, with a fake camera, for pages of a gateway on loopback.

import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const { chromium } = createRequire(`${process.env.BROWSER_MODULES}/`)('playwright-core');

const FLAGS = [
    // In a namespace with only loopback there is nothing else to connect over.
    '--allow-loopback-in-peer-connection', '--disable-features=WebRtcHideLocalIpsWithMdns',
    '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream',
    '--autoplay-policy=no-user-gesture-required', '--no-sandbox', '--disable-gpu',
    '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run',
];

export class Browser {
    #folder = mkdtempSync(join(tmpdir(), 'rivulet-browser-'));
    #context;
    /** Errors of the pages' scripts and requests to other hosts: both must stay empty. */
    problems = [];

    static async start(options = {}) {
        const one = new Browser();
        one.#context = await chromium.launchPersistentContext(one.#folder, {
            executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args: FLAGS,
            viewport: { width: 1440, height: 1000 }, ...options,
        });
        one.#context.on('request', request => {
            const { protocol, hostname } = new URL(request.url());
            if (/^(http|ws)/.test(protocol) && hostname !== '127.0.0.1') one.problems.push(`asks ${request.url()}`);
        });
        return one;
    }

    async page(url) {
        const page = await this.#context.newPage();
        page.setDefaultTimeout(15_000);
        page.on('pageerror', error => this.problems.push(`${error.stack ?? error}`));
        page.on('console', message => {
            if (/Content Security Policy/.test(message.text())) this.problems.push(message.text());
        });
        if (url) await page.goto(url);
        return page;
    }

    async closePages() {
        for (const page of this.#context.pages().slice(1)) await page.close();
    }

    async stop() {
        await this.#context.close();
        rmSync(this.#folder, { recursive: true, force: true });
    }
}
