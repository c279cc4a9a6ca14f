# What every run.sh here stands on: finds rivulet, takes ports, starts programs, waits, checks, and ends
# everything it started. The samples' README.md says what the variables mean.
# shellcheck shell=bash
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
seconds=${RIVULET_SAMPLE_SECONDS:-}
scratch=$(mktemp -d "${TMPDIR:-/tmp}/rivulet-sample.XXXXXX")
pids=()
names=()
# Debian's Python modules belong to the system's interpreter.
python=python3
[[ ! -x /usr/bin/python3 ]] || python=/usr/bin/python3

say() { printf '%s\n' "$*"; }

# fail TEXT [NAME…]: ends the sample; the last lines of what NAME wrote follow the text.
fail() {
    printf 'FAILED: %s\n' "$1" >&2
    local name
    for name in "${@:2}"; do
        [[ -s $scratch/$name.log ]] || continue
        printf -- '--- the end of what %s wrote\n' "$name" >&2
        tail -n 15 "$scratch/$name.log" >&2
    done
    exit 1
}

# need PROGRAM TEXT: TEXT says how to get it.
need() { command -v "$1" >/dev/null || fail "$1 is not here; $2"; }

# Ends what is left, the last one first: publishers before their gateway.
end_all() {
    local status=$? i
    trap - EXIT
    trap '' INT TERM
    for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
        end_process "${pids[i]}"
    done
    rm -rf "$scratch"
    exit "$status"
}
trap end_all EXIT
trap 'exit 0' INT TERM

end_process() {
    local tries
    kill -TERM "$1" 2>/dev/null || return 0
    for ((tries = 0; tries < 80; tries++)); do
        kill -0 "$1" 2>/dev/null || break
        sleep 0.1
    done
    kill -KILL "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}

rivulet=${RIVULET:-}
if [[ -z $rivulet && -x $here/../../build/rivulet ]]; then
    rivulet=$(cd "$here/../../build" && pwd)/rivulet
fi
[[ -n $rivulet ]] || rivulet=$(command -v rivulet) ||
    fail "rivulet is neither built (./dev build) nor installed; RIVULET=PATH names one elsewhere"
[[ -x $rivulet ]] || fail "RIVULET: there is no program $rivulet"

# start NAME COMMAND…: in the background, until the end of the sample or `stop NAME`.
start() {
    local name=$1
    shift
    "$@" >"$scratch/$name.out" 2>"$scratch/$name.log" </dev/null &
    pids+=($!)
    names+=("$name")
}

stop() {
    local i
    for i in "${!names[@]}"; do
        [[ ${names[i]} == "$1" ]] || continue
        end_process "${pids[i]}"
        unset "pids[i]" "names[i]"
        pids=("${pids[@]}") names=("${names[@]}")
        return 0
    done
}

# A program that ended by itself ends the sample, unless it was started to end.
all_alive() {
    local i cure
    for i in "${!pids[@]}"; do
        kill -0 "${pids[i]}" 2>/dev/null && continue
        cure=
        ! grep -q 'Address already in use' "$scratch/${names[i]}.log" 2>/dev/null ||
            cure="; RIVULET_SAMPLE_PORTS=free takes free ports"
        fail "${names[i]} ended by itself$cure" "${names[i]}"
    done
}

# await SECONDS TEXT COMMAND…: until COMMAND succeeds.
await() {
    local limit=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        all_alive
        ((SECONDS < limit)) || fail "waited in vain for $what" "${names[@]}"
        sleep 0.1
    done
}

# check TEXT COMMAND…: says that it holds, or ends the sample.
check() {
    local what=$1
    shift
    "$@" >"$scratch/check.log" 2>&1 || fail "not so: $what" check "${names[@]}"
    say "  ok  $what"
}

# port USUAL: the number, or a free one with RIVULET_SAMPLE_PORTS=free.
port() {
    if [[ ${RIVULET_SAMPLE_PORTS:-} == free ]]; then
        "$python" -c 'import socket
with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    print(s.getsockname()[1])'
    else
        echo "$1"
    fi
}

# announced NAME DOOR: HOST:PORT of that door, as the rivulet called NAME said when it was ready.
announced() { sed -n "s/.*[ :]$2 \([^, ]*:[0-9]*\).*/\1/p" "$scratch/$1.out"; }

is_ready() { grep -q ' ready: ' "$scratch/$1.out"; }

# gateway [OPTION…]: starts one; then $http, $rtmp, $srt and $private are its doors as HOST:PORT.
gateway() {
    local doors=()
    [[ ${RIVULET_SAMPLE_PORTS:-} != free ]] ||
        doors=(-httpAddr 127.0.0.1:0 -rtmpAddr 127.0.0.1:0 -srtAddr 127.0.0.1:0
            -webrtcAddr 127.0.0.1:0 -cliAddr 127.0.0.1:0)
    start gateway "$rivulet" "${doors[@]}" "$@"
    await 30 "the gateway" is_ready gateway
    http=$(announced gateway http)
    rtmp=$(announced gateway rtmp)
    srt=$(announced gateway srt)
    private=$(announced gateway private)
    api=http://$http/live/video-to-video
}

# A test picture with a tone, in real time, as H.264 and AAC: arguments for ffmpeg.
picture=(-nostdin -v error -re -f lavfi -i "testsrc=size=640x360:rate=25"
    -f lavfi -i "sine=frequency=440:sample_rate=48000"
    -c:v libx264 -preset ultrafast -tune zerolatency -pix_fmt yuv420p -g 25 -c:a aac)

# shows PATTERN COMMAND…: what the command prints has the pattern.
shows() {
    local text
    text=$("${@:2}") && grep -q -i -E -- "$1" <<<"$text"
}

# is_live STREAM: processed video comes.
is_live() { shows '"state": *"live"' curl -sf "$api/$1/status"; }

# is_over STREAM: the gateway has no such stream.
is_over() {
    curl -sf "$api" >"$scratch/streams" && ! grep -q "\"stream\": *\"$1\"" "$scratch/streams"
}

# colour FILE_OR_URL: red, green and blue (0 to 255) of a point that stands still in the test picture.
colour() {
    timeout 20 ffmpeg -nostdin -v error -analyzeduration 1000000 -fpsprobesize 0 -i "$1" -an -frames:v 1 \
        -vf 'crop=iw/16:ih/16:iw*0.3:ih*0.1,scale=1:1:flags=area' -f rawvideo -pix_fmt rgb24 - | od -An -tu1
}

# compare same|negative SOURCE RESULT: at that point; both are files or addresses.
compare() {
    local source result i wanted
    read -ra source <<<"$(colour "$2")"
    read -ra result <<<"$(colour "$3")"
    echo "the source is (${source[*]}), the result (${result[*]})"
    ((${#source[@]} == 3 && ${#result[@]} == 3)) || return 1
    for i in 0 1 2; do
        wanted=${source[i]}
        [[ $1 == same ]] || wanted=$((255 - wanted))
        ((result[i] > wanted - 40 && result[i] < wanted + 40)) || return 1
    done
}
is_negative() { compare negative "$@"; }
is_same() { compare same "$@"; }

# Until Ctrl-C, or for RIVULET_SAMPLE_SECONDS.
stay() {
    local end=$((SECONDS + ${seconds:-0}))
    [[ -n $seconds ]] || say "Ctrl-C ends it."
    while [[ -z $seconds ]] || ((SECONDS < end)); do
        all_alive
        sleep 0.3
    done
    all_alive
    [[ -z $seconds ]] || say "done"
}
