use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::access::etcd_with_users;
use crate::etcd_tls::tls_etcd;
use crate::harness::running::outcome;
use crate::harness::{Confdir, Etcd, Nginx, Pki, own_address, register};

const WEB: &str = "keys = [\"/services/web\"]";
const SERVERS: &str = "{{range getvs \"/services/web/*\"}}server {{.}};\n{{end}}";

/// What it found: names, states, messages and advice.
struct Report {
    code: i32,
    findings: Vec<Value>,
    text: String,
}

impl Report {
    fn of(command: &mut Command) -> Self {
        let (code, text, complaint) = outcome(command.args(["--output", "json"]));
        let findings = serde_json::from_str(&text);
        let findings = findings.unwrap_or_else(|error| panic!("{error}: {text}{complaint}"));
        Self {
            code,
            findings,
            text,
        }
    }

    /// State, message and advice of the one line whose name ends like this.
    fn line(&self, name: &str) -> (&str, &str, &str) {
        let mut found = self.findings.iter();
        let found = found.find(|finding| finding["name"].as_str().unwrap().ends_with(name));
        let found = found.unwrap_or_else(|| panic!("no {name} in {}", self.text));
        let text = |field: &str| found[field].as_str().unwrap_or_default();
        (text("state"), text("message"), text("advice"))
    }

    fn state(&self, name: &str) -> &str {
        self.line(name).0
    }

    /// Names of all lines in this state.
    fn names(&self, state: &str) -> Vec<&str> {
        let found = self
            .findings
            .iter()
            .filter(|finding| finding["state"] == state);
        found
            .map(|finding| finding["name"].as_str().unwrap())
            .collect()
    }
}

fn doctor(endpoints: &str) -> Command {
    let mut command = register();
    command.args(["doctor", "--endpoints", endpoints]);
    command
}

/// For the service `web`, which is at the address of `backend`.
fn of_web(endpoints: &str, backend: &Nginx) -> Command {
    let mut command = doctor(endpoints);
    command.args(["--service", "web", "--address", &backend.address()]);
    command
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn where_all_is_well_each_line_is_ok_and_nothing_is_written() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    let confdir = Confdir::new().with(
        "web.conf",
        &format!("{WEB}\nreload_cmd = \"sh -c true\""),
        SERVERS,
    );
    let before = etcd.revision();
    let (code, said, complaint) =
        outcome(of_web(&etcd.url(), &backend).args(["--confdir", &confdir.flag()]));
    assert_eq!((code, complaint.as_str()), (0, ""), "{said}");
    let (url, key) = (etcd.url(), backend.key());
    let file = text(&confdir.path("conf.d/web.conf.toml"));
    for line in [
        format!(
            "ok       etcd {url}: TCP: connected to {} in ",
            etcd.address()
        ),
        format!("ok       etcd {url}: member: etcd 3."),
        format!("ok       service {key}: rights: may read, put and delete it\n"),
        "ok       TTL 30s: etcd grants it\n".to_owned(),
        format!("ok       service {key}: check: healthy: HTTP status 200 in "),
        format!("ok       confdir {}: 1 resource is sound\n", confdir.flag()),
        format!("ok       resource {file}: reload_cmd: starts /"),
        format!("ok       resource {file}: rights: may read /services/web/; no key is there yet\n"),
    ] {
        assert!(said.contains(&line), "{line} in {said}");
    }
    assert!(
        said.ends_with("\n8 ok, 0 warnings, 0 faults, 0 skipped\n"),
        "{said}"
    );
    assert_eq!(etcd.revision(), before);
    assert_eq!((etcd.get(&key), etcd.lease_count()), (None, 0));
}

#[test]
fn quiet_says_nothing_where_all_is_well_and_everything_where_it_is_not() {
    let (etcd, mut backend) = (Etcd::start(), Nginx::start());
    let said = outcome(of_web(&etcd.url(), &backend).arg("--quiet"));
    assert_eq!(said, (0, String::new(), String::new()));
    backend.stop();
    let (code, said, _) = outcome(of_web(&etcd.url(), &backend).arg("--quiet"));
    assert_eq!(code, 1);
    assert!(said.starts_with("ok       etcd "), "{said}");
}

#[test]
fn what_is_not_configured_is_not_looked_at_and_etcd_always_is() {
    let etcd = Etcd::start();
    let confdir = Confdir::new().with("web.conf", WEB, SERVERS);
    let report = Report::of(doctor(&etcd.url()).args(["--confdir", &confdir.flag()]));
    assert_eq!(report.code, 0, "{}", report.text);
    assert_eq!(report.state("member"), "ok");
    assert_eq!(report.names("skipped"), ["services"]);
}

#[test]
fn a_flag_that_is_wrong_exits_2_and_asks_nobody() {
    let (code, said, complaint) = outcome(doctor("ftp://x:1").args(["--service", "web"]));
    assert_eq!((code, said.as_str()), (2, ""));
    assert!(complaint.contains("--address is missing"), "{complaint}");
    assert!(
        complaint.contains("--endpoints \"ftp://x:1\""),
        "{complaint}"
    );
}

#[test]
fn an_etcd_that_is_down_is_a_fault_and_the_backend_is_looked_at_all_the_same() {
    let (mut etcd, backend) = (Etcd::start(), Nginx::start());
    etcd.kill();
    let report = Report::of(&mut of_web(&etcd.url(), &backend));
    assert_eq!(report.code, 1);
    let (state, message, advice) = report.line("TCP");
    assert_eq!(state, "fault");
    assert!(message.contains("refused"), "{message}");
    assert!(advice.contains("start etcd"), "{advice}");
    for name in ["member", "rights", "TTL 30s"] {
        let (state, message, _) = report.line(name);
        assert_eq!(state, "skipped");
        assert!(message.starts_with("not looked at: "), "{message}");
    }
    assert_eq!(report.state("check"), "ok");
}

#[test]
fn an_etcd_that_hangs_is_a_fault_within_seconds() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    etcd.hang();
    let begun = Instant::now();
    let report = Report::of(&mut of_web(&etcd.url(), &backend));
    etcd.resume();
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(report.code, 1);
    assert_eq!(report.state("TCP"), "ok");
    let (state, message, advice) = report.line("member");
    assert_eq!((state, message), ("fault", "no answer within 3s"));
    assert!(advice.contains("hangs"), "{advice}");
    assert_eq!(report.state("rights"), "skipped");
}

#[test]
fn one_endpoint_of_several_that_is_down_is_a_warning_while_another_serves() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    let down = format!("http://{}", own_address());
    let report = Report::of(&mut of_web(&format!("{down},{}", etcd.url()), &backend));
    assert_eq!(report.code, 0, "{}", report.text);
    let (state, message, _) = report.line(&format!("{down}: TCP"));
    assert_eq!(state, "warning");
    assert!(message.ends_with("; another endpoint serves"), "{message}");
    assert_eq!(
        report.names("skipped"),
        [format!("etcd {down}: member"), "proxy side".to_owned()]
    );
    assert_eq!(report.state("rights"), "ok");
}

#[test]
fn endpoints_of_two_clusters_are_warned_about() {
    let (one, other) = (Etcd::start(), Etcd::start());
    let report = Report::of(&mut doctor(&format!("{},{}", one.url(), other.url())));
    let (state, message, _) = report.line("etcd: cluster");
    assert_eq!((report.code, state), (0, "warning"));
    assert!(
        message.contains(&one.url()) && message.contains(&other.url()),
        "{message}"
    );
}

#[test]
fn a_learner_serves_nothing_and_is_told_apart() {
    let etcd = Etcd::start();
    let learner = etcd.start_learner();
    let report = Report::of(&mut doctor(&format!("{},{}", learner.url(), etcd.url())));
    let (state, message, advice) = report.line(&format!("{}: member", learner.url()));
    assert_eq!((report.code, state), (0, "warning"));
    assert!(message.contains("learner"), "{message}");
    assert!(advice.contains("etcdctl member promote"), "{advice}");
}

#[test]
fn a_name_without_an_address_is_told_as_such() {
    let report = Report::of(&mut doctor("http://no-such-host.invalid:2379"));
    assert_eq!((report.code, report.state("DNS")), (1, "fault"));
    assert_eq!(report.state("TCP"), "skipped");
}

#[test]
fn a_certificate_of_an_unknown_ca_is_explained_and_one_of_a_known_ca_is_valid() {
    let (pki, other) = (Pki::new(), Pki::new());
    let (etcd, (cert, key)) = tls_etcd(&pki);
    let look = |ca: &Pki| {
        let mut command = doctor(&etcd.url());
        command.args(["--cacert", &text(&ca.path("ca.pem"))]);
        command.args(["--cert", &text(&cert), "--cert-key", &text(&key)]);
        Report::of(&mut command)
    };
    let good = look(&pki);
    assert_eq!(good.code, 0, "{}", good.text);
    let ip = *etcd.address().ip();
    assert_eq!(
        good.line("TLS").1,
        format!("its certificate is valid for {ip}")
    );
    let bad = look(&other);
    let (state, message, advice) = bad.line("TLS");
    assert_eq!((bad.code, state), (1, "fault"));
    assert!(message.contains("invalid peer certificate"), "{message}");
    assert!(advice.contains("--cacert"), "{advice}");
    assert_eq!((bad.state("TCP"), bad.state("member")), ("ok", "skipped"));
}

#[test]
fn a_client_certificate_that_etcd_wants_is_asked_for() {
    let pki = Pki::new();
    let (etcd, _) = tls_etcd(&pki);
    let report = Report::of(doctor(&etcd.url()).args(["--cacert", &text(&pki.path("ca.pem"))]));
    let (state, _, advice) = report.line("TLS");
    assert_eq!((report.code, state), (1, "fault"), "{}", report.text);
    assert!(advice.contains("--cert-key"), "{advice}");
}

#[test]
fn a_certificate_for_another_name_is_explained() {
    let pki = Pki::new();
    let (etcd, (cert, key)) = tls_etcd(&pki);
    let url = crate::harness::Wire::to(etcd.address()).url();
    let mut command = doctor(&url.replace("http:", "https:"));
    command.args(["--cacert", &text(&pki.path("ca.pem"))]);
    let report = Report::of(command.args(["--cert", &text(&cert), "--cert-key", &text(&key)]));
    let (state, _, advice) = report.line("TLS");
    assert_eq!(state, "fault", "{}", report.text);
    assert!(advice.contains("use a name of its certificate"), "{advice}");
}

#[test]
fn https_for_an_etcd_without_tls_and_http_for_one_with_it_are_told_apart() {
    let etcd = Etcd::start();
    let https = etcd.url().replace("http:", "https:");
    let report = Report::of(doctor(&https).arg("--insecure-skip-tls-verify"));
    let (state, _, advice) = report.line("TLS");
    assert_eq!(state, "fault", "{}", report.text);
    assert!(advice.contains("write http://"), "{advice}");
    let pki = Pki::new();
    let (etcd, _) = tls_etcd(&pki);
    let report = Report::of(&mut doctor(&etcd.url().replace("https:", "http:")));
    let (state, _, advice) = report.line("TLS");
    assert_eq!(state, "fault", "{}", report.text);
    assert!(advice.contains("write https://"), "{advice}");
}

#[test]
fn a_wrong_password_is_a_fault_and_no_user_too_and_neither_is_repeated() {
    let (etcd, backend) = (etcd_with_users(), Nginx::start());
    let wrong = Report::of(of_web(&etcd.url(), &backend).args(["--user", "web:open-barley"]));
    let (state, _, advice) = wrong.line("login");
    assert_eq!((wrong.code, state), (1, "fault"), "{}", wrong.text);
    assert!(advice.contains("--password-file"), "{advice}");
    assert!(!wrong.text.contains("barley"), "{}", wrong.text);
    assert_eq!(
        (wrong.state("rights"), wrong.state("check")),
        ("skipped", "ok")
    );
    let nobody = Report::of(&mut of_web(&etcd.url(), &backend));
    let (state, _, advice) = nobody.line("member");
    assert_eq!((nobody.code, state), (1, "fault"));
    assert!(advice.contains("--user"), "{advice}");
}

#[test]
fn a_user_while_authentication_is_not_enabled_is_a_warning() {
    let etcd = Etcd::start();
    let report = Report::of(doctor(&etcd.url()).args(["--user", "web:sesame"]));
    assert_eq!((report.code, report.state("login")), (0, "warning"));
}

#[test]
fn a_key_that_a_role_may_read_but_not_write_is_a_fault_and_nothing_is_written() {
    let (etcd, backend) = (etcd_with_users(), Nginx::start());
    etcd.ctl(&[
        "role",
        "revoke-permission",
        "web",
        "--prefix=true",
        "/services/web/",
    ]);
    etcd.ctl(&[
        "role",
        "grant-permission",
        "web",
        "--prefix=true",
        "read",
        "/services/web/",
    ]);
    let before = etcd.revision();
    let report = Report::of(of_web(&etcd.url(), &backend).args(["--user", "web:sesame"]));
    let (state, message, advice) = report.line("rights");
    assert_eq!((report.code, state), (1, "fault"), "{}", report.text);
    assert_eq!(
        message,
        format!("may not put {}: permission denied", backend.key())
    );
    assert!(
        advice.contains("grant-permission ROLE readwrite /services/web/"),
        "{advice}"
    );
    assert!(advice.contains("user \"web\""), "{advice}");
    assert_eq!((etcd.revision(), etcd.lease_count()), (before, 0));
    assert_eq!(etcd.get(&backend.key()), None);
}

#[test]
fn rights_that_are_enough_write_nothing_and_leave_a_key_that_is_there_alone() {
    let (etcd, backend) = (etcd_with_users(), Nginx::start());
    etcd.put_leased(&backend.key(), "10.9.8.7:1", 60);
    let (held, before) = (etcd.get(&backend.key()), etcd.revision());
    let report = Report::of(of_web(&etcd.url(), &backend).args(["--user", "web:sesame"]));
    assert_eq!(
        (report.code, report.state("rights")),
        (0, "ok"),
        "{}",
        report.text
    );
    assert_eq!(
        (report.state("login"), report.state("TTL 30s")),
        ("ok", "ok")
    );
    assert_eq!((etcd.get(&backend.key()), etcd.revision()), (held, before));
    assert_eq!(etcd.lease_count(), 1);
}

#[test]
fn a_tree_that_a_resource_may_not_read_is_a_fault_of_that_resource() {
    let etcd = etcd_with_users();
    let confdir = Confdir::new().with("web.conf", WEB, SERVERS).with(
        "db.conf",
        "keys = [\"/services/db\"]",
        SERVERS,
    );
    // What its role covers is what lies below.
    etcd.ctl(&["role", "grant-permission", "web", "read", "/services/web"]);
    let flags = ["--user", "web:sesame", "--confdir", &confdir.flag()];
    let report = Report::of(doctor(&etcd.url()).args(flags));
    assert_eq!(report.code, 1);
    assert_eq!(
        report.state("web.conf.toml: rights"),
        "ok",
        "{}",
        report.text
    );
    let (state, message, _) = report.line("db.conf.toml: rights");
    assert_eq!(
        (state, message),
        ("fault", "may not read /services/db/: permission denied")
    );
}

#[test]
fn a_ttl_that_etcd_does_not_grant_is_a_warning_and_no_lease_is_left() {
    let (etcd, backend) = (Etcd::start_with_long_leases(), Nginx::start());
    let report = Report::of(of_web(&etcd.url(), &backend).args(["--ttl", "1s"]));
    let (state, message, _) = report.line("TTL 1s");
    assert_eq!((report.code, state), (0, "warning"), "{}", report.text);
    assert_eq!(message, "etcd grants 3s");
    assert_eq!(etcd.lease_count(), 0);
}

#[test]
fn an_etcd_without_room_is_a_fault_with_what_to_do() {
    let etcd = Etcd::start_with_quota(100_000);
    let filling = (0..100).map(|number| (format!("/fill/{number}"), "x".repeat(10_000)));
    let filled = filling.map(|(key, value)| etcd.try_ctl(&["put", &key, &value]));
    assert!(filled.into_iter().any(|put| put.is_err()), "it is full");
    let report = Report::of(&mut doctor(&etcd.url()));
    let (state, message, advice) = report.line("member");
    assert_eq!((report.code, state), (1, "fault"), "{}", report.text);
    assert!(message.contains("NOSPACE"), "{message}");
    assert!(advice.contains("alarm disarm"), "{advice}");
}

#[test]
fn a_check_that_fails_is_a_fault_and_what_it_says_of_itself_is_no_secret() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    let check = ["--check", "exec:test sesame = open"];
    let report = Report::of(of_web(&etcd.url(), &backend).args(check));
    let (state, message, advice) = report.line("check");
    assert_eq!((report.code, state), (1, "fault"), "{}", report.text);
    assert!(
        message.starts_with("unhealthy: the command ended with exit status: 1 in "),
        "{message}"
    );
    assert!(advice.contains("register check"), "{advice}");
    assert!(!report.text.contains("sesame"), "{}", report.text);
    assert_eq!(report.state("rights"), "ok");
}

#[test]
fn each_defect_of_a_confdir_and_each_missing_program_is_a_fault_of_its_own() {
    let etcd = Etcd::start();
    let confdir = Confdir::new()
        .with(
            "a.conf",
            &format!("{WEB}\nmode = \"x\"\nowner = \"nobody-of-that-name\""),
            SERVERS,
        )
        .with(
            "b.conf",
            &format!("{WEB}\nreload_cmd = \"no-such-program sesame\""),
            SERVERS,
        );
    let report = Report::of(doctor(&etcd.url()).args(["--confdir", &confdir.flag()]));
    assert_eq!(report.code, 1);
    assert_eq!(
        report.line("conf.d/a.conf.toml:5").0,
        "fault",
        "{}",
        report.text
    );
    let (state, message, advice) = report.line("b.conf.toml: reload_cmd");
    assert_eq!(
        (state, message),
        ("fault", "there is no program no-such-program")
    );
    assert!(advice.contains("PATH"), "{advice}");
    assert!(!report.text.contains("sesame"), "{}", report.text);
}

#[test]
fn all_services_of_a_file_are_looked_at_or_those_that_are_named() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("register.toml");
    let services = format!(
        "[etcd]\nendpoints = [{:?}]\n\
         [[service]]\nname = \"web\"\naddress = {:?}\n\
         [[service]]\nname = \"gone\"\naddress = \"{}\"\ncheck = \"tcp://{{address}}\"\n\
         [[service]]\nname = \"far\"\naddress = \"interface:no-such-one:80\"\n",
        etcd.url(),
        backend.address(),
        own_address(),
    );
    std::fs::write(&file, services).unwrap();
    let look = |names: &[&str]| {
        let mut command = register();
        command
            .args(["doctor", "--config", &text(&file)])
            .args(names);
        Report::of(&mut command)
    };
    let all = look(&[]);
    assert_eq!(all.code, 1);
    assert_eq!(all.state(&format!("{}: check", backend.key())), "ok");
    let faults = all.names("fault");
    assert_eq!(faults.len(), 2, "{}", all.text);
    assert_eq!(faults[0], "service far: address");
    assert!(
        faults[1].starts_with("service /services/gone/"),
        "{}",
        all.text
    );
    let web = look(&["web"]);
    assert_eq!((web.code, web.names("fault").len()), (0, 0), "{}", web.text);
}

#[test]
fn a_proxy_side_that_logs_in_elsewhere_is_looked_at_there_too() {
    let (ours, theirs, backend) = (Etcd::start(), Etcd::start(), Nginx::start());
    let directory = tempfile::tempdir().unwrap();
    let services = directory.path().join("register.toml");
    let service = format!(
        "[etcd]\nendpoints = [{:?}]\n[[service]]\nname = \"web\"\naddress = {:?}\n",
        ours.url(),
        backend.address()
    );
    std::fs::write(&services, service).unwrap();
    let settings = directory.path().join("confd.toml");
    std::fs::write(&settings, format!("nodes = [{:?}]\n", theirs.url())).unwrap();
    let confdir = Confdir::new().with("web.conf", WEB, SERVERS);
    theirs.ctl(&["put", "/blue/services/web/a", "1"]);
    let mut command = register();
    command.args([
        "doctor",
        "--config",
        &text(&services),
        "--confdir",
        &confdir.flag(),
    ]);
    command.args([
        "--config-file",
        &text(&settings),
        "--render-prefix",
        "/blue",
    ]);
    let report = Report::of(&mut command);
    assert_eq!(report.code, 0, "{}", report.text);
    for etcd in [&ours, &theirs] {
        assert_eq!(report.state(&format!("{}: member", etcd.url())), "ok");
    }
    let (_, message, _) = report.line("web.conf.toml: rights");
    assert_eq!(message, "may read /blue/services/web/");
}

#[test]
fn json_has_name_state_message_and_advice_of_each_line() {
    let (mut etcd, backend) = (Etcd::start(), Nginx::start());
    etcd.kill();
    let report = Report::of(&mut of_web(&etcd.url(), &backend));
    for finding in &report.findings {
        let fields: Vec<_> = finding.as_object().unwrap().keys().collect();
        assert_eq!(fields, ["advice", "message", "name", "state"]);
        let needs_advice = finding["state"] == "fault" || finding["state"] == "warning";
        assert_eq!(finding["advice"].is_string(), needs_advice, "{finding}");
    }
}
