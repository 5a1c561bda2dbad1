#!/usr/bin/env bash
# The tutorial's three hosts for real: systemd, a three-member etcd, Apache on two of them, nginx on the third,
# each with the shipped unit beside it. Every scenario asserts on what a client sees and on etcd's keys.
#
#   tests/systemd/run.sh [SCENARIO…]
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "${LAB:-}" = inside ] || exec tests/lab/enter.sh tests/systemd/run.sh "$@"

register=${REGISTER:-target/debug/register}
work=/tmp/hosts
lab_group=register-lab-$(date +%s%N)
mkdir "$work"

. tests/lab/waiting.sh
. tests/lab/scenarios.sh
. tests/systemd/watching.sh
. tests/systemd/hosts.sh
. tests/systemd/fleet.sh
. tests/systemd/scenarios.sh

trap end_hosts EXIT
trap 'exit 130' INT TERM

begun=$(now)
lay_network
lay_product
for name in "${hosts[@]}"; do lay_host "$name"; done
for name in "${backends[@]}"; do lay_backend "$name"; done
lay_proxy "$proxy"
for name in "${hosts[@]}"; do boot "$name"; done
(await 30 "etcd answers" on "$proxy" etcdctl endpoint health) || { explain; exit 1; }
record_events &
record_log access &
record_log error &
echo "$(ls "$work" | grep -c coreos) hosts booted after $(($(now) - begun)) ms"

run_scenarios "$@"
