#!/usr/bin/env bash
# A gateway with -monitor and a stream; do the dashboard's queries find their numbers? With prometheus in
# the PATH it is started, too, for a Grafana of yours.
. "$(dirname "$0")/../stage.sh"
need ffmpeg "on Debian: apt install ffmpeg"
need curl "on Debian: apt install curl"
need python3 "on Debian: apt install python3"

gateway -monitor
start "the publisher" ffmpeg "${picture[@]}" -f flv "rtmp://$rtmp/live/cam?pipeline=noop"
await 30 "processed video" is_live cam
start "a viewer" ffmpeg -nostdin -v error -i "rtmp://$rtmp/live/cam-out" -c copy -f null -

# The panels whose metrics are all there, and those that lack one.
panels() {
    curl -sf "http://$private/metrics" >"$scratch/metrics" || return 1
    "$python" - "$here/rivulet.json" "$scratch/metrics" "$1" <<'PYTHON'
import json, re, sys
board, metrics, wanted = sys.argv[1:]
with open(metrics) as file:
    served = set(re.findall(r"^(\w+)", file.read(), re.MULTILINE))
with open(board) as file:
    panels = [one for one in json.load(file)["panels"] if one.get("targets")]
lacking = {}
for panel in panels:
    names = {name for target in panel["targets"]
             for name in re.findall(r"(?:livepeer|rivulet|process)_[a-z0-9_]+", target["expr"])}
    if missing := sorted(names - served):
        lacking[panel["title"]] = missing
for title, missing in lacking.items():
    print(f"{title}: no {', '.join(missing)} yet")
print(f"{len(panels) - len(lacking)} of {len(panels)} panels")
sys.exit(len(panels) - len(lacking) < int(wanted))
PYTHON
}
await 30 "the dashboard's metrics" panels 20
panels 20 | sed 's/^/  /'
say "  ok  the dashboard finds its numbers"
say "Metrics: http://$private/metrics"
if command -v prometheus >/dev/null; then
    sed "s#127.0.0.1:5935#$private#" "$here/prometheus.yml" >"$scratch/prometheus.yml"
    prometheus_port=$(port 9090)
    start prometheus prometheus --config.file="$scratch/prometheus.yml" --storage.tsdb.path="$scratch/prometheus" \
        --web.listen-address="127.0.0.1:$prometheus_port"
    say "Prometheus, as Grafana's data source: http://127.0.0.1:$prometheus_port"
fi
stay
