# Runs the functions scenario_…, in the order of their names. The test that sources this defines `explain`, for one
# that failed, `restore`, for the next one after that, and `in_step_with`, for what holds before each.

run_scenarios() { # [SCENARIO…]
    local scenario name status passed=0 failed=0
    for scenario in $(declare -F | awk '$3 ~ /^scenario_/ { print $3 }'); do
        name=${scenario#scenario_}
        [ $# -eq 0 ] || [[ " $* " = *" $name "* ]] || continue
        echo "-- ${name//_/ }"
        set +e
        (set -e && in_step_with "${backends[@]}" && "$scenario")
        status=$?
        set -e
        if [ $status -eq 0 ]; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            echo "FAILED ${name//_/ }"
            explain
            restore
        fi
    done
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}
