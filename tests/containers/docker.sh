# Dockers of the lab's own. What one keeps is in its data root, all else ends with the lab. Sourced by the tests with
# containers.

# Images and layers stay here from one run to the next.
docker_data=$PWD/target/lab/docker
cgroup=register-lab-$(date +%s%N)

docker_at() { docker --host "unix://$1/docker.sock" "${@:2}"; }

start_docker() { # DIRECTORY DATA-ROOT FLAG… [in the network of $docker_net's process]
    mkdir -p "$1" "$2"
    rm -rf "$2/network"
    ${docker_net:+nsenter --target "$docker_net" --net} dockerd --data-root "$2" --exec-root "$1/exec" \
        --pidfile "$1/pid" --host "unix://$1/docker.sock" --cgroup-parent "$cgroup" "${@:3}" >"$1/log" 2>&1 &
    (await 60 "Docker answers" docker_at "$1" version) || { tail -n 20 "$1/log"; exit 1; }
    # Of a test that was killed.
    docker_at "$1" container prune --force >/dev/null
}
stop_docker() { # DIRECTORY
    local pid
    pid=$(cat "$1/pid" 2>/dev/null) || return 0
    docker_at "$1" ps --quiet | xargs --no-run-if-empty docker --host "unix://$1/docker.sock" kill >/dev/null || true
    kill "$pid"
    await 30 "Docker ends" gone "$pid"
    find /sys/fs/cgroup -depth -type d -path "*/$cgroup*" -exec rmdir {} + 2>/dev/null || true
}
gone() { ! kill -0 "$1" 2>/dev/null; }

# A registry of the lab's own that stands in for Docker Hub: for `docker pull`, a mirror of it.
registry=10.132.0.1:5000
registry_flags=(--registry-mirror "http://$registry" --insecure-registry "$registry")
start_registry() { # DIRECTORY
    mkdir "$1"
    cat >"$1/config.yml" <<CONF
version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: $1/storage}}
http: {addr: "$registry"}
CONF
    docker-registry serve "$1/config.yml" >"$1/log" 2>&1 &
    await 30 "the registry answers" curl --silent --fail "http://$registry/v2/"
}
publish() { # DIRECTORY IMAGE NAME
    docker_at "$1" tag "$2" "$registry/user_name/$3"
    docker_at "$1" push --quiet "$registry/user_name/$3" >/dev/null
}
