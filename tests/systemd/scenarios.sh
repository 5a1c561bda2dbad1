# Each starts with both backends registered and served, and leaves them so. Sourced by run.sh, which runs them in
# the order of their names.

scenario_01_start_and_query() {
    local name
    for name in "${backends[@]}"; do
        on "$name" systemctl is-active apache2 apache-discovery etcd >/dev/null
    done
    on "$proxy" systemctl is-active nginx register-render etcd >/dev/null
    on "$proxy" register list
    served_by "${backends[@]}"
    await 2 "the access log names both" used_both
}
used_both() {
    local name
    for name in "${backends[@]}"; do [ "$(last_use "$name")" -gt 0 ] || return; done
}

explain() {
    local name
    for name in "${hosts[@]}"; do
        echo "   $name:"
        on "$name" systemctl --failed --no-legend || true
        on "$name" journalctl --quiet --no-pager --lines=12 --output=short-precise || tail -n 5 "$work/$name/console"
    done
    keys || true
}
restore() {
    local name
    stop_load >/dev/null || true
    for name in "${hosts[@]}"; do
        if is_down "$name"; then boot "$name"; else cable "$name" up; fi
    done
    for name in "${backends[@]}"; do on "$name" systemctl start apache2 apache-discovery || true; done
}
