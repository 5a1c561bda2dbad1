#!/usr/bin/env bash
# Patroni for real: PostgreSQL on two of the tutorial's hosts under Debian's `patroni`, a three-member etcd with TLS and
# users, and HAProxy on the third, which register keeps in step with Patroni's keys: first `register render` with the
# shipped resource, then register in place of confd, as Patroni's automation projects set that up. Clients write all
# the while, and what they see is counted.
#
#   tests/patroni/run.sh [SCENARIO…]
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "${LAB:-}" = inside ] || exec tests/lab/enter.sh tests/patroni/run.sh "$@"

register=${REGISTER:-target/debug/register}
work=/tmp/hosts
lab_group=register-lab-$(date +%s%N)
mkdir "$work"

. tests/lab/waiting.sh
. tests/lab/scenarios.sh
. tests/systemd/hosts.sh
. tests/patroni/cluster.sh
. tests/patroni/clients.sh
. tests/patroni/scenarios.sh

clear_away() {
    stop_writers
    end_hosts
}
trap clear_away EXIT
trap 'exit 130' INT TERM

begun=$(now)
lay_network
lay_product
make_certificates
for name in "${hosts[@]}"; do
    lay_host "$name"
    lay_etcd "$name"
done
for name in "${backends[@]}"; do lay_node "$name"; done
lay_balancer "$proxy"
for name in "${hosts[@]}"; do boot "$name"; done
echo "${#hosts[@]} hosts booted after $(($(now) - begun)) ms"
(start_etcd && start_patroni && lay_table) || { explain; exit 1; }
record_leaders &
echo "Patroni $(patroni_version) leads PostgreSQL $(postgres_version) with ttl $patroni_ttl," \
    "loop_wait $patroni_loop_wait, retry_timeout $patroni_retry_timeout"

run_scenarios "$@"
