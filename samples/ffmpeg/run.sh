#!/usr/bin/env bash
# Push over RTMP and SRT, watch, record, change: with ffmpeg and curl alone.
. "$(dirname "$0")/../stage.sh"
need ffmpeg "on Debian: apt install ffmpeg"
need curl "on Debian: apt install curl"

gateway
negative='pipeline=avfilter&params=%7B%22graph%22%3A%22negate%22%7D'
start "the RTMP push" ffmpeg "${picture[@]}" -f flv "rtmp://$rtmp/live/cam?$negative"
srt_here=
if shows '\<srt\>' ffmpeg -v error -protocols; then
    srt_here=yes
    # As an option the stream id may hold everything; in the address ffmpeg would cut it at the first &.
    start "the SRT push" ffmpeg "${picture[@]}" -f mpegts -srt_streamid "publish:door2:$negative" "srt://$srt"
fi

await 30 "processed video of cam" is_live cam
say "Watch:   ffplay -fflags nobuffer rtmp://$rtmp/live/cam-out
Source:  ffplay -fflags nobuffer rtmp://$rtmp/live/cam
Change:  curl -d '{\"graph\":\"hflip\"}' $api/cam/update"

check "over RTMP, the result is the negative" is_negative "rtmp://$rtmp/live/cam" "rtmp://$rtmp/live/cam-out"
if [[ $srt_here ]]; then
    await 30 "processed video of door2" is_live door2
    check "over SRT, the result is the negative" \
        is_negative "srt://$srt?streamid=read:door2" "srt://$srt?streamid=read:door2-out"
    stop "the SRT push"
fi

has_picture_and_sound() {
    ffmpeg -nostdin -v error -y -i "rtmp://$rtmp/live/cam-out" -c copy -t 2 "$scratch/out.mp4"
    ffprobe -v error -show_entries stream=codec_type -of csv=p=0 "$scratch/out.mp4" | sort | tr '\n' ' ' |
        grep -x 'audio video '
}
check "a recording has picture and sound" has_picture_and_sound

check "an update is taken" curl -sf -d '{"graph":"null"}' "$api/cam/update"
await 15 "the picture to change" is_same "rtmp://$rtmp/live/cam" "rtmp://$rtmp/live/cam-out"
say "  ok  and the picture changes while it runs"
stay
