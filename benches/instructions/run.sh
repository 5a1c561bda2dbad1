#!/usr/bin/env bash
# Counts the instructions of the hot paths with callgrind, and fails if one takes more than 1.25 times
# what `recorded.txt` says.
#
#   benches/instructions/run.sh [record]    record: writes them down instead
set -euo pipefail
cd "$(dirname "$0")/../.."

paths=(probe registration change servers json parse resource)
recorded=benches/instructions/recorded.txt
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

count() {
    valgrind --tool=callgrind --callgrind-out-file="$work/out" --toggle-collect='instructions::counted*' \
        target/counted/examples/instructions "$1" 2>"$work/said" || { cat "$work/said" >&2; exit 1; }
    awk '/Collected/ { print $NF }' "$work/said"
}

if [ "${1:-}" = record ]; then
    for path in "${paths[@]}"; do printf '%s %s\n' "$path" "$(count "$path")"; done | tee "$recorded"
    exit
fi
over=0
printf '| path | instructions | recorded | ratio |\n| --- | --- | --- | --- |\n'
for path in "${paths[@]}"; do
    now=$(count "$path")
    before=$(awk -v path="$path" '$1 == path { print $2 }' "$recorded")
    printf '| %s | %s | %s | %s |\n' "$path" "$now" "$before" \
        "$(awk -v now="$now" -v before="$before" 'BEGIN { printf "%.2f", now / before }')"
    [ $((now * 100)) -le $((before * 125)) ] || over=1
done
[ "$over" = 0 ] || {
    printf 'A path takes more than 1.25 times what is recorded. If that is meant: make instructions RECORD=1\n' >&2
    exit 1
}
