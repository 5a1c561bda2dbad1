# Each starts with both backends and the load balancer running, and leaves them so. Sourced by run.sh, which runs them
# in the order of their names.

url=http://${address[$proxy]}

served_by() { # HOST…: of twenty answers through nginx
    local seen
    seen=$(curl --silent --fail --max-time 5 "$url/name?[1-20]" | tr ' ' '\n' | sort --unique | paste -sd ' ')
    [ "${seen# }" = "$*" ]
}
registered() { # HOST…
    local expected
    expected=$(for name in "$@"; do printf '/services/apache/%s\n%s:%s\n' "${address[$name]}" "${address[$name]}" "${port[$name]}"; done)
    [ "$(etcdctl --endpoints "$etcd" get --prefix /services/apache/)" = "$expected" ]
}
configured() { # HOST…: nginx's file in the container has these and no others
    local expected
    expected=$(for name in "$@"; do echo "${address[$name]}:${port[$name]};"; done | sort)
    [ "$(docker exec nginx_lb awk '$1 == "server" && NF == 2 && $2 != "{" { print $2 }' \
        /etc/nginx/sites-enabled/app.conf | sort)" = "$expected" ]
}
in_step_with() {
    await 30 "etcd has $*" registered "$@"
    await 30 "nginx has $*" configured "$@"
    await 10 "nginx serves $*" served_by "$@"
}
exit_code() { docker inspect --format '{{.State.ExitCode}}' "${1:-nginx_lb}"; }
ended() { [ "$(docker inspect --format '{{.State.Running}}' nginx_lb)" = false ]; }
restart_nginx() {
    start_unit units/static/nginx_lb.service "$proxy"
    await 30 "nginx is back" served_by "${backends[@]}"
}

scenario_01_requests_are_balanced_and_the_log_says_where_to() {
    local name
    [[ "$(curl --silent "$url/?[1-4]")" = *"Running from Docker on CoreOS"* ]] || fail "not the tutorial's page"
    for name in "${backends[@]}"; do
        await 5 "the log names $name" logged "passed to: ${address[$name]}:${port[$name]}: GET /?"
    done
    docker logs nginx_lb 2>/dev/null | grep "passed to:" | tail -n 2 | sed 's/^/     /'
}
logged() { [[ "$(docker logs nginx_lb 2>/dev/null)" = *"$1"* ]]; }

# As systemd does it: After= stops the sidekick first.
scenario_02_a_backend_stopped_in_order_loses_no_request() {
    start_load
    stop_sidekick coreos-1
    await 10 "nginx has it no more" configured coreos-2
    await 10 "nginx uses it no more" served_by coreos-2
    stop_unit units/templates/apache@.service coreos-1 7777
    [ "$(exit_code apache.7777)" = 0 ] || fail "Apache's exit code $(exit_code apache.7777): it was killed"
    served_by coreos-2
    none_failed
    start_backend coreos-1
    in_step_with "${backends[@]}"
}

scenario_03_a_backend_that_stops_by_itself_is_let_go() {
    docker kill apache.7777 >/dev/null
    await 30 "the sidekick sees it" registered coreos-2
    await 10 "nginx has it no more" configured coreos-2
    await 10 "nginx uses it no more" served_by coreos-2
    start_load
    served_by coreos-2
    none_failed
    stop_sidekick coreos-1
    start_backend coreos-1
    in_step_with "${backends[@]}"
}

scenario_04_stopping_the_load_balancer_lets_a_download_end() {
    local begun download
    docker exec apache.7777 sh -c 'head -c 30000000 /dev/zero >/var/www/html/big'
    docker exec apache.8888 sh -c 'head -c 30000000 /dev/zero >/var/www/html/big'
    # What nginx has written and nobody has read yet goes with its container: on some machines, tens of megabytes.
    sysctl --quiet --write net.ipv4.tcp_rmem="4096 131072 1048576"
    curl --silent --limit-rate 10M --output "$work/big" --write-out '%{http_code} %{size_download}\n' "$url/big" \
        >"$work/download" &
    download=$!
    await 10 "the download begins" test -s "$work/big"
    begun=$(now)
    stop_unit units/static/nginx_lb.service "$proxy"
    say "stopped after $(($(now) - begun)) ms"
    [ "$(exit_code)" = 0 ] || fail "exit code $(exit_code)"
    wait "$download" || fail "the download: curl ended with $?: $(cat "$work/download")"
    [ "$(cat "$work/download")" = "200 30000000" ] || fail "the download: $(cat "$work/download")"
    restart_nginx
}

scenario_05_process_1_reaps_orphans() {
    local orphan states
    docker exec --detach nginx_lb sh -c 'sh -c "sleep 3 & echo \$! >/tmp/orphan"'
    await 10 "the orphan is process 1's child" adopted
    orphan=$(docker exec nginx_lb cat /tmp/orphan)
    await 20 "the orphan is reaped" missing "$orphan"
    states=$(docker top nginx_lb -o pid,stat)
    [[ "$states" != *" Z"* ]] || fail "a zombie is left"
    served_by "${backends[@]}"
}
adopted() { [ "$(docker exec nginx_lb sh -c 'cut -d " " -f 4 "/proc/$(cat /tmp/orphan)/stat"')" = 1 ]; }
missing() { ! docker exec nginx_lb test -e "/proc/$1"; }

scenario_06_a_signal_is_passed_on_and_nginxs_end_is_the_containers() {
    docker kill --signal QUIT nginx_lb >/dev/null
    await 20 "the container ends" ended
    [ "$(exit_code)" = 0 ] || fail "QUIT: exit code $(exit_code)"
    restart_nginx
    # It may end with the container before it could say that it has done so.
    docker exec nginx_lb sh -c 'kill -KILL $(cat /run/nginx.pid)' || true
    await 20 "the container ends" ended
    [ "$(exit_code)" = 137 ] || fail "KILL: exit code $(exit_code)"
    restart_nginx
}

scenario_07_another_command_in_the_image_ends_the_container_with_its_code() {
    local code
    set +e
    docker run --rm --env "ETCDCTL_ENDPOINTS=$etcd" user_name/nginx_lb sh -c 'exit 7' >/dev/null 2>&1
    code=$?
    set -e
    [ $code = 7 ] || fail "exit code $code"
}

# A client that asks a hundred times a second, each time on a new connection.
start_load() {
    curl --silent --no-buffer --rate 100/s --max-time 10 --header 'Connection: close' --write-out '%{http_code}\n' \
        "$url/name?[1-1000000]" >"$work/answers" 2>/dev/null &
    echo $! >"$work/load"
    await 5 "the client gets answers" grep -q 200 "$work/answers"
}
none_failed() {
    local answered failed
    answered=$(wc -l <"$work/answers")
    await 15 "the client goes on getting answers" answered_more_than "$answered"
    kill "$(cat "$work/load")"
    wait "$(cat "$work/load")" 2>/dev/null || true
    failed=$(head --lines=-1 "$work/answers" | grep -cv ' 200$' || true)
    say "failed of $(wc -l <"$work/answers") requests: $failed"
    [ "$failed" = 0 ] || fail "requests failed"
}
answered_more_than() { [ "$(wc -l <"$work/answers")" -gt "$1" ]; }

# Nothing is restored: the next scenario says what is missing.
restore() { :; }

explain() {
    docker ps --all
    docker logs nginx_lb 2>&1 | tail -n 12
    etcdctl --endpoints "$etcd" get --prefix /services/ || true
    for name in "${!address[@]}"; do tail -n 5 "$work/$name.log"; done
}
