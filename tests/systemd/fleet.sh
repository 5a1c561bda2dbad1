# The tutorial's units in place of the packages'. Sourced by run.sh.

declare -A port=([coreos-1]=7777 [coreos-2]=8888)

lay_fleet() { # HOST
    local root
    root=$(root_of "$1")
    printf 'COREOS_PRIVATE_IPV4=%s\nCOREOS_PUBLIC_IPV4=%s\n' "${address[$1]}" "${address[$1]}" >"$root/etc/environment"
    install -m 0644 units/templates/*.service units/static/*.service "$root/etc/systemd/system/"
    printf '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n' \
        >"$root/etc/systemd/system/docker.service"
    install -m 0755 tests/systemd/docker "$root/usr/local/bin/docker"
    ln -sf /usr/local/bin/docker "$root/usr/bin/docker"
    on "$1" systemctl daemon-reload
}

main_pid() { on "$1" systemctl show --property=MainPID --value "$2"; } # HOST UNIT

use_fleet() {
    local name expected=()
    for name in "${hosts[@]}"; do lay_fleet "$name"; done
    for name in "${backends[@]}"; do
        on "$name" systemctl stop apache2
        on "$name" systemctl start "apache@${port[$name]}"
        expected+=("$(service_key "$name")" "${address[$name]}:${port[$name]}")
    done
    on "$proxy" systemctl stop register-render nginx
    on "$proxy" systemctl start nginx_lb
    await 20 "the sidekicks register" keys_are "${expected[@]}"
    await 10 "nginx serves both" served_by "${backends[@]}"
    for name in "${backends[@]}"; do
        await 10 "$name's sidekick is ready" on "$name" systemctl is-active "apache-discovery@${port[$name]}"
    done
    await 10 "nginx's sidekick is ready" on "$proxy" systemctl is-active nginx_lb-discovery
}
use_packages() {
    local name
    on "$proxy" systemctl stop nginx_lb
    on "$proxy" systemctl start nginx register-render
    for name in "${backends[@]}"; do restore_backend "$name"; done
}
restore_backend() { # HOST
    on "$1" systemctl stop "apache@${port[$1]}"
    [ ! -e "$(root_of "$1")/usr/bin/register.away" ] || on "$1" mv /usr/bin/register.away /usr/bin/register
    on "$1" rm -f /opt/bin/register
    on "$1" systemctl start apache2
}
main_pids() { # of all that the tutorial's units run
    local name
    for name in "${backends[@]}"; do
        main_pid "$name" "apache@${port[$name]}"
        main_pid "$name" "apache-discovery@${port[$name]}"
    done
    main_pid "$proxy" nginx_lb
    main_pid "$proxy" nginx_lb-discovery
}
