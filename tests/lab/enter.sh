#!/usr/bin/env bash
# enter.sh COMMAND…: runs a command of this repository, as root, in the Debian root that build.sh made: its own
# processes, mounts and network, so that whatever it leaves behind ends with it. What it writes is in
# memory, except below target/. With LAB_NETWORK=host it keeps the machine's network.
#
# Where that cannot be had the test is skipped, and says why; with CI=true that is a failure.
set -euo pipefail
cd "$(dirname "$0")/../.."

skip() {
    printf 'skipped: %s\n' "$*"
    [ "${CI:-}" != true ] || exit 1
    exit 0
}
[ "$(uname)" = Linux ] || skip "this needs Linux"
[ "$(id -u)" -eq 0 ] || skip "this needs root, for namespaces and mounts"
command -v debootstrap >/dev/null || skip "this needs debootstrap and apt-get (tests/deps.sh e2e)"
unshare --mount --pid --net --fork true 2>/dev/null || skip "this machine allows no new namespaces"

tests/lab/build.sh

namespaces=(--mount --pid --fork --kill-child --uts --ipc)
[ "${LAB_NETWORK:-own}" = host ] || namespaces+=(--net)

# shellcheck disable=SC2016 # it is the inner shell's
exec unshare "${namespaces[@]}" bash -euc '
    repository=$PWD
    memory=$repository/target/lab/memory
    mkdir -p "$memory"
    mount --make-rprivate /
    mount -t tmpfs lab "$memory"
    mkdir "$memory"/{changes,scratch,new}
    mount -t overlay lab -o "lowerdir=target/lab/root,upperdir=$memory/changes,workdir=$memory/scratch" \
        "$memory/new"
    cd "$memory/new"
    mount -t proc proc proc
    mount --rbind /sys sys
    mount --rbind /dev dev
    mount -t tmpfs run run
    mount -t tmpfs tmp tmp
    mkdir -p ".$repository" old
    mount --bind "$repository" ".$repository"
    pivot_root . old
    umount -l old
    cd "$repository"
    export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LAB=inside
    unset TMPDIR
    exec "$@"
' enter "$@"
