#!/usr/bin/env bash
# Installs what building and testing needs and is not there yet.
#
# Build tools come from the distribution's packages. Servers (etcd, nginx, HAProxy) are only unpacked, below
# target/tools: installing them would enable and start system services.
#
#   tests/deps.sh [e2e|faults|instructions]    also what `make test-e2e`, `make test-faults` or
#                                              `make instructions` needs
set -euo pipefail
cd "$(dirname "$0")/.."

tools=$PWD/target/tools
export PATH="$tools/usr/bin:$tools/usr/sbin:$PATH:/usr/sbin:/sbin"

say() { printf 'deps: %s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

if ! have cargo; then
    say "Rust is missing: install it (https://rustup.rs), version 1.88 or later, then try again"
    exit 2
fi

packages=()
have cc || packages+=(gcc libc6-dev)
have protoc || packages+=(protobuf-compiler)
# Debian's protoc comes without the standard types.
[ -e /usr/include/google/protobuf/descriptor.proto ] || ! [ "$(command -v protoc || echo /usr/bin/protoc)" = /usr/bin/protoc ] ||
    packages+=(libprotobuf-dev)
have systemd-analyze || packages+=(systemd)
have curl || packages+=(curl)
have bindfs || packages+=(bindfs)
[ "${1:-}" != e2e ] || have debootstrap || packages+=(debootstrap)
[ "${1:-}" != instructions ] || have valgrind || packages+=(valgrind)

# A server's binary, and the packages that may hold it: that differs between releases.
servers=()
have etcd || servers+=("etcd etcd-server etcd")
have etcdctl || servers+=("etcdctl etcd-client etcd")
have haproxy || servers+=("haproxy haproxy")
have nginx || servers+=("nginx nginx nginx-core nginx-light")
# A library: only unpacked like them.
has_faketime() { compgen -G "$tools/usr/lib/*/faketime/libfaketimeMT.so.1" || compgen -G "/usr/lib/*/faketime/libfaketimeMT.so.1"; }
faketime=()
[ "${1:-}" != faults ] || has_faketime >/dev/null || faketime=(libfaketime)

[ $((${#packages[@]} + ${#servers[@]} + ${#faketime[@]})) -gt 0 ] || exit 0

if ! have apt-get; then
    say "this system has no apt-get; please install: ${packages[*]} ${servers[*]%% *} ${faketime[*]}"
    exit 2
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    have sudo || { say "neither root nor sudo; please install: ${packages[*]} ${servers[*]%% *} ${faketime[*]}"; exit 2; }
    as_root=(sudo)
fi
install() {
    say "installing $*"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --quiet=2 --no-install-recommends "$@" >/dev/null
}

say "updating the package lists"
"${as_root[@]}" apt-get update --quiet=2 >/dev/null
[ ${#packages[@]} -eq 0 ] || install "${packages[@]}"

# Unpacks a package; prints the libraries that it depends on.
unpack() {
    (cd "$tools/packages" && apt-get download --quiet=2 "$1" >&2 2>/dev/null) || return 0
    local archive
    archive=$(find "$tools/packages" -name "${1}_*.deb" | tail -n 1)
    dpkg-deb --extract "$archive" "$tools"
    dpkg-deb --field "$archive" Depends | tr ',' '\n' | sed 's/^ *//; s/[ (|].*//' |
        grep '^lib' | grep -v '^libnginx' || true
}

mkdir -p "$tools/packages"
libraries=()
for server in "${servers[@]}"; do
    read -r binary candidates <<<"$server"
    say "unpacking $binary below target/tools"
    for package in $candidates; do
        mapfile -t needed < <(unpack "$package")
        hash -r
        if have "$binary"; then
            libraries+=("${needed[@]}")
            break
        fi
    done
    have "$binary" || { say "no package has $binary; please install it"; exit 2; }
done
for package in "${faketime[@]}"; do
    say "unpacking $package below target/tools"
    mapfile -t needed < <(unpack "$package")
    libraries+=("${needed[@]}")
    has_faketime >/dev/null || { say "$package could not be unpacked; please install it"; exit 2; }
done
missing=()
for library in "${libraries[@]}"; do
    dpkg-query --show --showformat='${Status}' "$library" 2>/dev/null | grep -q ' installed' ||
        missing+=("$library")
done
[ ${#missing[@]} -eq 0 ] || install "${missing[@]}"
