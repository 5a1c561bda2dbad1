use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::access::etcd_with_users;
use crate::harness::running::outcome;
use crate::harness::{Etcd, Logged, Nginx, register};

/// What `--config` names.
struct Services(TempDir);

impl Services {
    fn of(text: &str) -> Self {
        let services = Self(tempfile::tempdir().unwrap());
        services.write("a.toml", text);
        services
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }

    fn flag(&self) -> String {
        self.0.path().display().to_string()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = register();
        command.args(words).args(["--config", &self.flag()]);
        command
    }
}

fn etcd_at(etcd: &Etcd) -> String {
    format!("[etcd]\nendpoints = [\"{}\"]\n", etcd.url())
}

fn service(name: &str, address: &str, fields: &str) -> String {
    format!("[[service]]\nname = \"{name}\"\naddress = \"{address}\"\n{fields}\n")
}

/// Without probing.
fn unchecked(name: &str, address: &str) -> String {
    service(name, address, "check = \"none\"")
}

#[test]
fn lint_says_how_many_services_are_sound_and_asks_etcd_nothing() {
    let services = Services::of(&unchecked("web", "10.0.0.5:80"));
    let lint = |services: &Services| outcome(&mut services.command(&["lint"]));
    let sound = |text: &str| (0, text.to_owned(), String::new());
    assert_eq!(lint(&services), sound("1 service is sound\n"));
    services.write("services.d/b.toml", &unchecked("db", "10.0.0.5:81"));
    assert_eq!(lint(&services), sound("2 services are sound\n"));
    let (code, _, said) = outcome(&mut services.command(&["lint", "web"]));
    assert_eq!(code, 2);
    assert!(said.contains("SERVICE \"web\": must be left out"), "{said}");
    let (_, said, _) = outcome(&mut services.command(&["lint", "--quiet"]));
    assert_eq!(said, "");
}

#[test]
fn every_mistake_in_the_files_is_a_line_whatever_was_asked_for_and_nothing_is_started() {
    let etcd = Etcd::start();
    let services = Services::of(&(etcd_at(&etcd) + &unchecked("web", "10.0.0.5:80")));
    services.write(
        "b.toml",
        "[[service]]\nname = \"db\"\nadress = \"10.0.0.5:81\"\n",
    );
    services.write(
        "c.toml",
        "[etcd]\n\n[[service]]\nname = \"c\"\naddress = \"10.0.0.5:82\"\nttl = \"${NOT_SET}\"\n",
    );
    services.write("d.toml", "[[service]\n");
    let at = |name: &str| format!("register: {}/{name}", services.flag());
    let told = [
        at("c.toml, line 1: [etcd] is there already, at ") + &services.flag() + "/a.toml, line 1",
        at("d.toml, line 1: "),
        at("b.toml, line 3: adress: unknown field; did you mean address?"),
        at("b.toml, line 1: address is missing: give HOST:PORT, as in address = \"10.0.0.5:80\""),
        at("c.toml, line 6: ttl: the variable NOT_SET is not set, or empty"),
    ];
    let before = etcd.revision();
    for words in [&["lint"][..], &["--once"], &["deregister"], &[]] {
        let (code, said, complaint) = outcome(&mut services.command(words));
        assert_eq!((code, said.as_str()), (2, ""), "{complaint}");
        for line in &told {
            assert!(complaint.contains(line), "{line}: {complaint}");
        }
        assert_eq!(complaint.lines().count(), told.len(), "{complaint}");
    }
    assert_eq!(etcd.revision(), before);
}

#[test]
fn flags_of_one_service_are_refused_and_their_variables_warned_about() {
    let services = Services::of(&unchecked("web", "10.0.0.5:80"));
    let (code, _, complaint) = outcome(services.command(&[]).args(["--ttl", "9s"]));
    let refusal = "register: --ttl is for a single service; with --config, set ttl in its file\n";
    assert_eq!((code, complaint.as_str()), (2, refusal));
    let (code, _, complaint) = outcome(
        register()
            .args(["deregister", "--service", "web"])
            .env("REGISTER_CONFIG", services.flag()),
    );
    let refusal =
        "register: --service is for a single service; with REGISTER_CONFIG, set name in its file\n";
    assert_eq!((code, complaint.as_str()), (2, refusal));
    let flags = ["lint", "--log-format", "json"];
    let mut command = services.command(&flags);
    let variables = [("REGISTER_TTL", "0s"), ("REGISTER_INTERVAL", "")];
    let (code, _, complaint) = outcome(command.envs(variables));
    assert_eq!(code, 0);
    let warnings = Logged::of(&complaint, "variable_ignored");
    assert_eq!(warnings.len(), 1, "{complaint}");
    assert!(warnings[0].tells("REGISTER_TTL"), "{complaint}");
}

#[test]
fn what_is_no_file_keeps_nobody_waiting() {
    let services = Services::of(&unchecked("web", "10.0.0.5:80"));
    let pipe = services.0.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let begun = Instant::now();
    let pipe = pipe.display().to_string();
    for path in [
        &pipe,
        "/dev/zero",
        "/dev/full",
        "/nonexistent",
        "/proc/self/mem",
    ] {
        let (code, _, complaint) = outcome(register().args(["lint", "--config", path]));
        assert_eq!((code, complaint.lines().count()), (2, 1), "{complaint}");
        assert!(complaint.contains(path), "{complaint}");
    }
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_file_that_others_may_write_is_refused() {
    let services = Services::of(&unchecked("web", "10.0.0.5:80"));
    let file = services.0.path().join("a.toml");
    fs::set_permissions(&file, Permissions::from_mode(0o606)).unwrap();
    let (code, _, complaint) = outcome(&mut services.command(&["lint"]));
    let file = file.display();
    let told = format!(
        "register: {file}: everybody on this host may write it (mode 0606); run chmod o-w {file}\n"
    );
    assert_eq!((code, complaint), (2, told));
}

#[test]
fn once_does_each_service_and_its_exit_code_is_the_worst() {
    let (etcd, up, mut down) = (Etcd::start(), Nginx::start(), Nginx::start());
    down.stop();
    etcd.put_leased("/services/down/x", &down.address(), 60);
    let value = "value = { address = \"{address}\", weight = 10 }";
    let services = Services::of(
        &(etcd_at(&etcd)
            + "[defaults]\nttl = \"9s\"\nkey = \"/services/{service}/x\"\n"
            + &service("up", &up.address(), value)
            + &service("down", &down.address(), "")),
    );
    let checks = "pass = \"any\"\nchecks = [{ check = \"tcp://{address}\" }, { check = \"exec:test {port} -gt 1\" }]";
    services.write(
        "services.d/b.toml",
        &service("any", &down.address(), checks),
    );
    let (code, said, complaint) = outcome(&mut services.command(&["--once"]));
    assert_eq!((code, complaint.as_str()), (1, ""), "{said}");
    assert_eq!(
        said,
        "/services/up/x: healthy (HTTP status 200); registered for 9s\n\
         /services/down/x: unhealthy (Connection refused (os error 111)); deregistered\n\
         /services/any/x: healthy (check 2 (exec:…): the command passed); registered for 9s\n"
    );
    let value = format!("{{\"address\":\"{}\",\"weight\":10}}", up.address());
    assert_eq!(etcd.get("/services/up/x").unwrap().value, value);
    assert_eq!(etcd.get("/services/down/x"), None);
    let (code, said, _) = outcome(services.command(&["--once", "--quiet"]).arg("up"));
    assert_eq!((code, said.as_str()), (0, ""));
    let (_, said, _) = outcome(&mut services.command(&["--once", "--quiet"]));
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn a_drained_service_is_not_registered_whatever_its_health() {
    let etcd = Etcd::start();
    etcd.put_leased("/services/web/10.0.0.5", "10.0.0.5:80", 60);
    let drained = service("web", "10.0.0.5:80", "check = \"none\"\ndrained = true");
    let services = Services::of(&(etcd_at(&etcd) + &drained));
    let (code, said, _) = outcome(&mut services.command(&["--once"]));
    let told = "/services/web/10.0.0.5: drained; deregistered\n";
    assert_eq!((code, said.as_str()), (0, told));
    assert_eq!(etcd.get("/services/web/10.0.0.5"), None);
}

#[test]
fn deregister_removes_those_that_are_named_or_all() {
    let etcd = Etcd::start();
    let services = Services::of(
        &(etcd_at(&etcd)
            + &unchecked("web", "10.0.0.5:80")
            + &unchecked("web", "10.0.0.6:80")
            + &unchecked("db", "10.0.0.5:81")),
    );
    assert_eq!(outcome(&mut services.command(&["--once"])).0, 0);
    let said = |words: &[&str]| {
        let (code, said, complaint) = outcome(services.command(&["deregister"]).args(words));
        assert_eq!((code, complaint.as_str()), (0, ""));
        said
    };
    let one = "/services/web/10.0.0.6";
    assert_eq!(said(&[one]), format!("{one}: deregistered\n"));
    assert!(etcd.get("/services/web/10.0.0.5").is_some());
    assert_eq!(
        said(&["web"]),
        format!("/services/web/10.0.0.5: deregistered\n{one}: nothing of ours there\n")
    );
    assert!(etcd.get("/services/db/10.0.0.5").is_some());
    assert!(said(&[]).ends_with("/services/db/10.0.0.5: deregistered\n"));
    let (code, _, complaint) = outcome(services.command(&["deregister"]).arg("wbe"));
    let told = "register: SERVICE \"wbe\": there is no such service; did you mean web?\n";
    assert_eq!((code, complaint.as_str()), (2, told));
}

#[test]
fn what_etcd_refuses_of_one_service_is_told_and_the_others_are_done() {
    let etcd = etcd_with_users();
    let services = Services::of(
        &(etcd_at(&etcd)
            + "user = \"web:sesame\"\n"
            + &unchecked("db", "10.0.0.5:81")
            + &unchecked("web", "10.0.0.5:80")),
    );
    for words in [&["--once"][..], &["deregister"]] {
        let (code, said, complaint) = outcome(&mut services.command(words));
        assert_eq!((code, complaint.as_str()), (3, ""), "{said}");
        let lines: Vec<_> = said.lines().collect();
        assert!(lines[0].starts_with("/services/db/10.0.0.5: "), "{said}");
        assert!(lines[0].contains("etcd could not be told: "), "{said}");
        assert!(lines[0].contains("permission denied"), "{said}");
        assert!(
            lines[1].ends_with("registered for 30s") || lines[1].ends_with(": deregistered"),
            "{said}"
        );
    }
}

#[test]
fn without_etcd_each_service_says_so_and_a_hung_member_is_left_for_the_next() {
    let members = Etcd::start_cluster(3);
    let urls: Vec<_> = members.iter().map(Etcd::url).collect();
    let many: String = (0..300)
        .map(|n| unchecked(&format!("s{n}"), "10.0.0.5:80"))
        .collect();
    let services = Services::of(&(format!("[etcd]\nendpoints = {urls:?}\n") + &many));
    members[0].hang();
    let (code, said, complaint) = outcome(&mut services.command(&["--once"]));
    assert_eq!((code, complaint.as_str()), (0, ""), "{said}");
    assert_eq!(said.matches("registered for 30s\n").count(), 300, "{said}");
    members[0].resume();
    let nobody = ["deregister", "--endpoints", "http://127.0.0.1:1"];
    let (code, said, complaint) = outcome(&mut services.command(&nobody));
    assert_eq!((code, complaint.as_str()), (3, ""));
    assert_eq!(
        said.matches(": etcd could not be told: ").count(),
        300,
        "{said}"
    );
}
