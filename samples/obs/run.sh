#!/usr/bin/env bash
# A gateway for OBS; --install copies the profiles, --check tries them without OBS.
mode=serve
case ${1:-} in
--install) mode=install ;;
--check) mode=check ;;
"") [[ -z ${RIVULET_SAMPLE_SECONDS:-} ]] || mode=check ;;
*)
    echo "usage: $0 [--install | --check]" >&2
    exit 2
    ;;
esac
. "$(dirname "$0")/../stage.sh"

if [[ $mode == install ]]; then
    folder=${XDG_CONFIG_HOME:-$HOME/.config}/obs-studio/basic/profiles
    mkdir -p "$folder"
    for profile in "$here"/profiles/*; do
        [[ ! -e $folder/${profile##*/} ]] || fail "$folder/${profile##*/} is there already"
        cp -r "$profile" "$folder/"
        say "copied to $folder/${profile##*/}"
    done
    exit 0
fi

need curl "on Debian: apt install curl"
gateway
if [[ $mode == serve ]]; then
    say "In OBS: Profile › Rivulet RTMP or Rivulet WHIP, Start Streaming. Ctrl-C ends the gateway."
    while ! is_live cam; do
        all_alive
        sleep 1
    done
    say "It comes. Watch: http://$http/cam-out/"
    stay
    exit 0
fi

need ffmpeg "on Debian: apt install ffmpeg"
"$python" -c 'import aiohttp, aiortc' 2>"$scratch/python.log" ||
    fail "the WHIP profile can't be tried; on Debian: apt install python3-aiortc python3-aiohttp" python

for profile in "$here"/profiles/*; do
    name=${profile##*/}
    start "$name" "$python" "$here/publish.py" "$profile" \
        --replace "127.0.0.1:8935=$http" --replace "127.0.0.1:1935=$rtmp"
    await 45 "processed video of profile $name" is_live cam
    has_parameters() { shows negate curl -sf "$api/cam/status"; }
    check "$name: the profile's parameters arrive" has_parameters
    check "$name: the result is the negative" is_negative "rtmp://$rtmp/live/cam" "rtmp://$rtmp/live/cam-out"
    not_transcoded() {
        shows '"video_frames": *[1-9]' curl -sf "$api/cam/status" &&
            ! shows '"transcoding": *true' curl -sf "$api/cam/status"
    }
    check "$name: the picture is carried as OBS encodes it" not_transcoded
    stop "$name"
    await 30 "the end of the stream" is_over cam
done
stay
