#!/bin/sh
# The bench "glass": see glass.mjs. Copied into the build folder; it finds everything from there.
set -eu
build=$(cd "$(dirname "$0")/../.." && pwd)
source=$(cd "$build/.." && pwd)
node=$(command -v node || command -v nodejs || true)
if [ -z "$node" ] || ! [ -x "${CHROMIUM:-/usr/bin/chromium}" ]; then
    echo "bench glass needs Node.js and Chromium: ./dev setup installs them" >&2
    exit 1
fi
RIVULET="$build/rivulet" exec "$source/tests/interop/browser/in_browser_namespace.sh" \
    "$build/tests/interop/browser" "$node" "$source/tests/bench/glass/glass.mjs" "$@"
