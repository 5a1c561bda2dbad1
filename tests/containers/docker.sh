# A Docker of the lab's own. Its images are kept below target/lab, all else ends with the lab. Sourced by run.sh and
# images.sh.

export DOCKER_HOST=unix:///run/docker-lab.sock
cgroup=register-lab-$(date +%s%N)

start_docker() { # FLAG…
    local data=$PWD/target/lab/docker
    mkdir -p "$data"
    rm -rf "$data/network"
    dockerd --data-root "$data" --exec-root /run/docker-lab --pidfile /run/docker-lab.pid --host "$DOCKER_HOST" \
        --cgroup-parent "$cgroup" "$@" >/tmp/dockerd.log 2>&1 &
    (await 60 "Docker answers" docker version) || { tail -n 20 /tmp/dockerd.log; exit 1; }
    # Of a test that was killed.
    docker container prune --force >/dev/null
}
stop_docker() {
    local pid
    pid=$(cat /run/docker-lab.pid 2>/dev/null) || return 0
    docker ps --quiet | xargs --no-run-if-empty docker kill >/dev/null
    kill "$pid"
    await 30 "Docker ends" gone "$pid"
    find /sys/fs/cgroup -depth -type d -path "*/$cgroup*" -exec rmdir {} + 2>/dev/null || true
}
gone() { ! kill -0 "$1" 2>/dev/null; }
