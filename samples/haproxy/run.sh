#!/usr/bin/env bash
# HAProxy with a certificate of its own in front of a gateway: HTTPS, WebSocket and RTMPS.
. "$(dirname "$0")/../stage.sh"
PATH=$PATH:/usr/sbin
need haproxy "on Debian: apt install haproxy"
need openssl "on Debian: apt install openssl"
need ffmpeg "on Debian: apt install ffmpeg"
need curl "on Debian: apt install curl"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 7 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$scratch/key.pem" -out "$scratch/cert.pem" \
    2>"$scratch/openssl.log" || fail "openssl made no certificate" openssl
cat "$scratch/cert.pem" "$scratch/key.pem" >"$scratch/site.pem"

https=127.0.0.1:$(port 8443)
rtmps=127.0.0.1:$(port 1936)
gateway -gatewayHost "https://$https"
export PUBLIC_HTTPS=$https PUBLIC_RTMPS=$rtmps GATEWAY_HTTP=$http GATEWAY_RTMP=$rtmp CERTIFICATE=$scratch/site.pem
check "haproxy takes haproxy.cfg" haproxy -c -f "$here/haproxy.cfg"
start haproxy haproxy -db -f "$here/haproxy.cfg"

secure() { curl -sf --cacert "$scratch/cert.pem" --max-time 15 "$@"; }
await 15 "the gateway behind HAProxy" secure "https://$https/healthz"
start "the publisher" ffmpeg "${picture[@]}" -f flv \
    "rtmps://$rtmps/live/cam?pipeline=avfilter&params=%7B%22graph%22%3A%22negate%22%7D"
api=https://$https/live/video-to-video
is_live_here() { shows '"state": *"live"' secure "$api/cam/status"; }
await 30 "processed video" is_live_here

say "Console: https://$https/
Publish: rtmps://$rtmps/live/NAME
Watch:   ffplay -fflags nobuffer rtmps://$rtmps/live/cam-out"
check "over RTMPS, the result is the negative" is_negative "rtmps://$rtmps/live/cam" "rtmps://$rtmps/live/cam-out"

page_comes() { shows '<title>' secure "https://$https/"; }
check "the console comes over HTTPS" page_comes
by_http2() { [[ $(secure -o /dev/null -w '%{http_version}' --http2 "https://$https/healthz") == 2 ]]; }
check "by HTTP/2, too" by_http2
# A whole WHIP session: offer, answer and DELETE over HTTPS, the media straight to the gateway.
if "$python" -c 'import aiohttp, aiortc' 2>/dev/null; then
    start "the WHIP publisher" env SSL_CERT_FILE="$scratch/cert.pem" "$python" "$here/../obs/publish.py" \
        "$here/../obs/profiles/Rivulet_WHIP" --replace "http://127.0.0.1:8935=https://$https" --replace /cam/=/whip-cam/
    shows_whip_cam() { shows '"state": *"live"' secure "$api/whip-cam/status"; }
    await 45 "processed video of the WHIP publisher" shows_whip_cam
    say "  ok  a publisher comes by WHIP"
    stop "the WHIP publisher"
    is_over_here() { [[ $(curl -s --cacert "$scratch/cert.pem" "$api") != *'"whip-cam"'* ]]; }
    await 10 "the end of the WHIP session by DELETE" is_over_here
    say "  ok  and leaves by DELETE"
fi

# A segment comes while it is written: the first bytes are there long before the last.
segment() {
    local times first all
    times=$(secure -o "$scratch/segment.ts" -w '%{time_starttransfer} %{time_total} %{size_download}' \
        "https://$https/ai/trickle/cam-out/-1")
    echo "first byte, last byte (s), bytes: $times"
    read -r first all _ <<<"$times"
    awk "BEGIN { exit !($all - $first > 0.3) }" &&
        ffprobe -v error -show_entries stream=codec_name -of csv=p=0 "$scratch/segment.ts" | grep h264
}
check "a trickle segment comes while it is written" segment

upgrades() {
    secure --http1.1 --max-time 3 -i -N -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' \
        -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' "$api/events" -o "$scratch/events" || true
    head -1 "$scratch/events" | grep '101'
}
check "the events' WebSocket opens" upgrades
stay
