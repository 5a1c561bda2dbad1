#!/usr/bin/env bash
# Does what docs/tutorial.md says, on three hosts under systemd with a Docker each. A command whose output the tutorial
# shows is repeated until that comes (`…` stands for anything); any other has to succeed at once.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ "${LAB:-}" != inside ]; then
    LAB_NETWORK=host tests/lab/enter.sh tests/containers/images.sh
    exec tests/lab/enter.sh tests/tutorial/run.sh
fi

register=${REGISTER:-target/debug/register}
work=/tmp/hosts
lab_group=register-lab-$(date +%s%N)
mkdir "$work"

. tests/lab/waiting.sh
. tests/systemd/hosts.sh
. tests/containers/docker.sh

clear_away() {
    local name
    for name in "${hosts[@]}"; do stop_docker "$work/$name/docker"; done
    end_hosts
}
trap clear_away EXIT
trap 'exit 130' INT TERM

# What the tutorial takes for granted: etcd, Docker, the addresses, register and its repository.
lay_tutorial() { # HOST
    local root
    root=$(root_of "$1")
    lay_host "$1"
    printf 'COREOS_PRIVATE_IPV4=%s\nCOREOS_PUBLIC_IPV4=%s\n' "${address[$1]}" "${address[$1]}" >"$root/etc/environment"
    # Docker itself runs outside of systemd's container, but in the host's network.
    printf '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n' >"$root/etc/systemd/system/docker.service"
    mkdir -p "$root/root/register" "$work/$1/docker"
    cp -r units "$root/root/register/units"
    boot "$1" --bind="$work/$1/docker:/run/docker-lab"
    on "$1" ln -s docker-lab/docker.sock /run/docker.sock
}
start_host_docker() { # HOST DATA-ROOT
    docker_net=$(leader "$1") start_docker "$work/$1/docker" "$2" "${registry_flags[@]}"
}

on_shell() { on "$1" bash -c "cd /root/register && $2"; }
matches() { # EXPECTED SEEN
    local pattern
    pattern=$(sed 's/[][*?\\]/\\&/g; s/…/*/g' <<<"$1")
    # shellcheck disable=SC2053 # it is a pattern
    [[ $2 == $pattern ]]
}
shows() { seen=$(on_shell "$1" "$2" 2>&1); matches "$3" "$seen"; }
step() { # HOST COMMAND EXPECTED
    local end seen=
    echo "$1# $2"
    if [ -z "$3" ]; then
        on_shell "$1" "$2" >"$work/seen" 2>&1 || { cat "$work/seen"; return 1; }
        return 0
    fi
    end=$(($(now) + 60000))
    until shows "$1" "$2" "$3"; do
        if [ "$(now)" -gt "$end" ]; then
            printf 'expected:\n%s\ncame:\n%s\n' "$3" "$seen"
            return 1
        fi
        sleep 0.2
    done
}
# Prints each command as HOST, COMMAND and EXPECTED, each ended by a zero byte.
steps() {
    awk '
        function flush() { if (host != "") printf "%s%c%s%c%s%c", host, 0, command, 0, expected, 0; host = "" }
        /^```/ { flush(); inside = ($0 == "```console"); next }
        !inside { next }
        match($0, /^coreos-[123]# /) {
            flush(); host = substr($0, 1, RLENGTH - 2); command = substr($0, RLENGTH + 1); expected = ""; next
        }
        { expected = expected (expected == "" ? "" : "\n") $0 }' docs/tutorial.md
}

# KillMode=mixed: Docker's client ends with its container, and is neither left nor killed.
stops_in_order() { # HOST UNIT CONTAINER
    local round
    for round in {1..5}; do
        on "$1" systemctl start "$2"
        await 20 "$3 runs" docker_at "$work/$1/docker" top "$3"
        on "$1" systemctl stop "$2"
        [ "$(on "$1" systemctl show --property=Result --value "$2")" = success ] || fail "$2 was killed or failed"
        [ "$(docker_at "$work/$1/docker" inspect --format '{{.State.ExitCode}}' "$3")" = 0 ] || fail "$3 was killed"
    done
}
explain() { for name in "${hosts[@]}"; do on "$name" journalctl --quiet --no-pager --lines=15 || true; done; }

lay_network
lay_product
for name in "${hosts[@]}"; do lay_tutorial "$name"; done
start_registry "$work/registry"
start_host_docker coreos-1 "$docker_data"
start_host_docker coreos-2 "$work/coreos-2/images"
start_host_docker coreos-3 "$work/coreos-3/images"

ran=0
while IFS= read -r -d '' host && IFS= read -r -d '' command && IFS= read -r -d '' expected; do
    step "$host" "$command" "$expected" </dev/null || { explain; exit 1; }
    # The tutorial's reader pushes what was built to Docker Hub.
    if [[ "$command" =~ ^docker\ build\ .*user_name/([a-z_]+)\  ]]; then
        publish "$work/$host/docker" "user_name/${BASH_REMATCH[1]}" "${BASH_REMATCH[1]}"
    fi
    ran=$((ran + 1))
done < <(steps)
echo "$ran commands of docs/tutorial.md did what it says"
[ "$ran" -gt 20 ]

(stops_in_order coreos-1 apache@7777 apache.7777 && stops_in_order coreos-3 nginx_lb nginx_lb) || { explain; exit 1; }
for name in "${hosts[@]}"; do
    ! on "$name" journalctl --quiet --boot --grep KillMode || fail "systemd warns on $name"
done
echo "containers stopped in order with their units"
