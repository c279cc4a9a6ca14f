#!/usr/bin/env bash
# docker compose up, and a stream through it; without a Docker engine, the same command lines as processes.
. "$(dirname "$0")/../stage.sh"
need ffmpeg "on Debian: apt install ffmpeg"
need curl "on Debian: apt install curl"

push() {
    start "the publisher" ffmpeg "${picture[@]}" -f flv \
        "rtmp://$rtmp/live/cam?pipeline=avfilter&params=%7B%22graph%22%3A%22negate%22%7D"
    await 60 "processed video" is_live cam
    check "the result is the negative" is_negative "rtmp://$rtmp/live/cam" "rtmp://$rtmp/live/cam-out"
}

if docker compose version >/dev/null 2>&1 && docker info >/dev/null 2>&1; then
    compose() { docker compose --project-directory "$here" "$@"; }
    trap 'compose down; end_all' EXIT
    compose up --build -d
    http=127.0.0.1:8935 rtmp=127.0.0.1:1935
    api=http://$http/live/video-to-video
    await 60 "the gateway" curl -sf "http://$http/healthz"
    push
    await 60 "Grafana" curl -sf http://127.0.0.1:3000/api/health
    say "Console:   http://127.0.0.1:8935/
Dashboard: http://127.0.0.1:3000/dashboards"
    stay
    exit 0
fi

say "no Docker engine answers here: the file is checked, and its gateway and worker run as processes (README.md)"
"$python" -c 'import yaml' 2>/dev/null || fail "PyYAML is not here; on Debian: apt install python3-yaml"
check "docker-compose.yml and what it mounts" "$python" "$here/without_engine.py" check

# run NAME SERVICE [OLD=NEW]…: the service's command line with other addresses.
run() {
    local name=$1 service=$2 words
    shift 2
    mapfile -t words < <("$python" "$here/without_engine.py" command "$service" "$@")
    ((${#words[@]})) || fail "the service $service has no command"
    say "$service: rivulet ${words[*]}"
    start "$name" "$rivulet" "${words[@]}"
    await 30 "the $service" is_ready "$name"
}
worker_port=$(port 8936)
run worker worker "0.0.0.0:8936=127.0.0.1:$worker_port" "worker:8936=127.0.0.1:$worker_port"
moved=("worker:8936=127.0.0.1:$worker_port" 0.0.0.0=127.0.0.1)
if [[ ${RIVULET_SAMPLE_PORTS:-} == free ]]; then
    for usual in 8935 1935 8890 7280-7283 5935; do
        moved+=("127.0.0.1:$usual=127.0.0.1:0")
    done
fi
run gateway gateway "${moved[@]}"
http=$(announced gateway http) rtmp=$(announced gateway rtmp) private=$(announced gateway private)
api=http://$http/live/video-to-video
push
by_the_worker() { shows "127.0.0.1:$worker_port" curl -sf "$api/cam/status"; }
check "the worker of the file did it" by_the_worker
# What the dashboard's first row shows.
metrics() { curl -sf "http://$private/metrics" | grep -E '^livepeer_ai_current_live_pipelines'; }
check "Prometheus would find the stream" metrics
stay
