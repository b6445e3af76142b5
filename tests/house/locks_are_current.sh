#!/usr/bin/env bash
# Fails when a lock file is not what pyproject.toml asks for: tests/house/locks_are_current.sh UV
# Pins that still fit are kept, so a new release of some package on the index makes nothing stale.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: $0 UV" >&2; exit 2; }
uv=$(realpath -s "$1")
cd "$(dirname "$0")/../.."

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
cp requirements.lock requirements-dev.lock "$fresh"

# The options are those of `make lock`; uv reads the pins to keep from the file it writes.
compile=("$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate)
"${compile[@]}" pyproject.toml requirements-models.in -o "$fresh/requirements.lock"
"${compile[@]}" --extra dev -c "$fresh/requirements.lock" pyproject.toml -o "$fresh/requirements-dev.lock"

stale=0
for lock in requirements.lock requirements-dev.lock; do
    diff --unified=0 "$lock" "$fresh/$lock" || stale=1
done
if [ "$stale" = 1 ]; then
    echo "the lock files do not fit pyproject.toml and requirements-models.in; run: make lock" >&2
fi
exit "$stale"
