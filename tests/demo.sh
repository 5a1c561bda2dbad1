#!/usr/bin/env bash
# Shows the whole picture: a real etcd, two real web servers with an agent each, and nginx in front
# of them, behind `register render`. Everything listens on loopback ports that were free, lives in a
# temporary directory, and is ended at the end. `make demo` starts it by tests/run.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=$PWD/target/tools/usr
export PATH="${CARGO_TARGET_DIR:-$PWD/target}/debug:$tools/bin:$tools/sbin:$PATH:/usr/sbin:/sbin"
export ETCDCTL_API=3 no_proxy='*'

work=$(mktemp -d)
# Addresses that no other demo has.
net=127.$((1 + $$ / 256 % 250)).$(($$ % 256))
pids=()
declare -A pid_of address
cleanup() {
    # In the reverse order: agents before their etcd, so that they can say goodbye.
    local position
    for ((position = ${#pids[@]} - 1; position >= 0; position--)); do
        kill "${pids[position]}" 2>/dev/null || true
        wait "${pids[position]}" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' HUP INT TERM

step() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
say() { printf '   %s\n' "$*"; }
show() {
    say "\$ ${*//"$work/"/}"
    "$@" | sed 's/^/   /'
}
fail() {
    printf 'demo: %s\n' "$*" >&2
    tail -n 5 "$work"/*.log >&2
    exit 1
}
now() { echo $((${EPOCHREALTIME//[.,]/} / 1000)); }
since() { echo "$(($(now) - $1)) ms"; }

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
stop() { # NAME SIGNAL
    kill -"$2" "${pid_of[$1]}"
    wait "${pid_of[$1]}" 2>/dev/null || true
}
nginx_conf() { # DIRECTORY HTTP-DIRECTIVES
    mkdir -p "$1"
    cat >"$1/nginx.conf" <<CONF
daemon off; pid nginx.pid; error_log error.log;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t; uwsgi_temp_path t; scgi_temp_path t;
    $2
}
CONF
}

step "1. etcd, on a port that was free"
start etcd etcd --data-dir "$work/etcd" --listen-client-urls http://127.0.0.1:0 \
    --advertise-client-urls http://127.0.0.1:0 --listen-peer-urls http://127.0.0.1:0
etcd_port() { grep -oE 'serving .*127\.0\.0\.1:[0-9]+' "$work/etcd.log" | grep -oE '[0-9]+$'; }
await "etcd listens" etcd_port
export ETCDCTL_ENDPOINTS=http://127.0.0.1:$(etcd_port)
await "etcd answers" etcdctl get x
say "$ETCDCTL_ENDPOINTS, $(etcd --version | head -n 1)"

step "2. two web servers, and an agent for each"
web() { start "web-$1" nginx -p "$work/web-$1" -c nginx.conf -e error.log -g 'master_process off;'; }
agent() {
    start "agent-$1" register --service web --address "${address[$1]}" \
        --interval 200ms --fast-interval 100ms --drain 500ms
}
key_is_there() { [ -n "$(etcdctl get "/services/web/$1" --keys-only)" ]; }
for n in 1 2; do
    address[$n]=$net.$n:$(free_port "$net.$n")
    nginx_conf "$work/web-$n" "server { listen ${address[$n]}; location / { return 200 'web server $n\n'; } }"
    web $n
    await "web server $n answers" curl -sf "http://${address[$n]}/"
    say "\$ register --service web --address ${address[$n]} --interval 200ms --fast-interval 100ms --drain 500ms"
    begun=$(now)
    agent $n
    await "key $n" key_is_there "$net.$n"
    say "  registered after $(since "$begun")"
done
show register list

step "3. nginx in front of them, run by register render"
front=$net.100:$(free_port $net.100)
nginx_conf "$work/front" "include app.conf;"
nginx=(nginx -p "$work/front/" -c nginx.conf -e error.log)
mkdir -p "$work/confd/conf.d" "$work/confd/templates"
cat >"$work/confd/conf.d/app.toml" <<TOML
[template]
src = "app.tmpl"
dest = "$work/front/app.conf"
keys = ["/services/web"]
check_cmd = "${nginx[*]} -t -q"
reload_cmd = "${nginx[*]} -s reload"
TOML
# nginx is not to hide anything: it tries no second server, and leaves none out by itself.
cat >"$work/confd/templates/app.tmpl" <<TMPL
upstream web {
{{- range getvs "/services/web/*"}}
    server {{.}} max_fails=0;
{{- end}}
}
server {
    listen $front;
    location / { proxy_pass http://web; proxy_next_upstream off; }
}
TMPL
say "\$ register render --confdir confd --stop-signal QUIT -- nginx"
start front register render --confdir "$work/confd" --stop-signal QUIT -- "${nginx[@]}"
await "nginx answers" curl -sf "http://$front/"
show head -n 4 "$work/front/app.conf"
say "a client asks http://$front/ all the time from now on:"
# Lines of milliseconds and what the answer was.
ask() { while :; do echo "$(curl -sf -m 2 "http://$front/" || echo failed) at $(now)"; done; }
start answers ask
answers="$work/answers.log"
failed() { grep -c ^failed "$answers" || true; }
last_failed() { grep ^failed "$answers" | tail -n 1 | grep -oE '[0-9]+$'; }
in_turn() { tail -n 4 "$answers" | grep "^web server 1" && tail -n 4 "$answers" | grep "^web server 2"; }
only_2() { [ "$(tail -n 50 "$answers" | grep -c '^web server 2')" -eq 50 ]; }
await "both answer" in_turn
tail -n 4 "$answers" | sed 's/ at .*//; s/^/     /'

step "4. web server 1 is killed"
begun=$(now)
stop web-1 KILL
await "nginx lets go of web server 1" only_2
last=$(last_failed || echo "$begun")
say "nginx stopped using it after $((last - begun)) ms: $(failed) requests failed, none since"
say "(an agent killed with it would have left the key to its lease, 30 s)"
show head -n 3 "$work/front/app.conf"

step "5. web server 1 is back"
lost=$(failed)
begun=$(now)
web 1
await "nginx uses web server 1" in_turn
say "in use again after $(since "$begun")"

step "6. both are restarted in turn, each after its agent has stopped and drained"
for n in 1 2; do
    stop "agent-$n" TERM
    stop "web-$n" QUIT
    say "web server $n is stopped, agent and all"
    web $n
    agent $n
    await "nginx uses web server $n" in_turn
    say "web server $n is back in use"
done
[ "$(failed)" -eq "$lost" ] || fail "$(($(failed) - lost)) requests failed"
say "requests that failed meanwhile: 0 of $(wc -l <"$answers") in all"

step "Seen: registered, in use, out of use when it died, in use again, restarted without a loss."
say "All that was started is being stopped; nothing is left behind."
