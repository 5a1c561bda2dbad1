#!/usr/bin/env bash
# The tutorial's containers for real: Docker, both images, the `docker run` lines of the units, etcd and the agents.
#
#   tests/containers/run.sh [SCENARIO…]
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ "${LAB:-}" != inside ]; then
    LAB_NETWORK=host tests/lab/enter.sh tests/containers/images.sh
    exec tests/lab/enter.sh tests/containers/run.sh "$@"
fi

work=/tmp/containers
mkdir "$work"

. tests/lab/waiting.sh
. tests/containers/docker.sh
. tests/containers/hosts.sh
. tests/containers/scenarios.sh

# Whatever else runs ends with the lab.
trap 'stop_docker "$work/docker"' EXIT
trap 'exit 130' INT TERM

lay_hosts
export DOCKER_HOST=unix://$work/docker/docker.sock
start_docker "$work/docker" "$docker_data" "${registry_flags[@]}"
publish_images
for name in "${backends[@]}"; do start_backend "$name"; done
start_unit units/static/nginx_lb.service "$proxy"

passed=0 failed=0
for scenario in $(declare -F | awk '$3 ~ /^scenario_/ { print $3 }'); do
    name=${scenario#scenario_}
    [ $# -eq 0 ] || [[ " $* " = *" $name "* ]] || continue
    echo "-- ${name//_/ }"
    set +e
    (set -e && in_step_with "${backends[@]}" && "$scenario")
    status=$?
    set -e
    if [ $status -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED ${name//_/ }"
        explain
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
