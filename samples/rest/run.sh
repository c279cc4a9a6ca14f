#!/usr/bin/env bash
# Each built-in pipeline once with curl, then with the JavaScript SDK when it is installed.
# GATEWAY=URL asks a gateway that runs already; KEY is its key.
. "$(dirname "$0")/../stage.sh"
need curl "on Debian: apt install curl"

if [[ -n ${GATEWAY:-} ]]; then
    base=${GATEWAY%/}
else
    gateway
    base=http://$http
fi
files=$scratch
if [[ -z $seconds ]]; then
    files=$(mktemp -d "${TMPDIR:-/tmp}/rivulet-rest.XXXXXX")
    say "The files are in $files"
fi
cd "$files"

# The key does not stand in a command line, where everybody on this machine could read it.
ask() {
    curl -sS --fail-with-body --max-time 120 -K <(printf 'header = "Authorization: Bearer %s"\n' "${KEY:-none}") "$@"
}
# The first URL of an answer.
url_of() { sed -n 's/.*"url": *"\([^"]*\)".*/\1/p' "$1" | head -1; }
# make FILE WORDS…: asks a pipeline with curl's WORDS, and saves the file that its answer names.
make() {
    local file=$1 url
    shift
    ask -o answer.json "$@" || {
        cat answer.json
        return 1
    }
    url=$(url_of answer.json)
    [[ $url == http* ]] || url=$base$url
    ask -o "$file" "$url" && [[ -s $file ]]
}
# tell WORDS…: asks for text.
tell() {
    ask -o answer.json "$@" && grep -q '"text"' answer.json
}

check "text-to-image: river.png" make river.png \
    -d '{"prompt":"a quiet river, blue and teal stripes","width":640,"height":360}' "$base/text-to-image"
check "image-to-image: negative.png" make negative.png -F image=@river.png -F prompt=negate "$base/image-to-image"
if [[ -z ${GATEWAY:-} ]]; then
    # The built-in model's answer can be foretold.
    ! command -v ffmpeg >/dev/null || check "  and it is the negative" is_negative river.png negative.png
fi
check "upscale: large.png" make large.png -F image=@river.png -F prompt=sharp "$base/upscale"
check "image-to-video: river.mp4" make river.mp4 -F image=@river.png "$base/image-to-video"
check "image-to-text" tell -F image=@river.png "$base/image-to-text"
check "text-to-speech: speech.wav" make speech.wav \
    -d '{"text":"Good morning from the quiet river"}' "$base/text-to-speech"
check "audio-to-text" tell -F audio=@speech.wav "$base/audio-to-text"
has_a_reason() {
    ! ask -o answer.json -d '{"model_id":"no/such-model","prompt":"x"}' "$base/text-to-image" &&
        grep -q '"message"' answer.json
}
check "a model that nobody has is refused with the reason" has_a_reason

# RIVULET_SAMPLE_MODULES: a node_modules folder elsewhere.
modules=${RIVULET_SAMPLE_MODULES:-$here/node_modules}
if [[ -d $modules/@livepeer/ai ]] && command -v node >/dev/null; then
    mkdir "$scratch/sdk"
    cp "$here/sdk.mjs" "$scratch/sdk/"
    ln -s "$modules" "$scratch/sdk/node_modules"
    check "the JavaScript SDK: sdk-river.png, sdk-negative.png, sdk-speech.wav" \
        node "$scratch/sdk/sdk.mjs" "$base" "$files"
else
    say "  --  the JavaScript SDK is not installed: npm install --prefix $here"
fi
