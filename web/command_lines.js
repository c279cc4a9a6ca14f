// The exact lines for this gateway, with its addresses and the stream at hand.

const quoted = text => `'${String(text).replaceAll("'", "'\\''")}'`;

function query(pairs) {
    const text = Object.entries(pairs).filter(([, value]) => value)
        .map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
    return text ? `?${text}` : '';
}

const TEST = '-re -f lavfi -i testsrc2=size=1280x720:rate=30 -f lavfi -i sine=frequency=440';
const H264 = '-c:v libx264 -preset veryfast -tune zerolatency -g 60 -bf 0 -pix_fmt yuv420p';

/**
 * Groups of {title, lines: [{what, text}]}. given: {doors, stream, pipeline, params, key}; a key is
 * shown as KEY, never itself.
 */
export function commandLines({ doors, stream, pipeline, params, key }) {
    const secret = key || doors.auth ? 'KEY' : '';
    const http = location.origin;
    const rtmp = doors.rtmp ?? doors.rtmps;
    const publish = query({ pipeline, params, key: secret });
    const watch = query({ key: secret });
    const door = (template, channel) => template && http + template.replace('{stream}', encodeURIComponent(channel));
    const whip = door(doors.whip, stream);
    const whep = door(doors.whep, `${stream}-out`);
    const api = `${http}/live/video-to-video/${encodeURIComponent(stream)}`;
    const bearer = secret ? ` -H 'Authorization: Bearer ${secret}'` : '';
    const srt = doors.srt && {
        publish: `${doors.srt}?streamid=${encodeURIComponent(encodeURIComponent(stream) + publish)}`,
        read: `${doors.srt}?streamid=${encodeURIComponent(`#!::r=${stream}-out,m=request${secret ? `,s=${secret}` : ''}`)}`,
    };
    const name = encodeURIComponent(stream);
    const groups = [];
    groups.push({ title: 'ffmpeg', lines: [
        rtmp && { what: 'Publish over RTMP', text: `ffmpeg ${TEST} ${H264} -c:a aac -f flv ${quoted(`${rtmp}/live/${name}${publish}`)}` },
        srt && { what: 'Publish over SRT', text: `ffmpeg ${TEST} ${H264} -c:a aac -f mpegts ${quoted(srt.publish)}` },
        rtmp && { what: 'Watch the result', text: `ffplay -fflags nobuffer ${quoted(`${rtmp}/${name}-out${watch}`)}` },
        srt && { what: 'Watch the result over SRT', text: `ffplay -fflags nobuffer ${quoted(srt.read)}` },
    ] });
    groups.push({ title: 'OBS', lines: [
        whip && { what: 'Settings › Stream › Service: WHIP › Server', text: `${whip}${query({ pipeline, params })}` },
        whip && { what: 'Bearer Token', text: secret || '(empty)', plain: true },
        rtmp && { what: 'Or Service: Custom › Server', text: `${rtmp}/live` },
        rtmp && { what: 'Stream Key', text: `${name}${publish}` },
    ] });
    groups.push({ title: 'GStreamer', lines: [
        rtmp && { what: 'Publish over RTMP', text: `gst-launch-1.0 videotestsrc is-live=true ! video/x-raw,width=1280,height=720,framerate=30/1 ! x264enc tune=zerolatency key-int-max=60 bframes=0 ! h264parse ! flvmux streamable=true ! rtmp2sink location=${quoted(`${rtmp}/live/${name}${publish}`)}` },
        whip && { what: 'Publish over WHIP (GStreamer 1.24)', text: `gst-launch-1.0 videotestsrc is-live=true ! videoconvert ! whipclientsink signaller::whip-endpoint=${quoted(whip + query({ pipeline, params }))}${secret ? ` signaller::auth-token=${secret}` : ''}` },
        whep && { what: 'Watch over WHEP', text: `gst-launch-1.0 whepsrc whep-endpoint=${quoted(whep)}${secret ? ` auth-token=${secret}` : ''} ! application/x-rtp,media=video ! rtph264depay ! decodebin ! autovideosink` },
        rtmp && { what: 'Watch over RTMP', text: `gst-launch-1.0 rtmp2src location=${quoted(`${rtmp}/${name}-out${watch}`)} ! flvdemux ! h264parse ! decodebin ! autovideosink` },
    ] });
    groups.push({ title: 'curl', lines: [
        { what: 'New parameters', text: `curl${bearer} -X POST --json ${quoted(params || '{"graph":"negate"}')} ${quoted(`${api}/update`)}` },
        { what: 'How it goes', text: `curl${bearer} ${quoted(`${api}/status`)}` },
        { what: 'All streams', text: `curl${bearer} ${quoted(`${http}/live/video-to-video`)}` },
        { what: 'Stop', text: `curl${bearer} -X DELETE ${quoted(api)}` },
        { what: 'The newest segment as MPEG-TS', text: `curl${bearer} ${quoted(`${http}/ai/trickle/${name}-out/-2`)} -o segment.ts` },
    ] });
    groups.push({ title: 'Embed', lines: [
        whep && { what: 'In a web page', text: `<iframe src="${http}/${name}-out/" width="640" height="360" allow="autoplay; fullscreen" style="border:0"></iframe>` },
        whep && { what: 'WHEP address for players', text: whep },
        whep && { what: 'Player page', text: `${http}/${name}-out/` },
    ] });
    for (const group of groups) group.lines = group.lines.filter(Boolean);
    return groups.filter(group => group.lines.length);
}
