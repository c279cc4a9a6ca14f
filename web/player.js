// The player page: one channel, as large as the window or the frame that embeds it. Its address is
// /{channel}/; the query may say muted=false, controls=true and key=….

import { doors } from './gateway_api.js';
import { byId } from './elements.js';
import { RtcPlayer } from './rtc_player.js';

const FROZEN = 4; // seconds without a new picture before the page says so

const channel = decodeURIComponent(location.pathname.split('/')[1]);
const query = new URLSearchParams(location.search);
const video = byId('video');
const note = byId('note');
let player = null;
const unmute = byId('unmute');

document.title = `${channel} · Rivulet`;
video.setAttribute('aria-label', channel);
video.controls = query.get('controls') === 'true';

function say(text) {
    if (note.textContent !== text) note.textContent = text;
}

function offerSound() {
    unmute.hidden = !player?.hasSound || video.controls || !video.muted;
}

unmute.addEventListener('click', () => {
    video.muted = false;
    video.play().catch(() => {});
});
video.addEventListener('volumechange', offerSound);
video.addEventListener('loadedmetadata', offerSound);
video.addEventListener('dblclick', () => {
    if (document.fullscreenElement) document.exitFullscreen();
    else document.documentElement.requestFullscreen?.();
});

if (query.get('muted') === 'false') {
    // Browsers allow sound only after a click, or where this site was often played with sound.
    video.muted = false;
    video.addEventListener('loadedmetadata', () => video.play().catch(() => {
        video.muted = true;
        video.play().catch(() => {});
    }));
}

player = new RtcPlayer(video, channel, (await doors()).ice_servers, (state, text) => {
    if (state === 'connecting' && !note.textContent) say('Connecting…');
    if (state === 'waiting') say(text);
    if (state === 'playing') say('');
});
player.start();
addEventListener('pagehide', () => player.stop());
addEventListener('pageshow', event => { if (event.persisted) location.reload(); });

let shown = 0;
let still = 0;
setInterval(() => {
    if (document.hidden || player.connection?.connectionState !== 'connected') {
        still = 0;
        return;
    }
    const { totalVideoFrames } = video.getVideoPlaybackQuality();
    still = totalVideoFrames > shown ? 0 : still + 1;
    shown = totalVideoFrames;
    say(still >= FROZEN ? `No new picture for ${still} s.` : '');
}, 1000);
