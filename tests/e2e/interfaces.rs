use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::harness::rights::own_network;
use crate::harness::running::outcome;
use crate::harness::{Etcd, Running, SOON, eventually, register};

/// Of loopback: in a network of its own a test may give it others.
const INTERFACE: &str = "interface:lo:80";

/// Runs a test of this file in a network of its own, where that may be.
fn in_own_network(test: &str) {
    let Some(own) = own_network() else { return };
    let script = "ip link set lo up; exec \"$0\" --exact \"$1\" --ignored --nocapture";
    let ran = Command::new(own[0])
        .args(&own[1..])
        .args(["sh", "-ec", script])
        .arg(std::env::current_exe().unwrap())
        .arg(format!("interfaces::{test}"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(
        ran.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&ran.stderr)
    );
}

fn ip(what: &str, address: &str) {
    let mut command = Command::new("ip");
    command.args(["addr", what, &format!("{address}/32"), "dev", "lo"]);
    assert!(command.status().unwrap().success(), "{what} {address}");
}

fn wait_for(etcd: &Etcd, key: &str, value: Option<&str>) {
    eventually(&format!("{key} is {value:?}"), SOON, || {
        let held = etcd.get(key).map(|held| held.value);
        match held.as_deref() == value {
            true => Ok(()),
            false => Err(format!("{held:?}")),
        }
    });
}

fn flags(etcd: &Etcd) -> Command {
    let mut command = register();
    command
        .args(["--service", "web", "--address", INTERFACE])
        .args(["--check", "none", "--interval", "200ms"])
        .args(["--endpoints", &etcd.url()]);
    command
}

/// What `--config` names.
fn services(text: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    write(&directory, text);
    directory
}

fn write(directory: &TempDir, text: &str) {
    let path = directory.path().join("a.toml");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn the_key_follows_the_address_of_the_interface() {
    in_own_network("own::the_key_follows");
}

#[test]
fn an_agent_without_any_address_is_ready_and_ends_cleanly() {
    in_own_network("own::ready_without_an_address");
}

#[test]
fn services_of_a_file_follow_their_interfaces_and_the_others_stay() {
    in_own_network("own::of_a_file");
}

#[test]
fn an_address_that_changes_while_etcd_is_away_is_caught_up_with() {
    in_own_network("own::moved_during_an_outage");
}

#[test]
fn commands_say_that_there_is_no_address_and_exit_1() {
    in_own_network("own::commands");
}

#[test]
fn lint_takes_an_interface_without_address_and_names_an_ill_formed_one() {
    let lint = |address: &str| {
        outcome(register().args(["lint", "--service", "web", "--address", address]))
    };
    let sound = (0, "1 service is sound\n".to_owned(), String::new());
    assert_eq!(lint("interface:nosuch0:80"), sound);
    let (code, _, complaint) = lint("interface:eth0");
    let fault = "register: --address \"interface:eth0\": is not written interface:NAME:PORT, \
                 as in interface:eth0:80\n";
    assert_eq!((code, complaint.as_str()), (2, fault));
    let text = "[[service]]\nname = \"web\"\naddress = \"interface:eth0:0\"\nttl = \"0s\"\n";
    let files = services(text);
    let config = files.path().display().to_string();
    let (code, _, complaint) = outcome(register().args(["lint", "--config", &config]));
    assert_eq!(code, 2);
    let port = "a.toml, line 3: address \"interface:eth0:0\": has a bad port";
    assert!(complaint.contains(port), "{complaint}");
    assert!(complaint.contains("a.toml, line 4: ttl"), "{complaint}");
    assert_eq!(complaint.lines().count(), 2, "{complaint}");
}

/// In a network of its own.
mod own {
    use super::*;

    #[test]
    #[ignore = "for a network of its own"]
    fn the_key_follows() {
        let etcd = Etcd::start();
        let mut agent = Running::spawn(&mut flags(&etcd));
        agent.wait_for_event("no_address", SOON);
        let (first, second) = ("/services/web/10.9.0.1", "/services/web/10.9.0.2");
        ip("add", "10.9.0.1");
        wait_for(&etcd, first, Some("10.9.0.1:80"));
        ip("add", "10.9.0.2");
        ip("del", "10.9.0.1");
        wait_for(&etcd, second, Some("10.9.0.2:80"));
        wait_for(&etcd, first, None);
        ip("del", "10.9.0.2");
        wait_for(&etcd, second, None);
        ip("add", "10.9.0.1");
        wait_for(&etcd, first, Some("10.9.0.1:80"));
        assert_eq!(agent.said("no_address"), 2, "{}", agent.log());
        assert_eq!(agent.said("address_changed"), 3, "{}", agent.log());
        let before = etcd.revision();
        std::thread::sleep(std::time::Duration::from_millis(700));
        assert_eq!(etcd.revision(), before, "{}", agent.log());
        agent.signal(Signal::TERM);
        assert_eq!(agent.wait_for_exit(SOON), 0);
        wait_for(&etcd, first, None);
    }

    #[test]
    #[ignore = "for a network of its own"]
    fn ready_without_an_address() {
        let etcd = Etcd::start();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        manager.set_read_timeout(Some(SOON)).unwrap();
        let next = || {
            let mut buffer = [0; 4096];
            let length = manager.recv(&mut buffer).expect("a message in time");
            String::from_utf8_lossy(&buffer[..length])
                .trim_end()
                .to_owned()
        };
        let mut agent = Running::spawn(flags(&etcd).env("NOTIFY_SOCKET", &path));
        let without = "STATUS=the interface has no address; not registered";
        assert_eq!(next(), "READY=1");
        assert_eq!(next(), without);
        ip("add", "10.9.0.1");
        assert_eq!(next(), "STATUS=probing for the first time");
        assert_eq!(next(), "STATUS=waiting for etcd");
        assert_eq!(next(), "STATUS=registered");
        ip("del", "10.9.0.1");
        assert_eq!(next(), "STATUS=deregistering");
        assert_eq!(next(), without);
        agent.signal(Signal::TERM);
        assert_eq!(next(), "STOPPING=1");
        assert_eq!(agent.wait_for_exit(SOON), 0);
    }

    #[test]
    #[ignore = "for a network of its own"]
    fn of_a_file() {
        let etcd = Etcd::start();
        let backend = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = backend.local_addr().unwrap().port();
        let url = etcd.url();
        let text = format!(
            "[etcd]\nendpoints = [\"{url}\"]\n\
             [defaults]\ninterval = \"200ms\"\nfast_interval = \"100ms\"\ndrain = \"1h\"\n\
             [[service]]\nname = \"still\"\naddress = \"127.0.0.1:1\"\ncheck = \"none\"\n\
             [[service]]\nname = \"moved\"\naddress = \"interface:lo:{port}\"\ncheck = \"tcp://{{address}}\"\n\
             value = {{ at = \"{{host}}\" }}\n\
             [[service]]\nname = \"named\"\nkey = \"/named\"\naddress = \"interface:lo:{port}\"\n\
             check = \"tcp://{{address}}\"\n"
        );
        let files = services(&text);
        let config = files.path().display().to_string();
        let agent = Running::spawn(register().args(["--config", &config]));
        let still = "/services/still/127.0.0.1";
        wait_for(&etcd, still, Some("127.0.0.1:1"));
        let held = etcd.get(still);
        let of = |ip: &str| {
            (
                format!("/services/moved/{ip}"),
                format!("{{\"at\":\"{ip}\"}}"),
            )
        };
        let (first, second) = (of("10.9.0.1"), of("10.9.0.2"));
        ip("add", "10.9.0.1");
        wait_for(&etcd, &first.0, Some(&first.1));
        wait_for(&etcd, "/named", Some(&format!("10.9.0.1:{port}")));
        // What is removed for its address does not wait for `drain`.
        ip("add", "10.9.0.2");
        ip("del", "10.9.0.1");
        wait_for(&etcd, &second.0, Some(&second.1));
        wait_for(&etcd, &first.0, None);
        wait_for(&etcd, "/named", Some(&format!("10.9.0.2:{port}")));
        write(
            &files,
            &text.replace("name = \"moved\"", "name = \"other\""),
        );
        agent.signal(Signal::HUP);
        agent.wait_for_event("reloaded", SOON);
        wait_for(&etcd, &second.0, None);
        wait_for(&etcd, "/services/other/10.9.0.2", Some(&second.1));
        ip("del", "10.9.0.2");
        wait_for(&etcd, "/services/other/10.9.0.2", None);
        wait_for(&etcd, "/named", None);
        assert_eq!(etcd.get(still), held, "{}", agent.log());
    }

    #[test]
    #[ignore = "for a network of its own"]
    fn moved_during_an_outage() {
        let mut etcd = Etcd::start();
        ip("add", "10.9.0.1");
        let limits = ["--stop-timeout", "500ms", "--ttl", "2s"];
        let mut agent = Running::spawn(flags(&etcd).args(limits));
        let (first, second) = ("/services/web/10.9.0.1", "/services/web/10.9.0.2");
        wait_for(&etcd, first, Some("10.9.0.1:80"));
        etcd.kill();
        ip("add", "10.9.0.2");
        ip("del", "10.9.0.1");
        agent.wait_for_event("key_left_to_ttl", SOON);
        etcd.restart();
        wait_for(&etcd, second, Some("10.9.0.2:80"));
        wait_for(&etcd, first, None);
        agent.signal(Signal::TERM);
        assert_eq!(agent.wait_for_exit(SOON), 0, "{}", agent.log());
        wait_for(&etcd, second, None);
    }

    #[test]
    #[ignore = "for a network of its own"]
    fn commands() {
        let etcd = Etcd::start();
        let url = etcd.url();
        let without = "the interface lo has no global address, or does not exist";
        let once = || outcome(flags(&etcd).arg("--once"));
        let deregister = || {
            let words = ["deregister", "--service", "web", "--address", INTERFACE];
            outcome(register().args(words).args(["--endpoints", &url]))
        };
        let check =
            || outcome(register().args(["check", "--address", INTERFACE, "--check", "none"]));
        let (code, said, _) = once();
        assert_eq!(
            (code, said),
            (1, format!("{without}: nothing is registered\n"))
        );
        let (code, said, _) = check();
        assert_eq!((code, said), (1, format!("unhealthy: {without}\n")));
        let (code, _, complaint) = deregister();
        assert_eq!(code, 1, "{complaint}");
        assert!(complaint.contains(without), "{complaint}");
        let text = format!(
            "[etcd]\nendpoints = [\"{url}\"]\n\
             [[service]]\nname = \"web\"\naddress = \"interface:lo:80\"\ncheck = \"none\"\n\
             [[service]]\nname = \"still\"\naddress = \"127.0.0.1:1\"\ncheck = \"none\"\n"
        );
        let files = services(&text);
        let config = files.path().display().to_string();
        let several =
            |words: &[&str]| outcome(register().args(words).args(["--config", &config, "web"]));
        for words in [&["--once"][..], &["deregister"]] {
            let (code, said, _) = several(words);
            assert_eq!(code, 1, "{said}");
            assert!(said.starts_with(&format!("web: {without}; ")), "{said}");
        }
        ip("add", "10.9.0.1");
        let key = "/services/web/10.9.0.1";
        assert_eq!(once().0, 0);
        wait_for(&etcd, key, Some("10.9.0.1:80"));
        assert_eq!(check().0, 0);
        assert_eq!(deregister().0, 0);
        wait_for(&etcd, key, None);
        assert_eq!(several(&["--once"]).0, 0);
        wait_for(&etcd, key, Some("10.9.0.1:80"));
        assert_eq!(several(&["deregister"]).0, 0);
        wait_for(&etcd, key, None);
    }
}
