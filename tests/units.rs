//! The shipped units, as systemd's own checker reads them.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests stop at the first surprise"
)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
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
    for stand_in in ["etcd", "docker", "apache2", "nginx"].map(|name| format!("{name}.service")) {
        fs::write(path(&stand_in), "[Service]\nExecStart=/bin/true\n").unwrap();
    }
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
        let said = verify(&[&units[0], &units[1]]);
        // The tutorial's choice, which Docker's stop needs.
        let complaints: Vec<_> = said
            .lines()
            .filter(|line| !line.contains("KillMode=none"))
            .collect();
        assert_eq!(complaints, [""; 0]);
    }
}

#[test]
fn systemd_finds_nothing_wrong_with_the_other_units() {
    for unit in [
        "nginx_lb.service",
        "nginx_lb-discovery.service",
        "apache-discovery.service",
        "register-render.service",
    ] {
        let said = verify(&[unit]);
        let complaints: Vec<_> = said
            .lines()
            .filter(|line| !line.contains("KillMode=none"))
            .collect();
        assert_eq!(complaints, [""; 0], "{unit}");
    }
}

#[test]
fn the_agent_on_a_plain_host_may_do_next_to_nothing() {
    let unit = root().join("units/systemd/apache-discovery.service");
    let output = Command::new("systemd-analyze")
        .args(["security", "--offline=yes", "--threshold=20", "--no-pager"])
        .arg(&unit)
        .output()
        .expect("systemd-analyze is installed: run `make deps`");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "exposed by more than 2.0: {said}");
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
        ["ExecStart=/usr/bin/register --service apache --address ${COREOS_PRIVATE_IPV4}:%i"]
    );
    for line in [
        "BindsTo=apache@%i.service",
        "After=apache@%i.service",
        "EnvironmentFile=/etc/environment",
        "[X-Fleet]",
    ] {
        assert!(text.lines().any(|other| other == line), "{line}");
    }
}
