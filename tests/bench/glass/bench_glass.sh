#!/bin/sh
# The bench "glass": see glass.mjs. Copied into the build folder; it finds everything from there.
set -eu
build=$(cd "$(dirname "$0")/../.." && pwd)
source=$(cd "$build/.." && pwd)
RIVULET="$build/rivulet" exec "$source/tests/interop/browser/in_browser_namespace.sh" \
    "$build/tests/interop/browser" "$(command -v node || command -v nodejs)" \
    "$source/tests/bench/glass/glass.mjs" "$@"
