#!/usr/bin/env bash
# Whole-process figures of the agent, beside the bash loop that it replaces, in one run.
# Writes a Markdown table. RUNS repeats the timed ones (default 11).
set -euo pipefail
cd "$(dirname "$0")/.."

runs=${RUNS:-11}
register=$PWD/target/release/register
tools=$PWD/target/tools/usr
export PATH="$tools/bin:$tools/sbin:$PATH:/usr/sbin:/sbin"
work=$(mktemp -d)
pids=()
cleanup() {
    local position
    for ((position = ${#pids[@]} - 1; position >= 0; position--)); do
        kill "${pids[position]}" 2>/dev/null || true
        wait "${pids[position]}" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap cleanup EXIT

note() { printf 'bench: %s\n' "$*" >&2; }
micros() { local t=$EPOCHREALTIME; echo "${t/[.,]/}"; }
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
spread() { sort -n | awk 'NR == 1 { low = $1 } { high = $1 } END { print low " – " high }'; }
divide() { awk -v a="$1" -v b="$2" -v d="$3" 'BEGIN { printf "%.*f", d, a / b }'; }

# etcd, with the v2 API that the loop's `etcdctl set --ttl` speaks; that asks for a port that can be
# advertised.
host=127.0.84.1
port=$((20000 + RANDOM % 10000))
etcd_url=http://$host:$port
etcd --enable-v2 --data-dir "$work/etcd" --listen-client-urls "$etcd_url" \
    --advertise-client-urls "$etcd_url" --listen-peer-urls http://127.0.0.1:0 2>"$work/etcd.log" &
pids+=($!)
export ETCDCTL_API=3
until etcdctl --endpoints "$etcd_url" get x >/dev/null 2>&1; do sleep 0.05; done

web=$host:$((port + 1))
cat >"$work/nginx.conf" <<CONF
daemon off; master_process off; pid nginx.pid;
events { worker_connections 64; }
http {
    access_log $work/access.log;
    client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t; uwsgi_temp_path t; scgi_temp_path t;
    server { listen $web; location / { return 200 "well\n"; } }
}
CONF
serve() {
    nginx -p "$work" -c "$work/nginx.conf" -e "$work/nginx.log" &
    web_pid=$!
    pids+=("$web_pid")
    until curl -sf -o "$work/page" "http://$web/"; do sleep 0.05; done
}
serve

coproc watcher { exec etcdctl --endpoints "$etcd_url" watch --prefix /services/; }
pids+=("$watcher_PID")
# The watch is there when it shows a put.
until etcdctl --endpoints "$etcd_url" put /services/probe x >/dev/null && read -r -t 0.2 -u "${watcher[0]}" _; do :; done
while read -r -t 0.5 -u "${watcher[0]}" _; do :; done

await_event() { # PUT or DELETE → the time at which it was seen, in µs
    local line
    while read -r -t 15 -u "${watcher[0]}" line; do
        if [ "$line" = "$1" ]; then
            micros
            return
        fi
    done
    note "no $1 seen"
    exit 1
}
agent() {
    "$register" --service web --address "$web" --endpoints "$etcd_url" "$@" 2>"$work/agent.log" &
    agent_pid=$!
    pids+=("$agent_pid")
}

note "start → key, SIGTERM → key gone ($runs runs)"
for _ in $(seq "$runs"); do
    begun=$(micros)
    agent
    echo $(($(await_event PUT) - begun)) >>"$work/start"
    begun=$(micros)
    kill -TERM "$agent_pid"
    echo $(($(await_event DELETE) - begun)) >>"$work/stop"
    wait "$agent_pid"
done

note "verdict → key gone ($runs runs)"
agent --interval 100ms --fast-interval 50ms
for _ in $(seq "$runs"); do
    await_event PUT >/dev/null
    kill -KILL "$web_pid"
    wait "$web_pid" 2>/dev/null || true
    seen=$(await_event DELETE)
    verdict=$(grep 'backend is down' "$work/agent.log" | tail -n 1 | awk '{ print $1 }')
    verdict=$(date -d "$verdict" +%s%6N)
    echo $((seen - verdict)) >>"$work/verdict"
    serve
done
kill -TERM "$agent_pid"
wait "$agent_pid"

# One keep-alive for two probes, as with the defaults (5 s and a third of 30 s).
note "CPU per probe, alternating with the loop's body"
cpu_nanos() { cat /proc/"$1"/task/*/schedstat | awk '{ sum += $1 } END { print sum }'; }
children_millis() { awk '{ print $16 * 10 + $17 * 10 }' "/proc/$BASHPID/stat"; }
loop_turns() (
    export ETCDCTL_API=2
    for _ in $(seq "$1"); do
        curl -s -f "http://$web/" >/dev/null
        etcdctl --endpoints "$etcd_url" set /services/web "$web" --ttl 30 >/dev/null
    done
    children_millis
)
agent --interval 333ms --fast-interval 333ms --ttl 2s
sleep 2
revision() {
    etcdctl --endpoints "$etcd_url" get x --write-out=json | grep -oE '"revision":[0-9]+' | grep -oE '[0-9]+'
}
revisions=0
for _ in 1 2 3; do
    before=$(revision)
    probes=$(wc -l <"$work/access.log")
    used=$(cpu_nanos "$agent_pid")
    sleep 7
    used=$(($(cpu_nanos "$agent_pid") - used))
    probes=$(($(wc -l <"$work/access.log") - probes))
    revisions=$((revisions + $(revision) - before))
    echo $((used / probes / 1000)) >>"$work/probe"
    echo $(($(loop_turns 50) * 1000 / 50)) >>"$work/loop"
done
rss=$(awk '/VmRSS/ { print $2 }' "/proc/$agent_pid/status")
kill -TERM "$agent_pid"
wait "$agent_pid"

probe=$(median <"$work/probe")
loop=$(median <"$work/loop")
in_ms() { divide "$1" 1000 "${2:-1}"; }
row() { printf '| %s | %s | %s | %s |\n' "$@"; }
timed() { row "$1" "$(in_ms "$(median <"$work/$2")") ms" "$(spread <"$work/$2" | awk '{ printf "%.1f – %.1f ms", $1 / 1000, $3 / 1000 }')" "$3"; }

row "what" "median" "spread" "budget"
row "---" "---" "---" "---"
row "CPU per probe, keep-alives included" "$(in_ms "$probe" 2) ms" "" "≤ 1/60 of the loop's body"
row "CPU of the loop's body (curl, etcdctl set)" "$(in_ms "$loop" 2) ms" "" ""
row "their ratio" "1/$(divide "$loop" "$probe" 0)" "" "≤ 1/60"
row "RSS, registered" "$(divide "$rss" 1024 1) MiB" "" "≤ 7 MB"
row "binary, stripped" "$(divide "$(stat -c %s "$register")" 1000000 1) MB" "" "≤ 9 MB"
timed "start → key in etcd" start "≤ 25 ms"
timed "SIGTERM → key gone" stop "≤ 20 ms"
timed "failing verdict → key gone" verdict "≤ 5 ms"
row "etcd revisions in 21 s while healthy" "$revisions" "" "0"
