#!/usr/bin/env bash
# ComfyStream (RUNNER, http://127.0.0.1:8000) behind a worker, a gateway before it, a test picture through all.
. "$(dirname "$0")/../stage.sh"
need ffmpeg "on Debian: apt install ffmpeg"
need curl "on Debian: apt install curl"
need python3 "on Debian: apt install python3"

runner=${RUNNER:-http://127.0.0.1:8000}
workflow=${WORKFLOW:-$here/workflow.json}
curl -sf --max-time 5 "$runner/health" >/dev/null || fail "no runner answers GET $runner/health.
Start ComfyStream's server/byoc.py there (README.md), or say where it is: RUNNER=http://HOST:PORT $0"

# {"prompts": …}: as an update, and percent-encoded for the publisher's address.
"$python" - "$workflow" "$scratch/params.json" >"$scratch/query" <<'PYTHON'
import json, sys, urllib.parse
with open(sys.argv[1]) as file:
    params = json.dumps({"prompts": json.load(file), "width": 512, "height": 512})
with open(sys.argv[2], "w") as file:
    file.write(params)
print(urllib.parse.quote(params, safe=""))
PYTHON

worker_port=$(port 8936)
listen=127.0.0.1:$worker_port
callback=()
if [[ -n ${CALLBACK:-} ]]; then
    listen=0.0.0.0:$worker_port
    callback=(-runnerCallback "$CALLBACK")
fi
start worker "$rivulet" worker -serviceAddr "$listen" -runner "$runner" -runnerModel comfyui "${callback[@]}"
await 30 "the worker" is_ready worker
gateway -orchAddr "http://127.0.0.1:$worker_port"
knows_the_model() { shows '"comfyui"' curl -sf "http://$private/getNetworkCapabilities"; }
await 60 "the runner to take a stream" knows_the_model

start "the publisher" ffmpeg "${picture[@]}" -f flv "rtmp://$rtmp/live/cam?pipeline=comfyui&params=$(<"$scratch/query")"
await 120 "processed video" is_live cam
say "Watch:   ffplay -fflags nobuffer rtmp://$rtmp/live/cam-out
Change:  curl -d @params.json $api/cam/update      ({\"prompts\": {…}})"

decodes() { timeout 30 ffmpeg -nostdin -v error -xerror -i "rtmp://$rtmp/live/cam-out" -an -frames:v 25 -f null -; }
check "a second of the result decodes" decodes
check "the workflow is taken as an update" curl -sf -d @"$scratch/params.json" "$api/cam/update"
works_with_it() { shows ImageInvert curl -sf "$api/cam/status"; }
[[ $workflow != "$here/workflow.json" ]] || await 20 "/status to show the workflow" works_with_it
stay
