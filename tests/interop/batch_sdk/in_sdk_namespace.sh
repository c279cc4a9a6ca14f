#!/bin/sh
# in_sdk_namespace.sh MODULES COMMAND…: runs COMMAND where only loopback exists, with the npm
# modules of package.json in MODULES (installed there when they are not).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
modules=$1
shift
# The SDK's archive by itself: it lists its test programs, hundreds of packages, among what it needs.
sdk=@livepeer/ai@0.6.2
sdk_file=livepeer-ai-0.6.2.tgz
sdk_sum=86decbfe71b6070b538d21d68dd70b991c27b10f3e7f3ca5d29e7b12e35b5a2111a7d9aba87d5f601b83998974a83235606066141dd79ad7d61042527a18aa61
if ! cmp -s "$here/package-lock.json" "$modules/installed.json"; then
    mkdir -p "$modules"
    cp "$here/package.json" "$here/package-lock.json" "$modules/"
    (
        cd "$modules"
        npm ci --no-audit --no-fund --loglevel=error
        npm pack --silent "$sdk"
        echo "$sdk_sum  $sdk_file" | sha512sum --check --quiet
        mkdir -p node_modules/@livepeer/ai
        tar -xzf "$sdk_file" -C node_modules/@livepeer/ai --strip-components=1
    ) >&2
    cp "$here/package-lock.json" "$modules/installed.json"
fi
export SDK_MODULES="$modules"
if [ "$(id -u)" = 0 ]; then alone="unshare -n"; else alone="unshare -rn"; fi
exec $alone sh -c 'ip link set lo up && exec "$@"' in_sdk_namespace "$@"
