#!/usr/bin/env bash
# Gets what building and testing needs and is not there yet, from the distribution's packages.
#
# Root, or who has sudo, gets build tools installed. Servers (etcd, nginx, HAProxy, pgbouncer, Prometheus) are
# only unpacked, below target/tools: installing them would enable and start system services. So is everything
# for whoever may not install anything.
#
#   tests/deps.sh [e2e|faults|instructions|mutants|page]    also what `make test-e2e`, `make test-faults`,
#                                                           `make instructions`, `make mutants` or
#                                                           `make test-page` needs
set -euo pipefail
cd "$(dirname "$0")/.."

tools=$PWD/target/tools
export PATH="$tools/usr/bin:$tools/usr/sbin:$PATH:/usr/sbin:/sbin"

say() { printf 'deps: %s\n' "$*" >&2; }
give_up() { say "$@"; exit 2; }
have() { command -v "$1" >/dev/null 2>&1; }
have_file() { compgen -G "$tools$1" >/dev/null || compgen -G "$1" >/dev/null; }

have cargo || give_up "Rust is missing: install it (https://rustup.rs), version 1.88 or later, then try again"

# From source, which takes a compiler first. What is there already cargo leaves alone, and asks nobody.
if [ "${1:-}" = mutants ]; then
    tests/deps.sh
    [ -x "$tools/cargo/bin/cargo-mutants" ] || say "building cargo-mutants below target/tools"
    exec cargo install --quiet --locked --version 27.1.0 --root "$tools/cargo" cargo-mutants
fi

# Packages that have to be installed; programs that work wherever they are; servers and libraries. A
# program or file, and the packages that may hold it: that differs between releases.
installed=() tools_wanted=() servers=()
have cc || installed+=(gcc libc6-dev)
[ "${1:-}" != e2e ] || have debootstrap || installed+=(debootstrap)
# A browser looks for the rest of itself where it was built to be.
[ "${1:-}" != page ] || have chromium || installed+=(chromium)
[ "${1:-}" != page ] || have chromedriver || installed+=(chromium-driver)
[ "${1:-}" != instructions ] || have valgrind || installed+=(valgrind)
# It mounts odd file systems, which takes root.
[ "$(id -u)" -ne 0 ] || have bindfs || installed+=(bindfs)
have protoc || tools_wanted+=("protoc protobuf-compiler")
# Debian's protoc comes without the standard types, and looks for them beside itself.
standard_types=/usr/include/google/protobuf/descriptor.proto
case $(command -v protoc || true) in
/usr/bin/protoc) [ -e "$standard_types" ] || tools_wanted+=("$standard_types libprotobuf-dev") ;;
"$tools"/* | "") [ -e "$tools$standard_types" ] || tools_wanted+=("$standard_types libprotobuf-dev") ;;
esac
have systemd-analyze || tools_wanted+=("systemd-analyze systemd")
have curl || tools_wanted+=("curl curl")
have openssl || tools_wanted+=("openssl openssl")
have etcd || servers+=("etcd etcd-server etcd")
have etcdctl || servers+=("etcdctl etcd-client etcd")
have haproxy || servers+=("haproxy haproxy")
have nginx || servers+=("nginx nginx nginx-core nginx-light")
have pgbouncer || servers+=("pgbouncer pgbouncer")
have promtool || servers+=("promtool prometheus")
faketime="/usr/lib/*/faketime/libfaketimeMT.so.1"
[ "${1:-}" != faults ] || have_file "$faketime" || servers+=("$faketime libfaketime")

[ $((${#installed[@]} + ${#tools_wanted[@]} + ${#servers[@]})) -gt 0 ] || exit 0
second_words() { printf '%s\n' "$@" | awk 'NF { print $2 }' | xargs; }
have apt-get || give_up "this system has no apt-get; please install: ${installed[*]}" \
    "$(second_words "${tools_wanted[@]}" "${servers[@]}")"

# Whether root's rights are to be had; sudo may ask for a password where there is a terminal.
as_root=()
become_root() {
    [ "$(id -u)" -ne 0 ] || return 0
    have sudo || return 1
    sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -v; } || return 1
    as_root=(sudo)
}

read -ra packages <<<"${installed[*]} $(second_words "${tools_wanted[@]}")"
if [ ${#packages[@]} -gt 0 ] && become_root; then
    say "installing ${packages[*]}"
    "${as_root[@]}" apt-get update --quiet=2 >/dev/null
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --quiet=2 --no-install-recommends "${packages[@]}" >/dev/null
elif [ ${#installed[@]} -gt 0 ]; then
    give_up "neither root nor sudo: please have these packages installed: ${installed[*]}"
else
    servers+=("${tools_wanted[@]}")
fi
[ ${#servers[@]} -gt 0 ] || exit 0

# Package lists of our own: that takes no rights, and leaves the system's as they are.
apt=$tools/apt
mkdir -p "$tools/packages" "$apt/lists/partial" "$apt/archives/partial"
as_user=(-o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt" -o APT::Sandbox::User="$(id -un)"
    -o Debug::NoLocking=true)
say "updating the package lists below target/tools"
apt-get "${as_user[@]}" update --quiet=2 >/dev/null || say "not all package lists could be updated"

# Unpacks a package, with those that it needs and the system has not: as far as apt can tell.
unpack() {
    local plan new=("$1") archive
    if plan=$(apt-get "${as_user[@]}" install --simulate --no-install-recommends "$1" 2>/dev/null); then
        mapfile -t new < <(awk '$1 == "Inst" && $3 !~ /^\[/ { print $2 }' <<<"$plan")
    fi
    rm -f "$tools/packages"/*.deb
    [ ${#new[@]} -gt 0 ] || return 0
    (cd "$tools/packages" && apt-get "${as_user[@]}" download --quiet=2 "${new[@]}" >/dev/null 2>&1) || return 0
    for archive in "$tools/packages"/*.deb; do
        dpkg-deb --extract "$archive" "$tools"
    done
}

# A program whose libraries were unpacked too is started with them.
find_libraries() {
    local program directories
    program=$(command -v "$1")
    ldd "$program" 2>/dev/null | grep -q 'not found' || return 0
    directories=$(find "$tools" -name 'lib*.so*' -printf '%h\n' | sort -u | paste -sd :)
    if LD_LIBRARY_PATH=$directories ldd "$program" | grep -q 'not found'; then
        rm "$program"
        give_up "no package has all libraries of $1; please install it"
    fi
    mv "$program" "$program.unpacked"
    cat >"$program" <<WRAPPER
#!/bin/sh
export LD_LIBRARY_PATH="$directories\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
exec "$program.unpacked" "\$@"
WRAPPER
    chmod +x "$program"
}

is_there() {
    case $1 in
    /*) have_file "$1" ;;
    *) hash -r && have "$1" ;;
    esac
}
for server in "${servers[@]}"; do
    read -r wanted candidates <<<"$server"
    say "unpacking $wanted below target/tools"
    for package in $candidates; do
        is_there "$wanted" || unpack "$package"
    done
    is_there "$wanted" || give_up "no package has $wanted; please install it"
    case $wanted in
    /*) ;;
    *) find_libraries "$wanted" ;;
    esac
done
