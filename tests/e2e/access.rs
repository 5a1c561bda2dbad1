use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::running::outcome;
use crate::harness::{Confdir, Etcd, Nginx, Pki, Running, SOON, Wire, own_address, register};

/// Users enabled: root, and `web`, who may write below `/services/web/` and nothing else.
pub fn etcd_with_users() -> Etcd {
    let mut etcd = etcd_that_knows_users();
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
    etcd
}

const WITHOUT_USERS: &str = "authentication is not enabled; going on without --user";

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
    assert_eq!(agent.log().matches(WITHOUT_USERS).count(), 1);
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
    assert_eq!(agent.log().matches(WITHOUT_USERS).count(), 1);
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
                .env("JOURNAL_STREAM", ""),
        );
        assert_eq!(code, 0, "{command:?}: {complaint}");
        assert!(
            complaint.contains(WITHOUT_USERS),
            "{command:?}: {complaint}"
        );
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
    assert_eq!(
        proxy.log().matches(WITHOUT_USERS).count(),
        2,
        "{}",
        proxy.log()
    );
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
    agent.wait_for_log("trying again until it answers", SOON);
    agent.wait_for_log("Connection refused (os error 111); still trying", SOON);
    etcd.restart();
    agent.wait_for_log("invalid user ID or password; still trying", SOON);
    let times = |text: &str| agent.log().matches(text).count();
    assert_eq!(times("trying again until it answers"), 1);
    assert_eq!(times("Connection refused"), 1, "{}", agent.log());
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
    let log = agent.log();
    assert!(log.ends_with("refused: permission denied\n"), "{log}");
    assert_eq!(etcd.lease_count(), 0);
}

#[test]
fn a_role_that_loses_its_right_to_write_does_not_pile_leases_up() {
    let (etcd, backend) = (etcd_with_users(), Nginx::start());
    let agent = Running::agent(&etcd, &backend, &["--user", "web:sesame"]);
    etcd.wait_for(&backend.key(), SOON);
    allow_reading_only(&etcd);
    etcd.ctl(&["del", &backend.key()]);
    agent.wait_for_log("permission denied; trying again", SOON);
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

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn tls_etcd(pki: &Pki) -> (Etcd, (PathBuf, PathBuf)) {
    let client = pki.issue("client", &["client"]);
    let ip = *own_address().ip();
    let (cert, key) = pki.issue("server", &[&ip.to_string()]);
    let etcd = Etcd::start_tls(
        ip,
        &pki.path("ca.pem"),
        (&cert, &key),
        (&client.0, &client.1),
    );
    (etcd, client)
}

#[test]
fn tls_with_a_client_certificate_registers() {
    let (pki, backend) = (Pki::new(), Nginx::start());
    let (etcd, (cert, key)) = tls_etcd(&pki);
    let (ca, cert, key) = (text(&pki.path("ca.pem")), text(&cert), text(&key));
    let _agent = Running::agent(
        &etcd,
        &backend,
        &["--cacert", &ca, "--cert", &cert, "--cert-key", &key],
    );
    etcd.wait_for(&backend.key(), SOON);
}

#[test]
fn a_certificate_of_an_unknown_authority_exits_3_unless_verification_is_off() {
    let (pki, other, backend) = (Pki::new(), Pki::new(), Nginx::start());
    let (etcd, (cert, key)) = tls_etcd(&pki);
    let (ca, cert, key) = (text(&other.path("ca.pem")), text(&cert), text(&key));
    let attempt = |flags: &[&str]| {
        outcome(
            register()
                .args([
                    "--once",
                    "--service",
                    "web",
                    "--address",
                    &backend.address(),
                ])
                .args([
                    "--endpoints",
                    &etcd.url(),
                    "--cert",
                    &cert,
                    "--cert-key",
                    &key,
                ])
                .args(flags),
        )
    };
    let (code, _, complaint) = attempt(&["--cacert", &ca]);
    assert_eq!(code, 3);
    assert!(
        complaint.contains("invalid peer certificate"),
        "{complaint}"
    );
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
    assert_eq!(etcd.get(&backend.key()), None);
    assert_eq!(attempt(&["--insecure-skip-tls-verify"]).0, 0);
}

#[test]
fn an_agent_without_the_certificate_that_etcd_asks_for_exits_3() {
    let (pki, backend) = (Pki::new(), Nginx::start());
    let (etcd, _) = tls_etcd(&pki);
    let (code, _, complaint) = outcome(
        register()
            .args([
                "--service",
                "web",
                "--address",
                &backend.address(),
                "--endpoints",
                &etcd.url(),
            ])
            .args([
                "--cacert",
                &text(&pki.path("ca.pem")),
                "--log-level",
                "error",
            ]),
    );
    assert_eq!(code, 3, "{complaint}");
    assert!(
        complaint.contains("refused: received fatal alert"),
        "{complaint}"
    );
}

#[test]
fn a_certificate_for_another_name_exits_3() {
    let (pki, backend) = (Pki::new(), Nginx::start());
    let (etcd, (cert, key)) = tls_etcd(&pki);
    // The same server, by an address that its certificate does not name.
    let url = Wire::to(etcd.address()).url().replace("http:", "https:");
    let (code, said, complaint) = outcome(
        register()
            .args(["--service", "web", "--address", &backend.address()])
            .args(["--endpoints", &url, "--cacert", &text(&pki.path("ca.pem"))])
            .args(["--cert", &text(&cert), "--cert-key", &text(&key)])
            .args(["--log-level", "error"]),
    );
    assert_eq!((code, said.as_str()), (3, ""));
    assert!(
        complaint.contains("invalid peer certificate: certificate not valid for name"),
        "{complaint}"
    );
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
    assert_eq!(etcd.get(&backend.key()), None);
}

#[test]
fn an_etcd_with_auto_tls_can_be_reached_unverified_and_is_explained_where_it_cannot() {
    let etcd = Etcd::start_auto_tls();
    let list = |flags: &[&str]| {
        outcome(
            register()
                .args(["list", "--endpoints", &etcd.url()])
                .args(flags),
        )
    };
    let (code, _, complaint) = list(&["--insecure-skip-tls-verify"]);
    assert_eq!((code, complaint.as_str()), (0, ""));
    let (code, _, complaint) = list(&[]);
    assert_eq!(code, 3);
    assert!(complaint.contains("P-521"), "{complaint}");
    assert!(
        complaint.contains("--insecure-skip-tls-verify"),
        "{complaint}"
    );
}

#[test]
fn etcds_own_certificate_is_taken_for_its_names() {
    let (pki, backend) = (Pki::new(), Nginx::start());
    let (etcd, (cert, key)) = tls_etcd(&pki);
    let (cert, key) = (text(&cert), text(&key));
    let own = text(&pki.path("server.pem"));
    let _agent = Running::agent(
        &etcd,
        &backend,
        &["--cacert", &own, "--cert", &cert, "--cert-key", &key],
    );
    etcd.wait_for(&backend.key(), SOON);
}

#[test]
fn a_certificate_that_etcd_asks_for_is_always_named() {
    let pki = Pki::new();
    let (etcd, _) = tls_etcd(&pki);
    let ca = text(&pki.path("ca.pem"));
    for _ in 0..20 {
        let (code, _, complaint) = outcome(
            register()
                .args(["list", "--endpoints", &etcd.url()])
                .args(["--cacert", &ca]),
        );
        assert_eq!(code, 3);
        assert!(
            complaint.contains("asks for a client's certificate"),
            "{complaint}"
        );
    }
}
