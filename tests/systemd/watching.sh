# What a client sees through nginx, what etcd's keys do, and when. Sourced by run.sh.

# etcd's events, a line each: MILLISECONDS PUT|DELETE KEY VALUE. A member without a leader ends its watches; the next one
# has the same events again first.
record_events() {
    local first seen what key value
    first=$(on "$proxy" etcdctl get / --write-out fields | awk '$1 == "\"Revision\"" { print $3 + 1 }')
    : >"$work/events"
    while true; do
        seen=$(wc -l <"$work/events")
        on "$proxy" etcdctl watch --prefix --rev "$first" /services/apache/ 2>/dev/null |
            while read -r what && read -r key && read -r value; do
                if [ "$seen" -gt 0 ]; then seen=$((seen - 1)); else echo "$(now) $what $key $value"; fi
            done >>"$work/events" || true
        sleep 0.1
    done
}
record_log() { # of nginx, a line each: MILLISECONDS LINE
    tail --lines=0 --follow=name --retry "$work/$proxy/log/$1.log" 2>/dev/null |
        while IFS= read -r line; do echo "$(now) $line"; done >>"$work/$1"
}

event_since() { # MILLISECONDS PUT|DELETE HOST: when it first came
    awk -v since="$1" -v what="$2" -v key="$(service_key "$3")" \
        '$1 >= since && $2 == what && $3 == key { print $1; found = 1; exit } END { exit !found }' "$work/events"
}
# The last of nginx's old workers has stopped taking connections.
let_go_since() {
    awk -v since="$1" '$1 >= since && /gracefully shutting down/ { last = $1 } END { print last; exit !last }' \
        "$work/error"
}
last_use() { # HOST: when nginx last tried it
    awk -v to="${address[$1]}:80" 'index($0, "passed to:") && index($0, to) { last = $1 } END { print last ? last : 0 }' \
        "$work/access"
}

keys() { on "${1:-$proxy}" etcdctl get --prefix /services/apache/ | paste -sd ' '; }
keys_are() { [ "$(keys)" = "$*" ]; }
registered() { # HOST…: these and no others, each with its address
    local name expected=()
    for name in "$@"; do expected+=("$(service_key "$name")" "${address[$name]}:80"); done
    keys_are "${expected[@]}"
}
configured() { # HOST…: nginx's file has these and no others
    local file expected
    file=$(root_of "$proxy")/etc/nginx/sites-enabled/app.conf
    expected=$(for name in "$@"; do echo "${address[$name]}:80;"; done | sort)
    [ "$(awk '$1 == "server" && NF == 2 && $2 != "{" { print $2 }' "$file" | sort)" = "$expected" ]
}
served_by() { # HOST…: of twenty answers through nginx
    local seen
    seen=$(curl --silent --max-time 5 "http://${address[$proxy]}/?[1-20]" | tr ' ' '\n' | sort --unique | paste -sd ' ')
    [ "${seen# }" = "$*" ]
}
in_step_with() {
    await 30 "etcd has $*" registered "$@"
    await 10 "nginx has $*" configured "$@"
    await 10 "nginx serves $*" served_by "$@"
}

# A client that asks a hundred times a second, each time on a new connection, and counts every answer.
start_load() {
    curl --silent --no-buffer --rate 100/s --max-time 10 --header 'Connection: close' --write-out '%{time_total} %{http_code}\n' \
        "http://${address[$proxy]}/?[1-1000000]" >"$work/answers" 2>/dev/null &
    echo $! >"$work/load"
    await 5 "the client gets answers" grep -q 200 "$work/answers"
}
stop_load() { # prints TOTAL FAILED SLOWEST, the last in milliseconds
    [ -e "$work/load" ] || return 0
    kill "$(cat "$work/load")" 2>/dev/null || true
    wait "$(cat "$work/load")" 2>/dev/null || true
    rm "$work/load"
    head --lines=-1 "$work/answers" | awk '
        { total++; took = $(NF - 1) * 1000; if (took > slowest) slowest = took }
        $NF != 200 { failed++ }
        END { printf "%d %d %d\n", total, failed, slowest }'
}
failed_at_most() { # BUDGET
    local total failed slowest answered
    answered=$(wc -l <"$work/answers")
    await 15 "the client goes on getting answers" answered_more_than "$answered"
    read -r total failed slowest < <(stop_load)
    at_most "failed of $total requests, the slowest of which took $slowest ms" "$failed" "$1" requests
}
answered_more_than() { [ "$(wc -l <"$work/answers")" -gt "$1" ]; }
