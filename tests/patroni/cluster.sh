# etcd with TLS and users, two nodes of PostgreSQL under Patroni, and HAProxy. Sourced by run.sh.

scope=main
patroni_ttl=10
patroni_loop_wait=2
patroni_retry_timeout=3

etcd_urls=$(printf ',https://%s:2379' "${address[@]}")
etcd_urls=${etcd_urls:1}
bin_of_postgres=$(cd target/lab/root && compgen -G 'usr/lib/postgresql/*/bin')
data=/var/lib/postgresql/$(cut -d / -f 4 <<<"$bin_of_postgres")/main

make_certificates() {
    local pki=$work/pki names
    mkdir "$pki"
    names=$(printf ',IP:%s' "${address[@]}")
    {
        openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=lab-ca -keyout "$pki/ca.key" -out "$pki/ca.crt"
        openssl req -newkey rsa:2048 -nodes -subj /O=lab -keyout "$pki/server.key" -out "$pki/server.csr"
        openssl x509 -req -in "$pki/server.csr" -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -CAcreateserial -days 30 \
            -extfile <(echo "subjectAltName=IP:127.0.0.1$names") -out "$pki/server.crt"
    } >"$work/pki.log" 2>&1 || { cat "$work/pki.log"; return 1; }
}
lay_certificates() { # HOST DIRECTORY OWNER
    local at
    at=$(root_of "$1")$2
    mkdir -p "$at"
    cp "$work/pki"/{ca.crt,server.crt,server.key} "$at"
    chmod 0600 "$at/server.key"
    chroot "$(root_of "$1")" chown -R "$3" "$2"
}

lay_etcd() { # HOST
    lay_certificates "$1" /etc/etcd/tls etcd
    sed -i '/CLIENT_URLS/d' "$(root_of "$1")/etc/default/etcd"
    cat >>"$(root_of "$1")/etc/default/etcd" <<CONF
ETCD_LISTEN_CLIENT_URLS=https://0.0.0.0:2379
ETCD_ADVERTISE_CLIENT_URLS=https://${address[$1]}:2379
ETCD_CERT_FILE=/etc/etcd/tls/server.crt
ETCD_KEY_FILE=/etc/etcd/tls/server.key
CONF
}
etcdctl_at() { on "$proxy" etcdctl --endpoints "$etcd_urls" --cacert /etc/etcd/tls/ca.crt "$@"; }
as_root_of_etcd() { etcdctl_at --user root:secret "$@"; }

# Patroni may write what is its own, and the proxy read it.
start_etcd() {
    await 40 "etcd answers" etcdctl_at endpoint health
    {
        etcdctl_at user add root:secret
        etcdctl_at user grant-role root root
        etcdctl_at role add patroni
        etcdctl_at role grant-permission patroni --prefix=true readwrite /service/
        etcdctl_at user add "patroni:patroni's own"
        etcdctl_at user grant-role patroni patroni
        etcdctl_at role add proxy
        etcdctl_at role grant-permission proxy --prefix=true read "/service/$scope/"
        etcdctl_at user add "proxy:proxy's own"
        etcdctl_at user grant-role proxy proxy
        etcdctl_at auth enable
    } >"$work/auth.log" 2>&1 || { cat "$work/auth.log"; return 1; }
}

lay_node() { # HOST
    local root name
    root=$(root_of "$1")
    lay_certificates "$1" /etc/patroni/tls postgres
    cat >"$root/etc/patroni/config.yml" <<CONF
scope: $scope
namespace: /service/
name: $1
restapi:
  listen: 0.0.0.0:8008
  connect_address: ${address[$1]}:8008
etcd3:
  hosts: [$(for name in "${hosts[@]}"; do printf '"%s:2379",' "${address[$name]}"; done)]
  protocol: https
  cacert: /etc/patroni/tls/ca.crt
  username: patroni
  password: "patroni's own"
bootstrap:
  dcs:
    ttl: $patroni_ttl
    loop_wait: $patroni_loop_wait
    retry_timeout: $patroni_retry_timeout
    postgresql:
      use_pg_rewind: true
      parameters:
        shared_buffers: 32MB
  initdb:
    - encoding: UTF8
    - data-checksums
postgresql:
  listen: 0.0.0.0:5432
  connect_address: ${address[$1]}:5432
  bin_dir: /$bin_of_postgres
  data_dir: $data
  authentication:
    superuser: { username: postgres, password: secret }
    replication: { username: replicator, password: secret }
  pg_hba:
    - local all all trust
    - host all all 127.0.0.1/32 scram-sha-256
    - host all all 10.132.0.0/16 scram-sha-256
    - host replication replicator 10.132.0.0/16 scram-sha-256
CONF
    chroot "$root" chown postgres /etc/patroni/config.yml
    chmod 0600 "$root/etc/patroni/config.yml"
    install -d "$root/etc/systemd/system/patroni.service.d"
    printf '[Service]\nEnvironment=PGDATA=%s\n' "$data" >"$root/etc/systemd/system/patroni.service.d/lab.conf"
}
# The second one joins a cluster that is there.
start_patroni() {
    on coreos-1 systemctl start patroni
    await 60 "coreos-1 leads" leads coreos-1
    on coreos-2 systemctl start patroni
    await 60 "coreos-2 follows" follows coreos-2
}
lay_table() {
    query coreos-1 "CREATE TABLE written (kind text, sequence bigint, at timestamptz DEFAULT clock_timestamp())" >/dev/null
}
patroni_version() { on coreos-1 patroni --version | awk '{ print $2 }'; }
postgres_version() { on coreos-1 "/$bin_of_postgres/postgres" --version | awk '{ print $3 }'; }

# HAProxy's own package, and both ways of keeping it in step: none is in force before use_render or use_confd.
lay_balancer() { # HOST
    local root
    root=$(root_of "$1")
    install -D -m 0644 units/confd/conf.d/patroni.toml "$root/etc/confd/conf.d/patroni.toml"
    install -D -m 0644 units/confd/templates/patroni.tmpl "$root/etc/confd/templates/patroni.tmpl"
    rm "$root/etc/haproxy/haproxy.cfg"
    lay_certificates "$1" /etc/confd/tls/etcd root
    cat >"$root/etc/default/register-render" <<CONF
REGISTER_ENDPOINTS=$etcd_urls
REGISTER_CACERT=/etc/confd/tls/etcd/ca.crt
REGISTER_USER=proxy
REGISTER_PASSWORD_FILE=/etc/confd/etcd.password
CONF
    (umask 077 && echo "proxy's own" >"$root/etc/confd/etcd.password")
    ln -s /usr/bin/register "$root/usr/local/bin/confd"
}
# The drop-in that makes HAProxy register's child, and the shipped resource as it is.
use_render() {
    [ ! -e "$work/render" ] || return 0
    use_nothing
    on "$proxy" mkdir -p /etc/systemd/system/haproxy.service.d
    install -m 0644 units/haproxy.service.d/register.conf \
        "$(root_of "$proxy")/etc/systemd/system/haproxy.service.d/register.conf"
    on "$proxy" systemctl daemon-reload
    on "$proxy" systemctl start haproxy
    touch "$work/render"
}
# confd's own files and unit, and HAProxy from its package as that is.
use_confd() {
    local root
    [ ! -e "$work/confd" ] || return 0
    use_nothing
    root=$(root_of "$proxy")
    rm "$root/etc/confd/conf.d/patroni.toml"
    install -m 0644 tests/patroni/confd/confd.toml "$root/etc/confd/confd.toml"
    install -m 0644 tests/patroni/confd/haproxy.toml "$root/etc/confd/conf.d/haproxy.toml"
    install -m 0644 tests/patroni/confd/haproxy.tmpl "$root/etc/confd/templates/haproxy.tmpl"
    install -m 0644 tests/patroni/confd/confd.service "$root/etc/systemd/system/confd.service"
    on "$proxy" rm -f /etc/systemd/system/haproxy.service.d/register.conf
    on "$proxy" systemctl daemon-reload
    # Its unit does not wait for a configuration: the one of before is what a host would have.
    on "$proxy" systemctl start haproxy
    on "$proxy" systemctl start confd
    touch "$work/confd"
}
use_nothing() {
    on "$proxy" systemctl stop haproxy
    rm -f "$work/render" "$work/confd"
}

# What Patroni says, asked of it directly.
leads() { curl --silent --fail --max-time 2 "http://${address[$1]}:8008/primary"; }
follows() {
    curl --silent --fail --max-time 2 "http://${address[$1]}:8008/replica" >/dev/null &&
        [ "$(query "$(other "$1")" "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'")" = 1 ]
}
other() { if [ "$1" = coreos-1 ]; then echo coreos-2; else echo coreos-1; fi; }
leader_key() { as_root_of_etcd get --print-value-only "/service/$scope/leader"; }
# When which member became the leader, a line each: MILLISECONDS HOST.
record_leaders() {
    as_root_of_etcd watch "/service/$scope/leader" 2>/dev/null |
        while read -r what && read -r _ && read -r value; do
            [ "$what" != PUT ] || echo "$(now) $value"
        done >"$work/leaders"
}
led_since() { # MILLISECONDS HOST: since when
    awk -v since="$1" -v host="$2" '$1 >= since && $2 == host { print $1; found = 1; exit } END { exit !found }' "$work/leaders"
}
member_positions() { # each member's name and WAL position
    local name
    for name in "${backends[@]}"; do
        echo "$name $(as_root_of_etcd get --print-value-only "/service/$scope/members/$name" |
            grep -o '"xlog_location":[0-9]*' | cut -d : -f 2)"
    done
}
query() { # HOST SQL: at that node itself
    on "$1" runuser -u postgres -- psql --no-psqlrc --tuples-only --no-align --command "$2"
}
