#!/usr/bin/env bash
# Changes the code in small ways, one at a time, and fails unless tests catch enough of these mutants.
# Which code and which tests: see .cargo/mutants.toml.
#
#   tests/mutants.sh [COUNT [SEED [PERCENT]]]    COUNT mutants that build; SEED, a number, draws them;
#                                                enough is PERCENT of them
#
# What cargo said to each, and how it differs, is left in target/mutants/out/*/mutants.out/.
set -euo pipefail
cd "$(dirname "$0")/.."

count=${1:-100}
seed=${2:-1}
percent=${3:-90}
work=$PWD/target/mutants
tree=$work/tree
out=$work/out
mutants() { target/tools/cargo/bin/cargo-mutants mutants --dir "$tree" "$@"; }

# A copy that stays where it is builds incrementally, from mutant to mutant and from run to run. Its files get
# the time of now: with an older one, cargo would take what a mutant left for up to date.
rm -rf "$tree" "$out"
mkdir -p "$tree" "$out"
tar --create --exclude=./target --exclude=./.git . | tar --extract --touch --directory "$tree"

# The order goes by what a mutant changes and not by its line, so that a sample outlasts changes elsewhere.
mutants --list | awk '{
    what = $0
    sub(/:[0-9]+:[0-9]+: /, " ", what)
    print what, ++seen[what] "\t" $0
}' | LC_ALL=C sort --random-sort --random-source=<(yes "$seed") --field-separator=$'\t' --key=1,1 |
    cut --fields=2- >"$out/drawn"
mapfile -t drawn <"$out/drawn"

export CARGO_TARGET_DIR=$work/build SEEDS=4000
# What one mutant fails with is not to be tried on the next.
export PROPTEST_DISABLE_FAILURE_PERSISTENCE=1 PROPTEST_RNG_SEED=$seed
# In KiB: some mutants allocate until something stops them.
ulimit -v $((8 * 1024 * 1024))

# Those that do not build do not count: the next in the order take their places.
ended() { cat "$out"/*/mutants.out/"$1".txt; }
batch=0 tried=0 viable=0 caught=0
while [ "$viable" -lt "$count" ] && [ "$tried" -lt ${#drawn[@]} ]; do
    mapfile -t only < <(printf '%s\n' "${drawn[@]:tried:count - viable}" |
        sed 's/[][\.*+?(){}|^$]/\\&/g; s/.*/--re=^&$/')
    batch=$((batch + 1))
    tried=$((tried + ${#only[@]}))
    mkdir "$out/$batch"
    status=0
    mutants --in-place --caught --unviable --output "$out/$batch" "${only[@]}" || status=$?
    case $status in
    0 | 2 | 3) ;; # All were caught; some were not; some ran out of time.
    *) exit "$status" ;;
    esac
    caught=$(($(ended caught | wc -l) + $(ended timeout | wc -l)))
    viable=$((caught + $(ended missed | wc -l)))
done

printf '%s of %s caught (seed %s)\n' "$caught" "$viable" "$seed"
[ "$viable" -gt 0 ] || exit 1
ended missed
[ $((caught * 100)) -ge $((viable * percent)) ]
