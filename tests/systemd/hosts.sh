# The tutorial's three hosts, as systemd containers on a bridge of their own. Sourced by run.sh.

declare -A address=([coreos-1]=10.132.249.206 [coreos-2]=10.132.249.212 [coreos-3]=10.132.248.177)
hosts=(coreos-1 coreos-2 coreos-3)
backends=(coreos-1 coreos-2)
proxy=coreos-3
ttl=5

members=$(printf ',%s=http://%s:2380' coreos-1 "${address[coreos-1]}" coreos-2 "${address[coreos-2]}" \
    coreos-3 "${address[coreos-3]}")
endpoints=$(printf ',http://%s:2379' "${address[@]}")
endpoints=${endpoints:1}

root_of() { echo "$work/$1/root"; }
service_key() { echo "/services/apache/${address[$1]}"; }

lay_network() {
    # Without one nspawn makes up no addresses for its cables.
    systemd-machine-id-setup >/dev/null 2>&1
    ip link set lo up
    # Its own address: a bridge else takes that of a port, and another when the port goes.
    ip link add name lab address 02:00:0a:84:00:01 type bridge
    ip address add 10.132.0.1/16 dev lab
    ip link set lab up
}

# What all hosts have in common: the lab's Debian, and what a package of register would install.
lay_product() {
    local product=$work/product unit
    install -D -m 0755 "$register" "$product/usr/bin/register"
    for unit in units/systemd/*.service; do
        install -D -m 0644 "$unit" "$product/etc/systemd/system/${unit##*/}"
    done
}

lay_host() {
    local name=$1 root
    root=$(root_of "$name")
    mkdir -p "$work/$name"/{changes,scratch,root,log}
    mount -t overlay "$name" "$root" -o \
        "lowerdir=$work/product:target/lab/root,upperdir=$work/$name/changes,workdir=$work/$name/scratch"
    echo "$name" >"$root/etc/hostname"
    echo "127.0.0.1 localhost $name" >"$root/etc/hosts"
    cat >"$root/etc/systemd/network/10-host0.network" <<CONF
[Match]
Name=host0
[Network]
Address=${address[$name]}/16
LinkLocalAddressing=no
IPv6AcceptRA=no
CONF
    cat >"$root/etc/default/etcd" <<CONF
ETCD_LISTEN_CLIENT_URLS=http://0.0.0.0:2379
ETCD_ADVERTISE_CLIENT_URLS=http://${address[$name]}:2379
ETCD_LISTEN_PEER_URLS=http://0.0.0.0:2380
ETCD_INITIAL_ADVERTISE_PEER_URLS=http://${address[$name]}:2380
ETCD_INITIAL_CLUSTER=${members:1}
CONF
    enable "$name" etcd
}

lay_backend() {
    local name=$1 root
    root=$(root_of "$name")
    printf '%s ' "$name" >"$root/var/www/html/index.html"
    cat >"$root/etc/default/apache-discovery" <<CONF
ADDRESS=${address[$name]}:80
ETCDCTL_ENDPOINTS=$endpoints
REGISTER_TTL=${ttl}s
CONF
    enable "$name" apache2 apache-discovery
}

lay_proxy() {
    local name=$1 root
    root=$(root_of "$name")
    rm "$root/etc/nginx/sites-enabled/default"
    sed -i 's|^error_log .*;|error_log /var/log/nginx/error.log notice;|' "$root/etc/nginx/nginx.conf"
    install -m 0644 units/images/nginx_lb/upstreamlog.conf "$root/etc/nginx/conf.d/"
    install -D -m 0644 units/confd/conf.d/nginx.toml "$root/etc/confd/conf.d/nginx.toml"
    install -D -m 0644 units/confd/templates/nginx.tmpl "$root/etc/confd/templates/nginx.tmpl"
    echo "ETCDCTL_ENDPOINTS=$endpoints" >"$root/etc/default/register-render"
    enable "$name" nginx register-render
}

enable() { chroot "$(root_of "$1")" systemctl --quiet enable "${@:2}" 2>/dev/null; }

# Every host gets a control group of its own: systemd manages all of the one that it is started in.
boot() { # NAME [FLAG of systemd-nspawn]…
    local name=$1
    (
        local hierarchy
        for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
            [ -e "$hierarchy/cgroup.procs" ] || continue
            mkdir -p "$hierarchy/$lab_group/$name"
            echo "$BASHPID" >"$hierarchy/$lab_group/$name/cgroup.procs"
        done
        exec systemd-nspawn --quiet --boot --register=no --keep-unit --link-journal=no --console=pipe --kill-signal=SIGRTMIN+4 \
            --machine="$name" --directory="$(root_of "$name")" --network-bridge=lab \
            --bind="$work/$name/log:/var/log/nginx" "${@:2}"
    ) </dev/null >>"$work/$name/console" 2>&1 &
    echo $! >"$work/$name/nspawn"
    await 20 "$name boots" leader "$name"
}
leader() { pgrep --parent "$(cat "$work/$1/nspawn")" systemd; }
is_down() { ! kill -0 "$(cat "$work/$1/nspawn")" 2>/dev/null; }
shut_down() {
    kill "$(cat "$work/$1/nspawn")"
    await 60 "$1 shuts down" is_down "$1"
}
cut_power() {
    kill -KILL "$(leader "$1")"
    await 10 "$1 is dead" is_down "$1"
}
cable() { ip link set "vb-$1" "$2"; } # NAME up|down

on() { nsenter --target "$(leader "$1")" --mount --uts --ipc --net --pid --cgroup "${@:2}"; }

end_hosts() {
    local name hierarchy
    for name in "${hosts[@]}"; do
        [ ! -e "$work/$name/nspawn" ] || is_down "$name" || cut_power "$name"
    done
    for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
        find "$hierarchy/$lab_group" -depth -type d -exec rmdir {} + 2>/dev/null || true
    done
}
