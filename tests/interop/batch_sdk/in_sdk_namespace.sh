#!/bin/sh
# in_sdk_namespace.sh MODULES COMMAND…: runs COMMAND where only loopback exists, with the npm
# modules of package.json in MODULES (installed there when they are not).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
modules=$1
shift
if ! cmp -s "$here/package-lock.json" "$modules/installed.json"; then
    mkdir -p "$modules"
    # @livepeer/ai lists its test programs among what it needs: package.json puts an empty package there.
    cp "$here/package.json" "$here/package-lock.json" "$modules/"
    (cd "$modules" && npm ci --no-audit --no-fund --loglevel=error) >&2
    cp "$here/package-lock.json" "$modules/installed.json"
fi
export SDK_MODULES="$modules"
if [ "$(id -u)" = 0 ]; then alone="unshare -n"; else alone="unshare -rn"; fi
exec $alone sh -c 'ip link set lo up && exec "$@"' in_sdk_namespace "$@"
