# Clients that write through HAProxy, and what they saw. Sourced by run.sh.

kinds=(fresh kept)
# How long one try may take: what a client's driver would be given.
export WRITER_DSN="host=${address[$proxy]} port=5000 user=postgres password=secret dbname=postgres connect_timeout=2 tcp_user_timeout=3000 options='-c statement_timeout=2000'"

start_writers() {
    local kind
    stop_writers
    query "$(leader_key)" "TRUNCATE written" >/dev/null
    for kind in "${kinds[@]}"; do
        python3 tests/patroni/writer.py "$kind" >"$work/written.$kind" 2>"$work/writer.$kind.log" &
        echo $! >"$work/writer.$kind"
    done
    for kind in "${kinds[@]}"; do await 20 "the client writes" accepted_since "$kind" 0; done
}
stop_writers() {
    local kind
    for kind in "${kinds[@]}"; do
        [ -e "$work/writer.$kind" ] || continue
        kill "$(cat "$work/writer.$kind")" 2>/dev/null || true
        wait "$(cat "$work/writer.$kind")" 2>/dev/null || true
        rm "$work/writer.$kind"
    done
}
accepted_since() { # KIND MILLISECONDS [HOST]: when the first row was taken that was begun since then, by that node
    awk -v since="$2" -v by="${3:+${address[$3]}}" \
        '$1 >= since && NF == 4 && (by == "" || $4 == by) { print $2; found = 1; exit } END { exit !found }' "$work/written.$1"
}
all_accepted_since() { # MILLISECONDS [HOST]
    local kind
    for kind in "${kinds[@]}"; do accepted_since "$kind" "$@" >/dev/null || return; done
}

# TOTAL FAILED GAP: the longest time between the ends of two rows that were taken, one after the other.
figures() { # KIND
    awk '{ total++ }
        NF != 4 { failed++; next }
        { if (last && $2 - last > gap) gap = $2 - last; last = $2 }
        END { printf "%d %d %d\n", total, failed, gap }' "$work/written.$1"
}
# Rows that were taken, says the client, and are not there.
lost() { # KIND HOST
    comm -23 <(awk 'NF == 4 { print $3 }' "$work/written.$1" | sort) \
        <(query "$2" "SELECT sequence FROM written WHERE kind = '$1'" | sort) | wc -l
}
# Of rows begun after the new leader took one, none was taken by the old one.
none_at() { # KIND OLD NEW
    local since
    since=$(accepted_since "$1" 0 "$3") || fail "no row was taken by $3"
    ! accepted_since "$1" "$since" "$2" >/dev/null || fail "a row went to $2 after $3 had taken one"
}
# The report for a change of leaders, and what is promised about it.
writers_saw() { # WHAT OLD NEW LONGEST-GAP
    local kind total failed gap described
    stop_writers
    for kind in "${kinds[@]}"; do
        read -r total failed gap < <(figures "$kind")
        described="a connection for each row"
        [ "$kind" = fresh ] || described="one connection, kept"
        say "$1, $described: $((total - failed)) rows written, $failed failed, $(lost "$kind" "$3") lost with the old leader"
        at_most "longest time without a row written" "$gap" "$4" ms
        [ "$2" = "$3" ] || none_at "$kind" "$2" "$3"
    done
}
