#!/usr/bin/env bash
# Camera or test picture → livepeerai → window. GATEWAY, TOKEN, SOURCE and GRAPH: README.md.
. "$(dirname "$0")/../stage.sh"
need gst-launch-1.0 "on Debian: apt install gstreamer1.0-tools"

built=$here/../../build/plugins/gst
[[ ! -e ${RIVULET_PLUGIN:-$built}/libgstlivepeerai.so ]] ||
    export GST_PLUGIN_PATH=${RIVULET_PLUGIN:-$built}${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}
gst-inspect-1.0 livepeerai >"$scratch/inspect.log" 2>&1 ||
    fail "there is no element livepeerai: build it (./dev build) or install the package rivulet-gst" inspect

if [[ -n ${GATEWAY:-} ]]; then
    address=${GATEWAY%/}
else
    gateway
    address=http://$http
fi

if [[ -n ${SOURCE:-} ]]; then
    read -ra source <<<"$SOURCE"
elif [[ -z $seconds && -r /dev/video0 ]] && gst-inspect-1.0 v4l2src >/dev/null 2>&1; then
    source=(v4l2src)
else
    source=(videotestsrc is-live=true pattern=smpte '!' video/x-raw,width=640,height=360,framerate=25/1)
fi
graph=${GRAPH:-negate}
element=(livepeerai "gateway=$address" pipeline=avfilter "params={\"graph\":\"$graph\"}")
[[ -z ${TOKEN:-} ]] || element+=("token=$TOKEN")

if [[ -n $seconds || -z ${DISPLAY:-}${WAYLAND_DISPLAY:-} ]]; then
    [[ -n $seconds ]] || seconds=10
    # The last pictures before and after the element, as files.
    start pipeline gst-launch-1.0 "${source[@]}" '!' videoconvert '!' tee name=both \
        both. '!' queue leaky=downstream '!' videorate '!' video/x-raw,framerate=5/1 '!' pngenc compression-level=1 \
        '!' multifilesink "location=$scratch/in-%05d.png" max-files=5 \
        both. '!' queue '!' "${element[@]}" '!' videoconvert '!' videorate '!' video/x-raw,framerate=5/1 \
        '!' pngenc compression-level=1 '!' multifilesink "location=$scratch/out-%05d.png" max-files=5
    # The newest but one: the newest may be half written.
    newest() { find "$scratch" -name "$1-*.png" | sort | tail -n 2 | head -n 1; }
    comes() { [[ $(newest out) > $scratch/out-00008 ]]; }
    await 40 "processed pictures" comes
    say "  ok  pictures come out"
    if [[ -z ${SOURCE:-} && $graph == negate ]] && command -v ffmpeg >/dev/null; then
        negative_comes() { is_negative "$(newest in)" "$(newest out)"; }
        await 20 "the negative" negative_comes
        say "  ok  and are the negative of what went in"
    fi
else
    say "A window with the result opens; close it, or press Ctrl-C."
    start pipeline gst-launch-1.0 "${source[@]}" '!' videoconvert '!' "${element[@]}" '!' videoconvert '!' autovideosink
fi
stay
