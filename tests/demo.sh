#!/usr/bin/env bash
# Shows the agent at work: a real etcd, two real web servers, two agents. Everything listens on
# loopback ports that were free, lives in a temporary directory, and is ended at the end.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=$PWD/target/tools/usr
export PATH="$PWD/target/debug:$tools/bin:$tools/sbin:$PATH:/usr/sbin:/sbin"
export ETCDCTL_API=3

work=$(mktemp -d)
pids=()
declare -A pid_of
cleanup() {
    # Agents before their etcd, so that they can say goodbye.
    local position
    for ((position = ${#pids[@]} - 1; position >= 0; position--)); do
        kill "${pids[position]}" 2>/dev/null || true
        wait "${pids[position]}" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

step() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
say() { printf '   %s\n' "$*"; }
fail() {
    printf 'demo: %s\n' "$*" >&2
    tail -n 5 "$work"/*.log >&2
    exit 1
}
now() { date +%s%3N; }

# Waits up to 15 s for a command to succeed.
await() {
    local what=$1 end=$(($(now) + 15000))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(now)" -lt "$end" ] || fail "$what: not within 15 s"
        sleep 0.01
    done
}
free_port() {
    local port
    while port=$((20000 + RANDOM % 10000)); do
        (exec 3<>"/dev/tcp/$1/$port") 2>/dev/null || { echo "$port"; return; }
    done
}
start() { # NAME COMMAND…: in the background, its output in NAME.log
    local name=$1
    shift
    "$@" >"$work/$name.log" 2>&1 &
    pids+=($!)
    pid_of[$name]=$!
}
stop() {
    kill -"$2" "${pid_of[$1]}"
    wait "${pid_of[$1]}" 2>/dev/null || true
}
key_is_there() { [ -n "$(etcdctl get "$1" --keys-only)" ]; }
key_is_gone() { [ -z "$(etcdctl get "$1" --keys-only)" ]; }

step "1. etcd, on a port that was free"
start etcd etcd --data-dir "$work/etcd" --listen-client-urls http://127.0.0.1:0 \
    --advertise-client-urls http://127.0.0.1:0 --listen-peer-urls http://127.0.0.1:0
etcd_port() { grep -oE 'serving .*127\.0\.0\.1:[0-9]+' "$work/etcd.log" | grep -oE '[0-9]+$'; }
await "etcd listens" etcd_port
export ETCDCTL_ENDPOINTS=http://127.0.0.1:$(etcd_port)
await "etcd answers" etcdctl get x
say "$ETCDCTL_ENDPOINTS, $(etcd --version | head -n 1)"

step "2. two web servers"
backend() { start "web-$1" nginx -p "$work" -c "$work/web-$1.conf" -e "$work/web-$1.error.log"; }
declare -A address
for n in 1 2; do
    ip=127.0.83.$n
    address[$n]=$ip:$(free_port "$ip")
    cat >"$work/web-$n.conf" <<CONF
daemon off; master_process off; pid web-$n.pid;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t; uwsgi_temp_path t; scgi_temp_path t;
    server { listen ${address[$n]}; location / { return 200 "web server $n\n"; } }
}
CONF
    backend $n
    await "web server $n answers" curl -sf "http://${address[$n]}/"
    say "http://${address[$n]}/ says: $(curl -s "http://${address[$n]}/")"
done

step "3. an agent for each"
for n in 1 2; do
    say "\$ register --service web --address ${address[$n]} --interval 500ms --fast-interval 100ms"
    begun=$(now)
    start "agent-$n" register --service web --address "${address[$n]}" --interval 500ms --fast-interval 100ms
    await "key $n" key_is_there "/services/web/${address[$n]%:*}"
    say "  registered after $(($(now) - begun)) ms"
done
say "\$ register list"
register list | sed 's/^/   /'

step "4. web server 1 is killed"
begun=$(now)
stop web-1 KILL
await "key 1 goes" key_is_gone "/services/web/127.0.83.1"
say "its key was gone after $(($(now) - begun)) ms; its lease would have lasted 30 s"
register list | sed 's/^/   /'

step "5. web server 1 is back"
begun=$(now)
backend 1
await "key 1 returns" key_is_there "/services/web/127.0.83.1"
say "registered again after $(($(now) - begun)) ms"
register list | sed 's/^/   /'

step "6. agent 2 is stopped"
begun=$(now)
stop agent-2 TERM
await "key 2 goes" key_is_gone "/services/web/127.0.83.2"
say "its key was gone after $(($(now) - begun)) ms"

step "7. what agent 1 logged"
sed 's/^/   /' "$work/agent-1.log"

step "Seen: registered, deregistered when the server died, registered again, deregistered on stop."
say "All that was started is being stopped; nothing is left behind."
