#!/usr/bin/env bash
# Builds the images of units/images as docs/tutorial.md does, with Debian's packages from the network. Run in the lab
# with the machine's network, of which this Docker changes nothing. What did not change is not built again.
set -euo pipefail
cd "$(dirname "$0")/../.."

. tests/lab/waiting.sh
. tests/containers/docker.sh

work=/tmp/docker
export DOCKER_HOST=unix://$work/docker.sock

build() { # NAME CONTEXT
    docker build --quiet --network host --tag "lab/$1" "$2" >/tmp/build.log 2>&1 || { cat /tmp/build.log; exit 1; }
}

start_docker "$work" "$docker_data" --bridge=none --iptables=false --ip-forward=false
base=debian:lab-$(stat --format %Y target/lab/base.done)
docker image inspect "$base" >/dev/null 2>&1 || tar -C target/lab/base -c . | docker import - "$base" >/dev/null
docker tag "$base" debian:bookworm-slim

build apache units/images/apache
context=/tmp/nginx_lb
mkdir "$context"
cp -r units/images/nginx_lb/. units/confd "$context"
install -m 0755 "${REGISTER:-target/debug/register}" "$context/register"
build nginx_lb "$context"
# An older binary's.
docker image prune --force >/dev/null
stop_docker "$work"
