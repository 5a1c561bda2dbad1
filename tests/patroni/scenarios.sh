# Each starts with a leader, a replica that streams and HAProxy in step with both. Sourced by run.sh, which runs them in
# the order of their names.

cfg() { echo "$(root_of "$proxy")/etc/haproxy/haproxy.cfg"; }
listed() { # SECTION: the members in it
    awk -v section="$1" '$1 == "listen" { inside = $2 == section } inside && $1 == "server" { print $2 }' "$(cfg)" |
        sort | paste -sd ' '
}
written_at() { stat --format %.3Y "$(cfg)" | tr -d .,; }
# How often HAProxy was told to read its configuration again.
reloads() { on "$proxy" journalctl --quiet --unit haproxy --output cat | grep -c '^Reloaded ' || true; }

in_step_with() {
    [ -e "$work/confd" ] || use_render
    await 60 "there is a leader" one_leads
    await 60 "the other one follows" follows "$(other "$(leader_key)")"
    await 30 "HAProxy has both" in_step
    await 30 "a client reaches the leader" reaches "$(leader_key)" 5000 f
    await 30 "and the replica" reaches "$(other "$(leader_key)")" 5001 t
}
one_leads() { local leader; leader=$(leader_key) && [ -n "$leader" ] && leads "$leader"; }
in_step() {
    local leader
    leader=$(leader_key)
    if [ -e "$work/render" ]; then
        [ "$(listed primary)" = "$leader" ] && [ "$(listed replicas)" = "$(other "$leader")" ]
    else
        [ "$(listed master)" = "${backends[*]}" ] && [ "$(listed replicas)" = "${backends[*]}" ]
    fi
}
reaches() { # HOST PORT IN-RECOVERY
    [ "$(PGPASSWORD=secret PGCONNECT_TIMEOUT=2 psql --no-psqlrc --tuples-only --no-align --host="${address[$proxy]}" --port="$2" \
        --username=postgres --command 'SELECT host(inet_server_addr()), pg_is_in_recovery()')" = "${address[$1]}|$3" ]
}

passed() { [ $(($(now) - $1)) -ge "$2" ]; } # SINCE MILLISECONDS

# Patroni writes where its members are in the log every few seconds: nothing of that is in HAProxy's file.
positions_change_nothing() {
    local begun sum count position seen=0 last
    start_writers
    sum=$(stat --format '%i %Y' "$(cfg)" && md5sum <"$(cfg)")
    count=$(reloads)
    last=$(member_positions)
    begun=$(now)
    while [ $seen -lt 6 ]; do
        [ $(($(now) - begun)) -lt 60000 ] || fail "the WAL positions changed $seen times only"
        position=$(member_positions)
        [ "$position" = "$last" ] || seen=$((seen + 1))
        last=$position
        sleep 0.2
    done
    # The polling of confd's settings comes round as well.
    [ ! -e "$work/confd" ] || await 15 "ten seconds pass" passed "$begun" 11000
    [ "$(stat --format '%i %Y' "$(cfg)" && md5sum <"$(cfg)")" = "$sum" ] || fail "the file was written"
    say "WAL positions changed $seen times in $(($(now) - begun)) ms; the file is the same, reloads of HAProxy: $(($(reloads) - count))"
    [ "$(reloads)" = "$count" ] || fail "HAProxy was reloaded"
    stop_writers
}

switch_over() {
    local old new begun count
    old=$(leader_key)
    new=$(other "$old")
    start_writers
    count=$(reloads)
    begun=$(now)
    on "$old" patronictl -c /etc/patroni/config.yml switchover "$scope" --candidate "$new" --force >"$work/switchover" 2>&1 ||
        { cat "$work/switchover"; return 1; }
    changed_hands "$begun" "$old" "$new" 30000 "switchover"
    say "reloads of HAProxy: $(($(reloads) - count))"
    in_step_with
}
changed_hands() { # BEGUN OLD NEW BUDGET WHAT
    local began=$1 old=$2 new=$3 took
    await 60 "$new leads" leads "$new"
    await 30 "clients write to $new" all_accepted_since "$began" "$new"
    # Long enough to see a row that goes astray.
    await 30 "they go on" all_accepted_since "$(($(now) + 3000))" "$new"
    if [ -e "$work/render" ]; then
        [ "$(listed primary)" = "$new" ] || fail "HAProxy's file names $(listed primary)"
        # The other reader of the key may be the slower one.
        took=$(($(written_at) - $(led_since "$began" "$new")))
        at_most "from when etcdctl saw that $new leads to its name in HAProxy's file" $((took > 0 ? took : 0)) 500 ms
    fi
    writers_saw "$5" "$old" "$new" "$4"
}

# Debian's unit would start Patroni again at once, on the same node.
kill_for_good() { # HOST
    on "$1" mkdir -p /run/systemd/system/patroni.service.d
    printf '[Service]\nRestart=no\n' | on "$1" tee /run/systemd/system/patroni.service.d/stay.conf >/dev/null
    on "$1" systemctl daemon-reload
    on "$1" systemctl kill --signal=KILL --kill-who=all patroni
    await 10 "all of it is dead" dead "$1"
}
dead() { ! on "$1" pidof -q postgres patroni && ! on "$1" pgrep --full /usr/bin/patroni; }
raise() { # HOST
    on "$1" rm -f /run/systemd/system/patroni.service.d/stay.conf
    on "$1" systemctl daemon-reload
    on "$1" systemctl reset-failed patroni || true
    on "$1" systemctl start patroni
}
kill_the_leader() {
    local old new begun count
    old=$(leader_key)
    new=$(other "$old")
    start_writers
    count=$(reloads)
    begun=$(now)
    kill_for_good "$old"
    changed_hands "$begun" "$old" "$new" $((patroni_ttl * 1000 + 20000)) "leader killed, ttl ${patroni_ttl} s"
    await 30 "the dead one is in HAProxy's file no more" gone "$old"
    say "reloads of HAProxy: $(($(reloads) - count))"
    raise "$old"
    in_step_with
}
gone() { ! grep -q "server $1 " "$(cfg)"; }

# On the same node, by systemd: no other one is asked.
kill_and_restart() {
    local leader begun
    leader=$(leader_key)
    start_writers
    begun=$(now)
    on "$leader" systemctl kill --signal=KILL --kill-who=all patroni
    await 60 "clients write again" all_accepted_since "$((begun + 1000))"
    await 60 "somebody leads" one_leads
    await 30 "they go on" all_accepted_since "$(($(now) + 3000))"
    writers_saw "leader killed, Patroni restarted by systemd" "$leader" "$(leader_key)" $((patroni_ttl * 1000 + 20000))
    in_step_with
}

scenario_01_render_positions_change_nothing() { positions_change_nothing; }
scenario_02_render_switchover() { switch_over; }
scenario_03_render_the_leader_is_killed() { kill_the_leader; }
scenario_04_render_the_leader_is_killed_and_restarted() { kill_and_restart; }

scenario_11_confd_positions_change_nothing() { by_confd positions_change_nothing; }
scenario_12_confd_switchover() { by_confd switch_over; }
scenario_13_confd_the_leader_is_killed() { by_confd kill_the_leader; }
by_confd() {
    use_confd
    in_step_with
    "$@"
}

explain() {
    local name kind
    for name in "${hosts[@]}"; do
        echo "   $name:"
        on "$name" systemctl --failed --no-legend || true
        on "$name" journalctl --quiet --no-pager --lines=15 --output=short-precise || tail -n 5 "$work/$name/console"
    done
    as_root_of_etcd get --prefix "/service/$scope/" || true
    for kind in "${kinds[@]}"; do tail -n 5 "$work/written.$kind" "$work/writer.$kind.log" || true; done
}
restore() {
    stop_writers
    for name in "${backends[@]}"; do
        if is_down "$name"; then boot "$name"; fi
        raise "$name" || true
    done
}
