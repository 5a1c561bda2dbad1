#!/usr/bin/env bash
# Runs each fuzz target for so many seconds, from a corpus made of the tests' cases.
#
#   fuzz/run.sh [SECONDS [TARGET…]]
#
# A crash is left in target/fuzz/TARGET/; run it again with target/fuzz/*/release/TARGET FILE.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-10}
shift || true
targets=("$@")
[ $# -gt 0 ] || targets=(template keys value resource data settings services words flags check)
triple=$(rustc -vV | awk '/^host:/ { print $2 }')
out=$PWD/target/fuzz

# libFuzzer's instrumentation is a pass of LLVM's; any toolchain has it.
flags="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg=fuzzing -Ccodegen-units=1"
# With a target named, build scripts and macros are built without them.
RUSTFLAGS=$(echo $flags) cargo build --quiet --release --locked --manifest-path fuzz/Cargo.toml \
    --target "$triple" --target-dir "$out"
cargo build --quiet --locked --manifest-path fuzz/Cargo.toml --package seeds --target-dir "$out"

programs=$out/$triple/release
for target in "${targets[@]}"; do
    corpus=$out/corpus/$target
    mkdir -p "$corpus" "$out/$target"
    "$out/debug/seeds" "$target" "$corpus"
    printf 'fuzz: %s\n' "$target"
    "$programs/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -verbosity=0 -print_final_stats=1 \
        -artifact_prefix="$out/$target/" "$corpus" 2>"$out/$target/said" || { tail -n 40 "$out/$target/said" >&2; exit 1; }
    grep -E 'number_of_executed_units|new_units_added' "$out/$target/said"
done
