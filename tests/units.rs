//! The shipped units, as systemd's own checker reads them.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests stop at the first surprise"
)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Units name programs and units that the machine of a developer lacks: stand-ins take their place.
fn verify(units: &[&str]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    for shipped in ["templates", "static", "systemd"] {
        for unit in fs::read_dir(root().join("units").join(shipped)).unwrap() {
            let unit = unit.unwrap();
            let text = fs::read_to_string(unit.path()).unwrap();
            let text = text
                .replace("/usr/bin/register", "/bin/true")
                .replace("/usr/bin/docker", "/bin/true");
            fs::write(path(&unit.file_name().to_string_lossy()), text).unwrap();
        }
    }
    for instance in fs::read_dir(root().join("units/instances")).unwrap() {
        let instance = instance.unwrap();
        let target = fs::read_link(instance.path()).unwrap();
        symlink(
            target.file_name().unwrap(),
            path(&instance.file_name().to_string_lossy()),
        )
        .unwrap();
    }
    symlink("register@.service", path("register@apache2.service")).unwrap();
    for stand_in in
        ["etcd", "docker", "apache2", "nginx", "haproxy"].map(|name| format!("{name}.service"))
    {
        fs::write(path(&stand_in), "[Service]\nExecStart=/bin/true\n").unwrap();
    }
    let drop_in = path("haproxy.service.d");
    fs::create_dir(&drop_in).unwrap();
    let text = fs::read_to_string(root().join("units/haproxy.service.d/register.conf")).unwrap();
    fs::write(
        drop_in.join("register.conf"),
        text.replace("/usr/bin/register", "/bin/true"),
    )
    .unwrap();
    let output = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .args(units.iter().map(|unit| path(unit)))
        .env(
            "SYSTEMD_UNIT_PATH",
            format!("{}:", directory.path().display()),
        )
        .output()
        .expect("systemd-analyze is installed: run `make deps`");
    String::from_utf8(output.stderr).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    for port in ["7777", "8888"] {
        let units = [
            format!("apache@{port}.service"),
            format!("apache-discovery@{port}.service"),
        ];
        assert_eq!(verify(&[&units[0], &units[1]]), "");
    }
}

#[test]
fn systemd_finds_nothing_wrong_with_the_other_units() {
    for unit in [
        "nginx_lb.service",
        "nginx_lb-discovery.service",
        "apache-discovery.service",
        "register-render.service",
        "register.service",
        "register@apache2.service",
        "haproxy.service",
    ] {
        assert_eq!(verify(&[unit]), "", "{unit}");
    }
}

#[test]
fn an_agents_unit_lets_it_ask_for_the_addresses_of_interfaces() {
    let unit = root().join("units/systemd/apache-discovery.service");
    let text = fs::read_to_string(unit).unwrap();
    let families = text
        .lines()
        .find(|line| line.starts_with("RestrictAddressFamilies="));
    assert!(
        families.is_some_and(|line| line.ends_with(" AF_NETLINK")),
        "{families:?}"
    );
}

#[test]
fn no_unit_goes_down_with_etcd() {
    for (unit, text) in tutorial_units() {
        let etcd = "etcd.service";
        for takes_down in ["Requires", "Requisite", "BindsTo", "PartOf"] {
            assert!(!names(&text, takes_down, etcd), "{unit}: {takes_down}");
        }
        assert!(names(&text, "Wants", etcd), "{unit}");
        assert!(names(&text, "After", etcd), "{unit}");
    }
}

#[test]
fn a_service_brings_its_sidekick_along_and_a_sidekick_ends_with_its_service() {
    for (service, sidekick) in [
        ("apache@%i.service", "apache-discovery@%i.service"),
        ("nginx_lb.service", "nginx_lb-discovery.service"),
    ] {
        let text = |unit: &str| {
            let file = unit.replace("%i", "");
            let found = tutorial_units().into_iter().find(|(name, _)| *name == file);
            found.unwrap().1
        };
        assert!(names(&text(service), "Wants", sidekick), "{service}");
        assert!(names(&text(service), "Before", sidekick), "{service}");
        assert!(names(&text(sidekick), "BindsTo", service), "{sidekick}");
        assert!(names(&text(sidekick), "After", service), "{sidekick}");
    }
}

#[test]
fn what_keeps_a_service_is_tried_again_for_ever_also_by_the_systemd_of_coreos() {
    for (unit, text) in tutorial_units() {
        if unit.contains("discovery") {
            let (head, service) = text.split_once("[Service]").unwrap();
            assert!(has(head, "StartLimitIntervalSec=0"), "{unit}");
            assert!(has(service, "StartLimitInterval=0"), "{unit}");
        }
    }
}

/// A host whose `/usr` is read-only has `register` in `/opt/bin`.
#[test]
fn no_unit_of_the_tutorial_says_where_register_is_but_in_its_path() {
    for (unit, text) in tutorial_units() {
        assert!(!text.contains("bin/register"), "{unit}");
        if unit.contains("discovery") {
            let path = "Environment=PATH=/opt/bin:/usr/local/bin:/usr/bin:/bin";
            assert!(has(&text, path), "{unit}");
        }
    }
}

/// Names and texts of the units that fleet runs.
fn tutorial_units() -> Vec<(String, String)> {
    let units: Vec<_> = ["templates", "static"]
        .iter()
        .flat_map(|shipped| fs::read_dir(root().join("units").join(shipped)).unwrap())
        .map(|unit| unit.unwrap())
        .map(|unit| {
            let name = unit.file_name().into_string().unwrap();
            (name, fs::read_to_string(unit.path()).unwrap())
        })
        .collect();
    assert_eq!(units.len(), 4);
    units
}

fn has(text: &str, line: &str) -> bool {
    text.lines().any(|other| other == line)
}

/// Whether a dependency of this kind has the other unit among its values.
fn names(text: &str, dependency: &str, other: &str) -> bool {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .filter(|(key, _)| *key == dependency)
        .any(|(_, units)| units.split_whitespace().any(|unit| unit == other))
}

/// Those of a plain host that run an agent.
const AGENTS: [&str; 3] = [
    "apache-discovery.service",
    "register.service",
    "register@.service",
];

fn unit_of_a_host(name: &str) -> PathBuf {
    root().join("units/systemd").join(name)
}

#[test]
fn an_agent_on_a_plain_host_may_do_next_to_nothing() {
    for name in AGENTS {
        let output = Command::new("systemd-analyze")
            .args(["security", "--offline=yes", "--threshold=20", "--no-pager"])
            .arg(unit_of_a_host(name))
            .output()
            .expect("systemd-analyze is installed: run `make deps`");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{name}: exposed by more than 2.0: {said}"
        );
    }
}

#[test]
fn an_agent_that_leaves_its_keys_to_another_is_started_again_at_once() {
    for name in AGENTS {
        let text = fs::read_to_string(unit_of_a_host(name)).unwrap();
        for line in ["RestartForceExitStatus=140", "RestartSec=100ms"] {
            assert!(has(&text, line), "{name}: {line}");
        }
    }
}

#[test]
fn each_unit_of_a_plain_host_has_a_control_socket_of_its_own() {
    let units = AGENTS.map(|name| (name, "REGISTER_CONTROL"));
    let proxy = ("register-render.service", "REGISTER_RENDER_CONTROL");
    for (name, variable) in units.into_iter().chain([proxy]) {
        let text = fs::read_to_string(unit_of_a_host(name)).unwrap();
        let socket = format!("Environment={variable}=/run/register/%N/control.sock");
        for line in [
            &socket,
            "RuntimeDirectory=register/%N",
            "RuntimeDirectoryMode=0750",
        ] {
            assert!(has(&text, line), "{name}: {line}");
        }
        let families = text
            .lines()
            .find(|line| line.starts_with("RestrictAddressFamilies="));
        assert!(
            families.is_some_and(|line| line.contains(" AF_UNIX")),
            "{name}: {families:?}"
        );
    }
}

#[test]
fn the_sidekick_runs_register_and_nothing_else() {
    let text =
        fs::read_to_string(root().join("units/templates/apache-discovery@.service")).unwrap();
    let commands: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("Exec"))
        .collect();
    assert_eq!(
        commands,
        ["ExecStart=/usr/bin/env register --service apache --address ${COREOS_PRIVATE_IPV4}:%i"]
    );
    for line in [
        "BindsTo=apache@%i.service",
        "After=apache@%i.service",
        "EnvironmentFile=/etc/environment",
        "[X-Fleet]",
    ] {
        assert!(has(&text, line), "{line}");
    }
}
