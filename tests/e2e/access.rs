use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::running::outcome;
use crate::harness::{Confdir, Etcd, Logged, Nginx, Running, SOON, Wire, own_address, register};

/// Users enabled: root, and `web`, who may write below `/services/web/` and nothing else.
pub fn etcd_with_users() -> Etcd {
    with_users(Etcd::start())
}

pub fn with_users(mut etcd: Etcd) -> Etcd {
    add_users(&etcd);
    enable_authentication(&mut etcd);
    etcd
}

fn enable_authentication(etcd: &mut Etcd) {
    etcd.ctl(&["auth", "enable"]);
    etcd.use_client_flags(&["--user=root:secret"]);
}

/// After it etcd is asked without a name: a login would be refused.
fn disable_authentication(etcd: &mut Etcd) {
    etcd.ctl(&["auth", "disable"]);
    etcd.use_client_flags(&[]);
}

/// The same users, while authentication is not enabled.
fn etcd_that_knows_users() -> Etcd {
    let etcd = Etcd::start();
    add_users(&etcd);
    etcd
}

fn add_users(etcd: &Etcd) {
    etcd.ctl(&["user", "add", "root:secret"]);
    etcd.ctl(&["user", "grant-role", "root", "root"]);
    etcd.ctl(&["role", "add", "web"]);
    etcd.ctl(&[
        "role",
        "grant-permission",
        "web",
        "--prefix=true",
        "readwrite",
        "/services/web/",
    ]);
    etcd.ctl(&["user", "add", "web:sesame"]);
    etcd.ctl(&["user", "grant-role", "web", "web"]);
}

const WITHOUT_USERS: &str = "authentication_not_enabled";

#[test]
fn an_agent_may_be_given_its_password_before_authentication_is_enabled() {
    let (mut etcd, backend) = (etcd_that_knows_users(), Nginx::start());
    let agent = Running::agent(&etcd, &backend, &["--user", "web:sesame"]);
    etcd.wait_for(&backend.key(), SOON);
    enable_authentication(&mut etcd);
    etcd.ctl(&["del", &backend.key()]);
    etcd.wait_for(&backend.key(), SOON);
    etcd.kill();
    etcd.restart();
    etcd.ctl(&["del", &backend.key()]);
    etcd.wait_for(&backend.key(), SOON);
    assert_eq!(agent.said(WITHOUT_USERS), 1);
}

#[test]
fn an_agent_outlasts_that_authentication_is_disabled_and_enabled_again() {
    let (mut etcd, backend) = (etcd_with_users(), Nginx::start());
    let mut agent = Running::agent(&etcd, &backend, &["--user", "web:sesame"]);
    etcd.wait_for(&backend.key(), SOON);
    disable_authentication(&mut etcd);
    etcd.ctl(&["del", &backend.key()]);
    etcd.wait_for(&backend.key(), SOON);
    etcd.kill();
    etcd.restart();
    etcd.ctl(&["del", &backend.key()]);
    etcd.wait_for(&backend.key(), SOON);
    enable_authentication(&mut etcd);
    etcd.ctl(&["del", &backend.key()]);
    etcd.wait_for(&backend.key(), SOON);
    agent.signal(Signal::TERM);
    assert_eq!(agent.wait_for_exit(SOON), 0);
    assert_eq!(etcd.get(&backend.key()), None);
    assert_eq!(agent.said(WITHOUT_USERS), 1);
}

#[test]
fn an_agent_logs_in_again_over_the_connection_that_it_has() {
    let (mut etcd, backend) = (etcd_that_knows_users(), Nginx::start());
    let wire = Wire::to(etcd.address());
    let address = backend.address();
    let agent = Running::spawn(
        register()
            .args(["--service", "web", "--address", &address])
            .args(["--endpoints", &wire.url(), "--user", "web:sesame"]),
    );
    etcd.wait_for(&backend.key(), SOON);
    enable_authentication(&mut etcd);
    etcd.ctl(&["del", &backend.key()]);
    etcd.wait_for(&backend.key(), SOON);
    // What is changed about users makes tokens from before useless.
    etcd.ctl(&["user", "add", "another:password"]);
    etcd.ctl(&["del", &backend.key()]);
    etcd.wait_for(&backend.key(), SOON);
    assert_eq!(wire.connections(), 1, "{}", agent.log());
}

#[test]
fn commands_that_end_go_on_without_a_user_too_while_authentication_is_not_enabled() {
    let (etcd, backend) = (etcd_that_knows_users(), Nginx::start());
    let confdir = Confdir::new().with("app.conf", "keys = [\"/services\"]", "new\n");
    let web = ["--service", "web", "--address", &backend.address()];
    let commands = [
        [&["--once"][..], &web].concat(),
        vec!["list"],
        [&["deregister"][..], &web].concat(),
        vec!["render", "--once", "--confdir", &confdir.flag()],
    ]
    .map(|command| command.iter().map(ToString::to_string).collect::<Vec<_>>());
    for command in commands {
        let (code, _, complaint) = outcome(
            register()
                .args(&command)
                .args(["--user", "web:sesame", "--endpoints", &etcd.url()])
                .env("REGISTER_LOG_FORMAT", "json"),
        );
        assert_eq!(code, 0, "{command:?}: {complaint}");
        let said = Logged::of(&complaint, WITHOUT_USERS).len();
        assert_ne!(said, 0, "{command:?}: {complaint}");
    }
    assert_eq!(confdir.read("app.conf").unwrap(), "new\n");
}

#[test]
fn a_proxy_follows_while_authentication_is_enabled_and_disabled() {
    let mut etcd = etcd_that_knows_users();
    let template = "{{range getvs \"/services/web/*\"}}server {{.}};\n{{end}}";
    let confdir = Confdir::new().with("app.conf", "keys = [\"/services/web\"]", template);
    let put = |etcd: &Etcd, value: &str| {
        etcd.ctl(&["put", "/services/web/a", value]);
        confdir.wait_for("app.conf", &format!("server {value};\n"), SOON);
    };
    let proxy = Running::proxy(&etcd.url(), &confdir, &["--user", "web:sesame"]);
    put(&etcd, "1");
    enable_authentication(&mut etcd);
    put(&etcd, "2");
    etcd.kill();
    etcd.restart();
    put(&etcd, "3");
    disable_authentication(&mut etcd);
    put(&etcd, "4");
    etcd.kill();
    etcd.restart();
    put(&etcd, "5");
    assert_eq!(proxy.said(WITHOUT_USERS), 2, "{}", proxy.log());
}

#[test]
fn a_proxy_whose_role_is_narrowed_follows_what_is_left_to_it() {
    let mut etcd = etcd_with_users();
    let role = |does: &str, key: &[&str]| {
        etcd.ctl(&[&["role", does, "web"][..], key].concat());
    };
    role("grant-permission", &["readwrite", "/services/web"]);
    let template = "{{range getvs \"/services/web/*\"}}server {{.}};\n{{end}}";
    let confdir = Confdir::new().with("app.conf", "keys = [\"/services/web\"]", template);
    etcd.ctl(&["put", "/services/web/a", "1"]);
    let _proxy = Running::proxy(&etcd.url(), &confdir, &["--user", "web:sesame"]);
    confdir.wait_for("app.conf", "server 1;\n", SOON);
    role("revoke-permission", &["/services/web"]);
    etcd.kill();
    etcd.restart();
    etcd.ctl(&["put", "/services/web/a", "2"]);
    confdir.wait_for("app.conf", "server 2;\n", SOON);
}

#[test]
fn a_reason_that_changes_during_an_outage_is_said_too() {
    let (mut etcd, backend) = (etcd_with_users(), Nginx::start());
    let agent = Running::agent(&etcd, &backend, &["--user", "web:sesame"]);
    etcd.wait_for(&backend.key(), SOON);
    etcd.ctl(&["user", "delete", "web"]);
    etcd.kill();
    agent.wait_for_event("etcd_lost", SOON);
    let (refused, unknown) = ("Connection refused", "invalid user ID or password");
    agent.wait_for_event_with("etcd_still_lost", refused, SOON);
    etcd.restart();
    agent.wait_for_event_with("etcd_still_lost", unknown, SOON);
    assert_eq!(agent.said("etcd_lost"), 1);
    let said = agent.log().matches(refused).count();
    assert_eq!(said, 1, "{}", agent.log());
}

#[test]
fn a_user_with_a_password_file_and_a_narrow_role_is_enough() {
    let (etcd, backend) = (etcd_with_users(), Nginx::start());
    let password = tempfile::NamedTempFile::new().unwrap();
    fs::write(password.path(), "sesame\n").unwrap();
    let password_file = password.path().display().to_string();
    let mut agent = Running::agent(
        &etcd,
        &backend,
        &["--user", "web", "--password-file", &password_file],
    );
    etcd.wait_for(&backend.key(), SOON);
    agent.signal(Signal::TERM);
    assert_eq!(agent.wait_for_exit(SOON), 0);
    assert_eq!(etcd.get(&backend.key()), None);
}

#[test]
fn a_wrong_password_is_said_in_one_line_and_exits_3() {
    let (etcd, backend) = (etcd_with_users(), Nginx::start());
    let (code, said, complaint) = outcome(
        register()
            .args([
                "--service",
                "web",
                "--address",
                &backend.address(),
                "--endpoints",
                &etcd.url(),
            ])
            .args(["--user", "web:wrong", "--log-level", "error"]),
    );
    assert_eq!((code, said.as_str()), (3, ""));
    assert_eq!(
        complaint,
        format!(
            "register: etcd at {} refused: authentication failed, invalid user ID or password\n",
            etcd.url()
        )
    );
    assert_eq!(etcd.get(&backend.key()), None);
}

#[test]
fn a_role_that_does_not_cover_the_key_exits_3() {
    let (etcd, backend) = (etcd_with_users(), Nginx::start());
    let (code, _, complaint) = outcome(
        register()
            .args([
                "--service",
                "other",
                "--address",
                &backend.address(),
                "--endpoints",
                &etcd.url(),
            ])
            .args(["--user", "web:sesame", "--log-level", "error"]),
    );
    assert_eq!(code, 3);
    assert!(
        complaint.ends_with("refused: permission denied\n"),
        "{complaint}"
    );
}

/// As user `web`, whose role was made to allow no more than reading `/services/web/`.
fn allow_reading_only(etcd: &Etcd) {
    let permission = ["--prefix=true", "read", "/services/web/"];
    let grant = [&["role", "grant-permission", "web"][..], &permission].concat();
    etcd.ctl(&[
        "role",
        "revoke-permission",
        "web",
        "--prefix",
        "/services/web/",
    ]);
    etcd.ctl(&grant);
}

#[test]
fn a_role_that_may_read_but_not_write_exits_3_and_leaves_no_lease() {
    let (etcd, backend) = (etcd_with_users(), Nginx::start());
    allow_reading_only(&etcd);
    let mut agent = Running::agent(&etcd, &backend, &["--user", "web:sesame"]);
    assert_eq!(agent.wait_for_exit(SOON), 3);
    let said = Logged::lines(&agent.log()).pop().unwrap();
    assert_eq!(said.event(), "failed");
    let message = said.field("message");
    assert!(message.ends_with("refused: permission denied"), "{message}");
    assert_eq!(etcd.lease_count(), 0);
}

#[test]
fn a_role_that_loses_its_right_to_write_does_not_pile_leases_up() {
    let (etcd, backend) = (etcd_with_users(), Nginx::start());
    let agent = Running::agent(&etcd, &backend, &["--user", "web:sesame"]);
    etcd.wait_for(&backend.key(), SOON);
    allow_reading_only(&etcd);
    etcd.ctl(&["del", &backend.key()]);
    agent.wait_for_event_with("write_rejected", "permission denied", SOON);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(2) {
        let leases = etcd.lease_count();
        assert!(leases <= 1, "{leases} leases");
    }
    etcd.ctl(&[
        "role",
        "grant-permission",
        "web",
        "--prefix=true",
        "readwrite",
        "/services/web/",
    ]);
    etcd.wait_for(&backend.key(), SOON);
    assert_eq!(etcd.lease_count(), 1);
}

#[test]
fn a_refused_password_is_said_though_another_endpoint_is_down() {
    let (etcd, backend) = (etcd_with_users(), Nginx::start());
    let down = format!("http://{}", own_address());
    for endpoints in [
        format!("{},{down}", etcd.url()),
        format!("{down},{}", etcd.url()),
    ] {
        for once in [&[][..], &["--once"]] {
            let (code, _, complaint) = outcome(
                register()
                    .args(["--service", "web", "--address", &backend.address()])
                    .args(["--endpoints", &endpoints, "--user", "web:wrong"])
                    .args(["--log-level", "error"])
                    .args(once),
            );
            assert_eq!(code, 3, "{complaint}");
            assert!(
                complaint.contains("refused: authentication failed"),
                "{complaint}"
            );
        }
        let confdir = Confdir::new().with("app.conf", "keys = [\"/services\"]", "");
        let mut proxy = Running::proxy(&endpoints, &confdir, &["--user", "web:wrong"]);
        assert_eq!(proxy.wait_for_exit(SOON), 3);
        let log = proxy.log();
        assert!(log.contains("refused: authentication failed"), "{log}");
    }
}
