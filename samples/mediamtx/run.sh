#!/usr/bin/env bash
# MediaMTX takes a publisher, its hook tells the gateway, the gateway pulls and transforms.
. "$(dirname "$0")/../stage.sh"
need ffmpeg "on Debian: apt install ffmpeg"
need curl "on Debian: apt install curl"

query='pipeline=avfilter&params=%7B%22graph%22%3A%22negate%22%7D'
front_port=$(port 1935)
front=rtmp://127.0.0.1:$front_port
own=(-rtmpAddr "127.0.0.1:$(port 1936)")

if command -v mediamtx >/dev/null; then
    api_port=$(port 9997)
    gateway "${own[@]}" -mediaMTXApi "http://127.0.0.1:$api_port"
    # The ports of this run; with the usual ones this changes nothing but the pull's, which has no default here.
    sed -e "s#127.0.0.1:1935#127.0.0.1:$front_port#; s#127.0.0.1:9997#127.0.0.1:$api_port#; s#127.0.0.1:8935#$http#" \
        -e "s#-F query=\$MTX_QUERY#& -F rtmp_url=$front/\$MTX_PATH#" "$here/mediamtx.yml" >"$scratch/mediamtx.yml"
    start mediamtx mediamtx "$scratch/mediamtx.yml"
    start "the publisher" ffmpeg "${picture[@]}" -f flv "$front/live/cam?$query"
else
    say "mediamtx is not in the PATH: a second rivulet stands in for it (README.md)"
    need python3 "on Debian: apt install python3 python3-yaml"
    # Nobody transforms here: it only takes the publisher and lets the gateway pull.
    start front "$rivulet" -rtmpAddr "127.0.0.1:$front_port" -httpAddr 127.0.0.1:0 -srtAddr= -webrtcAddr= -cliAddr= \
        -orchAddr http://127.0.0.1:9
    await 30 "the server in front" is_ready front
    start "the publisher" ffmpeg "${picture[@]}" -f flv "$front/live/cam"
    front_http=http://$(announced front http)
    # Asked as MediaMTX's API whether the publisher is still there, it says what that says afterwards: 404.
    gateway "${own[@]}" -mediaMTXApi "$front_http"
    comes() { shows '"video_frames": *[1-9]' curl -sf "$front_http/live/video-to-video/cam/status"; }
    await 30 "the publisher's video" comes

    # As MediaMTX does it: split into words, the variables put into each.
    "$python" - "$here/mediamtx.yml" "$http" "$front/live/cam" >"$scratch/hook" <<'PYTHON'
import shlex, sys, yaml
file, http, source = sys.argv[1:]
with open(file) as text:
    hook = yaml.safe_load(text)["pathDefaults"]["runOnReady"]
for word in shlex.split(hook) + ["-F", "rtmp_url=" + source]:
    print(word.replace("127.0.0.1:8935", http))
PYTHON
    mapfile -t words <"$scratch/hook"
    declare -A variables=([MTX_PATH]=live/cam [MTX_SOURCE_ID]=5f1c [MTX_SOURCE_TYPE]=rtmpConn [MTX_QUERY]=$query)
    for i in "${!words[@]}"; do
        for name in "${!variables[@]}"; do
            words[i]=${words[i]//\$$name/"${variables[$name]}"}
        done
    done
    say "hook:    ${words[*]}"
    check "the gateway takes the hook" "${words[@]}"
fi

await 30 "processed video" is_live cam
say "Publish: $front/live/cam
Watch:   ffplay -fflags nobuffer rtmp://$rtmp/live/cam-out"
pulled() { shows '"protocol": *"mediamtx-rtmp"' curl -sf "$api/cam/status"; }
check "the gateway has pulled it" pulled
check "the result is the negative of what was published" is_negative "$front/live/cam" "rtmp://$rtmp/live/cam-out"
stop "the publisher"
await 30 "the stream to end with its publisher" is_over cam
say "  ok  the stream ends with its publisher"
[[ -n $seconds ]] || say "Publish again, to watch; Ctrl-C ends it."
stay
