# The addresses of the tutorial's three hosts on one machine, and its units' command lines run as systemd would.
# Sourced by run.sh.

declare -A address=([coreos-1]=10.132.249.206 [coreos-2]=10.132.249.212 [coreos-3]=10.132.248.177)
declare -A port=([coreos-1]=7777 [coreos-2]=8888)
backends=(coreos-1 coreos-2)
proxy=coreos-3
etcd=http://${address[$proxy]}:2379

lay_hosts() {
    local name
    ip link set lo up
    ip link add name hosts type bridge
    for name in 10.132.0.1 "${address[@]}"; do ip address add "$name/16" dev hosts; done
    ip link set hosts up
    install -m 0755 "${REGISTER:-target/debug/register}" /usr/bin/register
    etcd --data-dir "$work/etcd" --listen-client-urls http://0.0.0.0:2379 --advertise-client-urls "$etcd" \
        --listen-peer-urls http://127.0.0.1:2380 >"$work/etcd.log" 2>&1 &
    await 30 "etcd answers" etcdctl --endpoints "$etcd" endpoint health
}

publish_images() {
    local image
    start_registry "$work/registry"
    for image in apache nginx_lb; do
        publish "$work/docker" "lab/$image" "$image"
        ! docker image inspect "user_name/$image" >/dev/null 2>&1 || docker rmi "user_name/$image" >/dev/null
    done
}

directives() { # UNIT NAME [INSTANCE]: the values of its directives, as systemd joins and expands them
    sed -e ':join' -e '/\\$/{N;s/\\\n//;b join}' "$1" | sed -n "s/^$2=//p" | sed "s/%i/${3:-}/g"
}
run_as_unit() { # HOST LINE: replaces the shell
    local line=${2#-}
    COREOS_PRIVATE_IPV4=${address[$1]} COREOS_PUBLIC_IPV4=${address[$1]} ETCDCTL_ENDPOINTS=$etcd \
        exec bash -c "exec $line"
}
start_unit() { # UNIT HOST [INSTANCE]: what its ExecStart= started has the id in $started
    local line
    while read -r line; do
        (run_as_unit "$2" "$line") >>"$work/$2.log" 2>&1 || [ "${line:0:1}" = - ] || fail "failed: $line"
    done < <(directives "$1" ExecStartPre "${3:-}")
    (run_as_unit "$2" "$(directives "$1" ExecStart "${3:-}")") >>"$work/$2.log" 2>&1 &
    started=$!
}
stop_unit() { # UNIT HOST [INSTANCE]
    (run_as_unit "$2" "$(directives "$1" ExecStop "${3:-}")") >>"$work/$2.log"
}

start_backend() { # HOST
    start_unit units/templates/apache@.service "$1" "${port[$1]}"
    await 30 "Apache answers" curl --silent --fail "http://${address[$1]}:${port[$1]}/"
    docker exec "apache.${port[$1]}" sh -c "printf '$1 ' >/var/www/html/name"
    start_sidekick "$1"
}
start_sidekick() {
    start_unit units/templates/apache-discovery@.service "$1" "${port[$1]}"
    echo "$started" >"$work/$1.sidekick"
}
stop_sidekick() {
    local pid
    pid=$(cat "$work/$1.sidekick")
    kill "$pid"
    await 10 "the sidekick ends" gone "$pid"
}
