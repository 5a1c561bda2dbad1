# Each starts with both backends registered and served, and leaves them so. Sourced by run.sh, which runs them in
# the order of their names.

scenario_01_start_and_query() {
    local name
    for name in "${backends[@]}"; do
        on "$name" systemctl is-active apache2 apache-discovery etcd >/dev/null
    done
    on "$proxy" systemctl is-active nginx register-render etcd >/dev/null
    on "$proxy" register list | sed 's/^/     /'
    served_by "${backends[@]}"
    await 2 "the access log names both" used_both
}
used_both() {
    local name
    for name in "${backends[@]}"; do [ "$(last_use "$name")" -gt 0 ] || return; done
}

# Debian's unit starts a killed Apache again.
scenario_02_a_killed_backend_goes_at_once_and_comes_back() {
    local begun
    start_load
    begun=$(now)
    on coreos-1 systemctl kill --signal=KILL apache2
    await 10 "the key goes" event_since "$begun" DELETE coreos-1
    await 10 "nginx reloads" let_go_since "$begun"
    at_most "kill to key gone" $(($(event_since "$begun" DELETE coreos-1) - begun)) 250 ms
    at_most "kill to nginx's workers replaced" $(($(let_go_since "$begun") - begun)) 250 ms
    await 20 "the key comes back" event_since "$begun" PUT coreos-1
    say "back after $(($(event_since "$begun" PUT coreos-1) - begun)) ms"
    failed_at_most 1
}

scenario_03_a_backend_that_stays_dead() {
    local begun
    on coreos-1 mkdir -p /run/systemd/system/apache2.service.d
    printf '[Service]\nRestart=no\n' | on coreos-1 tee /run/systemd/system/apache2.service.d/stay.conf >/dev/null
    on coreos-1 systemctl daemon-reload
    start_load
    begun=$(now)
    on coreos-1 systemctl kill --signal=KILL apache2
    await 10 "nginx has it no more" configured coreos-2
    await 10 "nginx reloads" let_go_since "$begun"
    at_most "kill to key gone" $(($(event_since "$begun" DELETE coreos-1) - begun)) 250 ms
    at_most "kill to nginx's workers replaced" $(($(let_go_since "$begun") - begun)) 250 ms
    at_most "kill to the last request tried there" $(($(last_use coreos-1) - begun)) 250 ms
    await 10 "the sidekick has stopped" stopped coreos-1 apache-discovery
    registered coreos-2
    failed_at_most 1
    on coreos-1 rm /run/systemd/system/apache2.service.d/stay.conf
    on coreos-1 systemctl daemon-reload
    on coreos-1 systemctl start apache2
    in_step_with "${backends[@]}"
}
stopped() { [ "$(on "$1" systemctl show --property=ActiveState --value "$2")" != active ] && ! on "$1" pidof register; }

scenario_04_a_stop_deregisters_drains_and_only_then_stops() {
    local begun gone ended
    start_load
    begun=$(now)
    on coreos-1 systemctl stop apache2
    ended=$(now)
    gone=$(event_since "$begun" DELETE coreos-1)
    at_most "stop to key gone" $((gone - begun)) 250 ms
    say "key gone to Apache stopped: $((ended - gone)) ms (of which 2 s drain)"
    [ $((ended - gone)) -ge 2000 ] || fail "Apache did not outlive its registration by the drain"
    served_by coreos-2
    on coreos-1 systemctl start apache2
    in_step_with "${backends[@]}"
    failed_at_most 0
}

scenario_05_ten_rolling_restarts_lose_no_request() {
    local round name
    start_load
    for round in {1..10}; do
        for name in "${backends[@]}"; do
            on "$name" systemctl restart apache2
            await 20 "both are registered" registered "${backends[@]}"
            await 10 "nginx has both" configured "${backends[@]}"
        done
    done
    failed_at_most 0
}

scenario_06_a_killed_sidekick_takes_its_key_over_without_a_gap() {
    local begun
    begun=$(now)
    on coreos-1 systemctl kill --signal=KILL apache-discovery
    await 15 "systemd starts it again" event_since "$begun" PUT coreos-1
    say "taken over after $(($(event_since "$begun" PUT coreos-1) - begun)) ms"
    [ "$(on coreos-1 systemctl show --property=NRestarts --value apache-discovery)" -ge 1 ]
    # The first lease would have run out by then.
    sleep $((ttl + 2))
    ! event_since "$begun" DELETE coreos-1 || fail "the key was gone for a time"
}

# An election would give every lease its whole TTL again.
lead_from() { # HOST
    local member
    member=$(on "$1" etcdctl member list | awk -F ', ' -v name="$1" '$3 == name { print $1 }')
    on "$1" etcdctl --endpoints "${endpoints#,}" move-leader "$member" >/dev/null
}

scenario_07_a_host_cut_off_the_network() {
    local begun gone
    lead_from "$proxy"
    start_load
    begun=$(now)
    cable coreos-2 down
    await $((ttl * 4)) "the key goes" event_since "$begun" DELETE coreos-2
    gone=$(event_since "$begun" DELETE coreos-2)
    at_most "cut to key gone, TTL ${ttl}000 ms" $((gone - begun)) $(((ttl + 2) * 1000)) ms
    await 5 "nginx reloads" let_go_since "$gone"
    # The one under way.
    failed_at_most 1
    begun=$(now)
    cable coreos-2 up
    await 20 "the key is back" event_since "$begun" PUT coreos-2
    say "healed to registered again: $(($(event_since "$begun" PUT coreos-2) - begun)) ms"
}

scenario_08_a_host_shut_down_in_order() {
    local begun
    start_load
    begun=$(now)
    shut_down coreos-2
    await 5 "the key goes" event_since "$begun" DELETE coreos-2
    at_most "shutdown to key gone" $(($(event_since "$begun" DELETE coreos-2) - begun)) 1000 ms
    failed_at_most 0
    boot coreos-2
    in_step_with "${backends[@]}"
}

scenario_09_a_host_without_power() {
    local begun gone
    lead_from "$proxy"
    start_load
    begun=$(now)
    cut_power coreos-2
    await $((ttl * 4)) "the key goes" event_since "$begun" DELETE coreos-2
    gone=$(event_since "$begun" DELETE coreos-2)
    at_most "power off to key gone, TTL ${ttl}000 ms" $((gone - begun)) $(((ttl + 2) * 1000)) ms
    await 5 "nginx reloads" let_go_since "$gone"
    # The one under way.
    failed_at_most 1
    begun=$(now)
    boot coreos-2
    in_step_with "${backends[@]}"
    say "power on to served again: $(($(now) - begun)) ms"
}

scenario_10_etcd_members_restarted_one_at_a_time() {
    local begun name
    start_load
    begun=$(now)
    for name in "${hosts[@]}"; do
        on "$name" systemctl restart etcd
        await 20 "$name's member is well" on "$name" etcdctl endpoint health
    done
    sleep "$ttl"
    for name in "${backends[@]}"; do
        ! event_since "$begun" DELETE "$name" || fail "$name's key was gone for a time"
    done
    failed_at_most 0
    begun=$(now)
    on coreos-1 systemctl stop apache2
    await 5 "nginx reloads" let_go_since "$begun"
    say "a change is followed as before, after $(($(let_go_since "$begun") - begun)) ms"
    on coreos-1 systemctl start apache2
}

# The tutorial's own units, with a stand-in for Docker that runs Apache and nginx from their packages.
scenario_11_the_units_for_fleet() {
    local begun pid
    lay_fleet coreos-1
    on coreos-1 systemctl stop apache2
    # As on a host whose /usr is read-only.
    on coreos-1 install -D /usr/bin/register /opt/bin/register
    on coreos-1 mv /usr/bin/register /usr/bin/register.away
    on coreos-1 systemctl start apache@7777
    await 10 "the sidekick registers" keys_are "$(service_key coreos-1)" "${address[coreos-1]}:7777" \
        "$(service_key coreos-2)" "${address[coreos-2]}:80"
    await 10 "nginx serves both" served_by "${backends[@]}"

    begun=$(now)
    pid=$(main_pid coreos-1 apache@7777)
    on coreos-1 systemctl kill --signal=KILL apache-discovery@7777
    await 10 "the sidekick takes its key over" event_since "$begun" PUT coreos-1
    say "a killed sidekick took over after $(($(event_since "$begun" PUT coreos-1) - begun)) ms"
    ! event_since "$begun" DELETE coreos-1 || fail "the key was gone for a time"
    [ "$(main_pid coreos-1 apache@7777)" = "$pid" ] || fail "Apache was restarted with its sidekick"

    begun=$(now)
    on coreos-1 systemctl kill --signal=KILL apache@7777
    await 10 "nginx reloads" let_go_since "$begun"
    at_most "kill to key gone" $(($(event_since "$begun" DELETE coreos-1) - begun)) 250 ms
    await 10 "the sidekick has stopped" stopped coreos-1 apache-discovery@7777

    begun=$(now)
    on coreos-1 systemctl start apache@7777
    await 10 "registered again" event_since "$begun" PUT coreos-1
    begun=$(now)
    on coreos-1 systemctl stop apache@7777
    at_most "stop to key gone" $(($(event_since "$begun" DELETE coreos-1) - begun)) 250 ms
    restore_backend coreos-1
}

# How long the key may be gone is up to WatchdogSec= and the TTL: only that it comes back is promised.
scenario_12_a_hung_sidekick_is_killed_and_takes_its_key_over() {
    local begun pid
    on coreos-1 mkdir -p /run/systemd/system/apache-discovery.service.d
    printf '[Service]\nWatchdogSec=2s\n' |
        on coreos-1 tee /run/systemd/system/apache-discovery.service.d/watchdog.conf >/dev/null
    on coreos-1 systemctl daemon-reload
    on coreos-1 systemctl restart apache-discovery
    in_step_with "${backends[@]}"
    pid=$(on coreos-1 systemctl show --property=MainPID --value apache-discovery)
    start_load
    begun=$(now)
    on coreos-1 kill -STOP "$pid"
    await 30 "systemd starts another" other_agent "$pid"
    await 15 "the other registers" event_since "$begun" PUT coreos-1
    say "hung to registered again: $(($(event_since "$begun" PUT coreos-1) - begun)) ms"
    in_step_with "${backends[@]}"
    failed_at_most 0
    on coreos-1 rm /run/systemd/system/apache-discovery.service.d/watchdog.conf
    on coreos-1 systemctl daemon-reload
    on coreos-1 systemctl restart apache-discovery
}
other_agent() { # PID
    local now_running
    now_running=$(on coreos-1 systemctl show --property=MainPID --value apache-discovery)
    [ "$now_running" != 0 ] && [ "$now_running" != "$1" ] &&
        [ "$(on coreos-1 systemctl show --property=Result --value apache-discovery)" = success ]
}

scenario_13_etcd_crashes_and_restarts_below_the_units_for_fleet() {
    local name running revision begun
    use_fleet
    running=$(main_pids)
    revision=$(revision)
    start_load
    for name in "${hosts[@]}"; do
        crash_etcd "$name"
        begun=$(now)
        on "$name" systemctl restart etcd
        at_most "$name: restart of etcd" $(($(now) - begun)) 2000 ms
        await 20 "$name's member is well" on "$name" etcdctl endpoint health
    done
    begun=$(now)
    for name in "${hosts[@]}"; do on "$name" systemctl kill --signal=KILL etcd; done
    for name in "${hosts[@]}"; do await 20 "$name's member is well" on "$name" etcdctl endpoint health; done
    at_most "all killed to all well" $(($(now) - begun)) 5000 ms
    # What would stop or start again with etcd does so at once, a renewal that failed is tried within a third of the TTL.
    sleep 12
    failed_at_most 0
    [ "$(revision)" = "$revision" ] || fail "keys were written"
    [ "$(main_pids)" = "$running" ] || fail "services were restarted: $running; now $(main_pids)"
    use_packages
}
crash_etcd() { # HOST: waits until systemd has it up again
    local begun pid
    begun=$(now)
    pid=$(main_pid "$1" etcd)
    on "$1" systemctl kill --signal=KILL etcd
    await 20 "$1: systemd starts etcd again" started_anew "$1" etcd "$pid"
    at_most "$1: kill to etcd active again" $(($(now) - begun)) 2000 ms
    await 20 "$1's member is well" on "$1" etcdctl endpoint health
}
started_anew() { # HOST UNIT PID
    on "$1" systemctl is-active "$2" && [ "$(main_pid "$1" "$2")" != "$3" ]
}
revision() { on "$proxy" etcdctl get / --write-out fields | awk '$1 == "\"Revision\"" { print $3 }'; }

scenario_14_the_load_balancer_and_its_sidekick_stop_and_start_together() {
    local round name
    use_fleet
    for round in {1..3}; do
        on "$proxy" systemctl stop nginx_lb
        await 5 "its key is gone" lb_keys_are
        [ "$(on "$proxy" systemctl show --property=Result --value nginx_lb)" = success ] || fail "nginx_lb failed"
        ! on "$proxy" pidof nginx || fail "nginx outlived its unit"
        on "$proxy" systemctl start nginx_lb
        await 10 "its key is back" lb_keys_are "/services/nginx_lb/${address[$proxy]}" "${address[$proxy]}:80"
    done
    # Docker's own restart.
    on "$proxy" systemctl restart docker
    await 10 "its key is back" lb_keys_are "/services/nginx_lb/${address[$proxy]}" "${address[$proxy]}:80"
    await 10 "nginx serves both" served_by "${backends[@]}"
    for name in "${hosts[@]}"; do
        ! on "$name" journalctl --quiet --boot --grep KillMode || fail "systemd warns on $name"
    done
    use_packages
}
lb_keys_are() { [ "$(on "$proxy" etcdctl get --prefix /services/nginx_lb | paste -sd ' ')" = "$*" ]; }

# One agent for two more services of a host, beside the sidekick; both are upgraded.
scenario_15_an_agent_of_a_host_is_reloaded_and_upgraded() {
    local pid before host=coreos-1
    on "$host" mkdir -p /etc/register
    services_of "$host" one
    on "$host" systemctl start register
    await 10 "its key is there" other_keys one
    services_of "$host" one two
    pid=$(main_pid "$host" register)
    before=$(put_at one)
    on "$host" systemctl reload register
    await 10 "the other key is there" other_keys one two
    [ "$(main_pid "$host" register)" = "$pid" ] || fail "the reload was a restart"
    [ "$(put_at one)" = "$before" ] || fail "the reload wrote a key that had not changed"

    start_load
    before=$(revision)
    on "$host" systemctl kill --kill-who=main --signal=USR2 register
    await 10 "systemd starts it again" started_anew "$host" register "$pid"
    await 10 "it has taken both keys over" revision_is $((before + 2))
    other_keys one two
    pid=$(main_pid "$host" apache-discovery)
    on "$host" systemctl kill --kill-who=main --signal=USR2 apache-discovery
    await 10 "systemd starts the sidekick again" started_anew "$host" apache-discovery "$pid"
    await 10 "it has taken its key over" revision_is $((before + 3))
    registered "${backends[@]}"
    failed_at_most 0

    on "$host" systemctl stop register
    await 10 "its keys are gone" other_keys
    on "$host" rm -r /etc/register
}
services_of() { # HOST NAME…: what its agent serves, each at its Apache
    local name
    {
        printf '[etcd]\nendpoints = ["%s"]\n' "${endpoints//,/\", \"}"
        for name in "${@:2}"; do
            printf '[[service]]\nname = "other-%s"\naddress = "%s:80"\n' "$name" "${address[$1]}"
        done
    } | on "$1" tee /etc/register/register.toml >/dev/null
}
other_keys() { # NAME…: the keys of those services, and no others
    local name expected=()
    for name in "$@"; do expected+=("/services/other-$name/${address[coreos-1]}"); done
    [ "$(on "$proxy" etcdctl get --prefix --keys-only /services/other- | awk 'NF' | paste -sd ' ')" = "${expected[*]}" ]
}
put_at() { # NAME: the revision of its key
    on "$proxy" etcdctl get "/services/other-$1/${address[coreos-1]}" --write-out fields | awk '$1 == "\"ModRevision\"" { print $3 }'
}
revision_is() { [ "$(revision)" = "$1" ]; }

explain() {
    local name
    for name in "${hosts[@]}"; do
        echo "   $name:"
        on "$name" systemctl --failed --no-legend || true
        on "$name" journalctl --quiet --no-pager --lines=12 --output=short-precise || tail -n 5 "$work/$name/console"
    done
    tail -n 8 "$work/events"
    keys || true
}
restore() {
    local name
    stop_load >/dev/null || true
    for name in "${hosts[@]}"; do
        if is_down "$name"; then boot "$name"; else cable "$name" up; fi
    done
    use_packages || true
    for name in "${backends[@]}"; do on "$name" systemctl start apache2 apache-discovery || true; done
}
