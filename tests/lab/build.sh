#!/usr/bin/env bash
# Builds, once, the Debian roots that the tests with systemd and containers run in:
#
#   target/lab/base   the smallest one, from which container images are made
#   target/lab/root   base, with systemd, etcd, Apache, nginx, HAProxy, Docker, PostgreSQL and Patroni from their
#                     packages
#
# Nothing is started in either, and the machine's own packages stay as they are.
set -euo pipefail
cd "$(dirname "$0")/../.."

lab=$PWD/target/lab
packages=(
    systemd systemd-sysv systemd-container dbus iproute2 iptables procps curl
    apache2 nginx-light etcd-server etcd-client docker.io docker-registry
    patroni python3-etcd postgresql haproxy openssl
)
quiet_services=(apache2 apache-htcacheclean nginx etcd docker docker.socket containerd
    docker-registry patroni postgresql haproxy)

say() { printf 'lab: %s\n' "$*" >&2; }

# The machine's own mirror and release.
source_of() { # prints MIRROR SUITE
    local release
    release=$(. /etc/os-release && echo "$VERSION_CODENAME")
    # shellcheck disable=SC2016 # apt-get fills these in
    apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
        awk -v suite="$release" '$2 == suite && $3 == "main" { print $1, $2; exit }'
}
in_root() { chroot "$1" env DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin "${@:2}"; }

mkdir -p "$lab"
exec 9>"$lab/lock"
flock 9

if [ ! -e "$lab/base.done" ]; then
    read -r mirror suite < <(source_of)
    say "bootstrapping Debian's $suite below target/lab (two minutes)"
    rm -rf "$lab/base"
    debootstrap --variant=minbase "$suite" "$lab/base" "$mirror" >"$lab/base.log" 2>&1 ||
        { tail -n 20 "$lab/base.log" >&2; exit 1; }
    touch "$lab/base.done"
fi
wanted=${packages[*]}
if [ "$(cat "$lab/root.done" 2>/dev/null)" != "$wanted" ]; then
    say "installing packages into it"
    rm -rf "$lab/root" "$lab/root.done"
    cp -a "$lab/base" "$lab/root"
    # Nobody's daemon is started by a package, and Patroni makes PostgreSQL's clusters.
    printf '#!/bin/sh\nexit 101\n' >"$lab/root/usr/sbin/policy-rc.d"
    chmod +x "$lab/root/usr/sbin/policy-rc.d"
    install -D -m 0644 <(echo create_main_cluster=false) "$lab/root/etc/postgresql-common/createcluster.conf"
    {
        in_root "$lab/root" apt-get update --quiet=2
        in_root "$lab/root" apt-get install --yes --quiet=2 --no-install-recommends "${packages[@]}"
        in_root "$lab/root" systemctl disable "${quiet_services[@]}"
        in_root "$lab/root" systemctl enable systemd-networkd
        in_root "$lab/root" apt-get clean
        rm "$lab/root/usr/sbin/policy-rc.d"
    } >"$lab/root.log" 2>&1 </dev/null || { tail -n 20 "$lab/root.log" >&2; exit 1; }
    : >"$lab/root/etc/machine-id"
    echo "$wanted" >"$lab/root.done"
fi
