#!/usr/bin/env bash
# The package's unit with override.conf: verified, and its ExecStart line run, without root.
. "$(dirname "$0")/../stage.sh"
need python3 "on Debian: apt install python3"
need curl "on Debian: apt install curl"

unit=
for place in "${RIVULET_UNIT:-}" "${rivulet%/*}/packaging/rivulet.service" \
    /etc/systemd/system/rivulet.service /lib/systemd/system/rivulet.service /usr/lib/systemd/system/rivulet.service \
    /usr/local/lib/systemd/system/rivulet.service; do
    if [[ -n $place && -f $place ]]; then
        unit=$place
        break
    fi
done
[[ -n $unit ]] || fail "there is no rivulet.service: build it (./dev build) or install the package"
say "unit     $unit"

# The machine's /etc/rivulet, in a folder of ours.
etc=$scratch/etc/rivulet
mkdir -p "$etc" "$scratch/units/rivulet.service.d"
sed -e "s#/etc/rivulet#$etc#; s#0\.0\.0\.0#127.0.0.1#" "$here/gateway.conf" >"$etc/gateway.conf"
if [[ ${RIVULET_SAMPLE_PORTS:-} == free ]]; then
    sed -i 's#127\.0\.0\.1:[0-9-]*$#127.0.0.1:0#' "$etc/gateway.conf"
    echo 'cliAddr 127.0.0.1:0' >>"$etc/gateway.conf"
fi
key=$(head -c 18 /dev/urandom | od -An -tx1 | tr -d ' \n')
"$rivulet" hash-key '*' all <<<"$key" >"$etc/keys" 2>"$scratch/hash-key.log" || fail "rivulet hash-key" hash-key

moved() { sed -e "s#^ExecStart=[^ ]*/rivulet#ExecStart=$rivulet#; s#[^ =-]*/etc/rivulet#$etc#g" "$1"; }
moved "$unit" >"$scratch/units/rivulet.service"
moved "$here/override.conf" >"$scratch/units/rivulet.service.d/override.conf"
if command -v systemd-analyze >/dev/null; then
    # It complains of what the machine lacks as well: only what it says of this unit counts.
    verified() {
        SYSTEMD_UNIT_PATH=$scratch/units: systemd-analyze verify --man=no "$scratch/units/rivulet.service" 2>&1 |
            grep -i -E 'rivulet\.service.*(unknown|invalid|fail|not|ignor|missing)' && return 1
        return 0
    }
    check "systemd-analyze verify finds nothing" verified
else
    say "  --  systemd is not installed: the unit is not verified"
fi

# What systemd would run, and with which variables; the override comes last, and an empty ExecStart= begins anew.
cat "$scratch/units/rivulet.service" "$scratch/units/rivulet.service.d/override.conf" >"$scratch/all.conf"
line=$(sed -n 's/^ExecStart=//p' "$scratch/all.conf" | tail -1)
mapfile -t variables < <(sed -n 's/^Environment=//p' "$scratch/all.conf" | sed "s#/var/#$scratch/var/#")
read -ra words <<<"$line"
say "ExecStart ${words[*]}"

# systemd's end of Type=notify.
"$python" -c 'import socket, sys
end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
end.bind(sys.argv[1])
open(sys.argv[1] + ".bound", "w").close()
while True:
    print(end.recv(4096).decode(), flush=True)' "$scratch/notify" >"$scratch/told" 2>"$scratch/notify.log" &
pids+=($!)
names+=(notify)
await 10 "the notification socket" test -e "$scratch/notify.bound"
start gateway env "${variables[@]}" NOTIFY_SOCKET="$scratch/notify" "${words[@]}"
await 30 "READY=1" grep -q '^READY=1' "$scratch/told"
say "  ok  the gateway tells systemd that it is ready"
http=$(announced gateway http)
api=http://$http/live/video-to-video

asks_for_the_key() { [[ $(curl -s -o /dev/null -w '%{http_code}' "$api") == 401 ]]; }
check "it asks for the key of gateway.conf" asks_for_the_key
takes_the_key() { curl -sf -K <(printf 'header = "Authorization: Bearer %s"\n' "$key") "$api"; }
check "and takes it" takes_the_key
stay
ends_in_order() {
    local pid=${pids[-1]}
    kill -TERM "$pid"
    wait "$pid"
}
check "SIGTERM ends it with code 0" ends_in_order
