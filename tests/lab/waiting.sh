# Time, and waiting for things to happen. Sourced by the tests that run in the lab.

now() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

say() { printf '     %s\n' "$*"; }
fail() {
    printf '     %s\n' "$*"
    exit 1
}

# Waits for a command to succeed: SECONDS WHAT COMMAND…
await() {
    local end=$(($(now) + $1 * 1000)) what=$2 limit=$1
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$(now)" -lt "$end" ] || fail "$what: not within $limit s"
        sleep 0.02
    done
}
at_most() { # WHAT SEEN BUDGET UNIT
    local bound=$3
    say "$1: $2 $4 (budget $3)"
    # A busy machine is no defect: times are for people to read, and fail far beyond the budget only.
    [ "$4" != ms ] || bound=$(($3 + 2000))
    [ "$2" -le "$bound" ] || fail "far over budget"
}
