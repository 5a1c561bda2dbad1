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
. tests/lab/scenarios.sh
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

run_scenarios "$@"
