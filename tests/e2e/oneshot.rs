use std::process::Command;

use crate::harness::running::outcome;
use crate::harness::{Confdir, Etcd, Nginx, register};

fn once(etcd: &Etcd, backend: &Nginx) -> Command {
    let mut command = register();
    command.args([
        "--once",
        "--service",
        "web",
        "--address",
        &backend.address(),
        "--endpoints",
        &etcd.url(),
    ]);
    command
}

#[test]
fn once_with_a_healthy_backend_leaves_a_key_that_expires() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    let (code, said, _) = outcome(once(&etcd, &backend).args(["--ttl", "2s"]));
    assert_eq!(code, 0);
    assert_eq!(
        said,
        format!(
            "{}: healthy (HTTP status 200); registered for 2s\n",
            backend.key()
        )
    );
    assert!(etcd.get(&backend.key()).is_some());
    etcd.wait_until_gone(&backend.key(), std::time::Duration::from_secs(5));
}

#[test]
fn once_with_an_unhealthy_backend_deletes_the_registration_and_exits_1() {
    let (etcd, mut backend) = (Etcd::start(), Nginx::start());
    assert_eq!(outcome(&mut once(&etcd, &backend)).0, 0);
    backend.stop();
    let (code, said, _) = outcome(&mut once(&etcd, &backend));
    assert_eq!(code, 1);
    assert!(said.ends_with("deregistered\n"), "{said}");
    assert_eq!(etcd.get(&backend.key()), None);
}

#[test]
fn quiet_commands_say_nothing_on_success_and_everything_else() {
    let (etcd, mut backend) = (Etcd::start(), Nginx::start());
    let nothing = (0, String::new(), String::new());
    assert_eq!(outcome(once(&etcd, &backend).arg("--quiet")), nothing);
    assert!(etcd.get(&backend.key()).is_some());
    let address = backend.address();
    let run = |words: &[&str]| {
        let web = ["--service", "web", "--address", &address];
        outcome(
            register()
                .args(words)
                .args(web)
                .args(["--endpoints", &etcd.url()])
                .env("REGISTER_QUIET", "1"),
        )
    };
    assert_eq!(run(&["check"]), nothing);
    assert_eq!(run(&["deregister"]), nothing);
    assert_eq!(etcd.get(&backend.key()), None);
    assert!(
        run(&["deregister", "--quiet=false"])
            .1
            .contains("nothing of ours there")
    );
    backend.stop();
    let (code, said, _) = run(&["--once"]);
    assert_eq!(code, 1);
    assert!(said.ends_with("was not registered\n"), "{said}");
    assert!(run(&["check"]).1.starts_with("unhealthy: "));
}

#[test]
fn once_leaves_a_registration_for_another_address_alone() {
    let (etcd, mut backend) = (Etcd::start(), Nginx::start());
    etcd.put_leased(&backend.key(), "10.9.8.7:1", 60);
    backend.stop();
    let (code, said, _) = outcome(&mut once(&etcd, &backend));
    assert_eq!(code, 1);
    assert!(said.ends_with("was not registered\n"), "{said}");
    assert_eq!(
        etcd.get(&backend.key()).expect("theirs").value,
        "10.9.8.7:1"
    );
}

#[test]
fn once_without_etcd_exits_3_with_one_line() {
    let (mut etcd, backend) = (Etcd::start(), Nginx::start());
    etcd.kill();
    let (code, said, complaint) = outcome(&mut once(&etcd, &backend));
    assert_eq!((code, said.as_str()), (3, ""));
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
    assert!(
        complaint.contains("the backend is healthy, but etcd could not be told"),
        "{complaint}"
    );
}

#[test]
fn deregister_removes_ours_and_only_ours() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    let mut deregister = register();
    deregister.args([
        "deregister",
        "--service",
        "web",
        "--address",
        &backend.address(),
    ]);
    deregister.args(["--endpoints", &etcd.url()]);
    etcd.put_leased(&backend.key(), &backend.address(), 60);
    assert_eq!(
        outcome(&mut deregister).1,
        format!("{}: deregistered\n", backend.key())
    );
    assert_eq!(etcd.get(&backend.key()), None);
    etcd.put_leased(&backend.key(), "10.9.8.7:1", 60);
    let (code, said, _) = outcome(&mut deregister);
    assert_eq!(
        (code, said),
        (0, format!("{}: nothing of ours there\n", backend.key()))
    );
    assert!(etcd.get(&backend.key()).is_some());
}

#[test]
fn list_shows_keys_values_and_time_left() {
    let etcd = Etcd::start();
    let lease = etcd.put_leased("/services/apache/10.0.0.5", "10.0.0.5:7777", 100);
    etcd.ctl(&["put", "/services/apache/by-hand", "10.0.0.6:7777"]);
    etcd.ctl(&["put", "/servicesX/other", "not ours"]);
    let (code, table, _) = outcome(register().args(["list", "--endpoints", &etcd.url()]));
    assert_eq!(code, 0);
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|row| row.split_whitespace().collect())
        .collect();
    assert_eq!(rows.len(), 3, "{table}");
    assert_eq!(rows[1][..2], ["/services/apache/10.0.0.5", "10.0.0.5:7777"]);
    assert!(["99s", "98s", "97s"].contains(&rows[1][2]), "{table}");
    assert_eq!(rows[1][3], lease.trim_start_matches('0'));
    assert_eq!(rows[2][2..], ["-", "-"]);
    let (_, json, _) = outcome(register().args([
        "list",
        "/services/apache",
        "--output",
        "json",
        "--endpoints",
        &etcd.url(),
    ]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        json[1],
        serde_json::json!({
            "key": "/services/apache/by-hand", "value": "10.0.0.6:7777", "ttl_left": null, "lease": null
        })
    );
}

#[test]
fn check_needs_no_etcd_and_tells_by_its_exit_code() {
    let mut backend = Nginx::start();
    let check =
        |backend: &Nginx| outcome(register().args(["check", "--address", &backend.address()]));
    let (code, said, _) = check(&backend);
    assert_eq!(code, 0);
    assert!(said.starts_with("healthy: HTTP status 200 in "), "{said}");
    backend.stop();
    let (code, said, _) = check(&backend);
    assert_eq!(code, 1);
    assert!(
        said.starts_with("unhealthy: Connection refused (os error 111) in "),
        "{said}"
    );
}

#[test]
fn once_says_the_ttl_that_etcd_granted_and_whose_place_it_took() {
    let (etcd, backend) = (Etcd::start_with_long_leases(), Nginx::start());
    etcd.put_leased(&backend.key(), "10.9.8.7:1", 60);
    let (code, said, _) = outcome(once(&etcd, &backend).args(["--ttl", "1s"]));
    assert_eq!(code, 0);
    assert!(
        said.ends_with("; registered for 3s, in place of another value\n"),
        "{said}"
    );
}

#[test]
fn a_hung_first_endpoint_is_left_for_the_next() {
    let (members, backend) = (Etcd::start_cluster(3), Nginx::start());
    let urls: Vec<_> = members.iter().map(Etcd::url).collect();
    let endpoints = urls.join(",");
    let address = backend.address();
    members[0].hang();
    let done = |flags: &[&str]| {
        let (code, said, complaint) =
            outcome(register().args(flags).args(["--endpoints", &endpoints]));
        assert_eq!((code, complaint.as_str()), (0, ""), "{flags:?}");
        said
    };
    let web = ["--service", "web", "--address", &address];
    let said = done(&[&["--once"], &web[..]].concat());
    assert!(said.contains("; registered for 30s"), "{said}");
    assert!(done(&["list"]).contains(&address));
    let confdir = Confdir::new().with(
        "web",
        "keys = [\"/services/web\"]",
        "{{range getvs \"/services/web/*\"}}{{.}}{{end}}",
    );
    done(&[
        "render",
        "--once",
        "--log-level",
        "error",
        "--confdir",
        &confdir.flag(),
    ]);
    assert_eq!(confdir.read("web"), Some(address.clone()));
    let said = done(&[&["deregister"], &web[..]].concat());
    assert!(said.ends_with(": deregistered\n"), "{said}");
    members[0].resume();
}

#[test]
fn a_learner_is_left_for_the_next_endpoint() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    let learner = etcd.start_learner();
    let endpoints = format!("{},{}", learner.url(), etcd.url());
    let web = ["--service", "web", "--address", &backend.address()];
    let run =
        |arguments: &[&str]| outcome(register().args(arguments).args(["--endpoints", &endpoints]));
    let (code, said, complaint) = run(&[&["--once"][..], &web].concat());
    assert_eq!((code, complaint.as_str()), (0, ""), "{said}");
    let (code, said, complaint) = run(&["list"]);
    assert_eq!((code, complaint.as_str()), (0, ""));
    assert!(said.contains(&backend.key()), "{said}");
    let (code, said, complaint) = run(&[&["deregister"][..], &web].concat());
    assert_eq!((code, complaint.as_str()), (0, ""), "{said}");
    assert_eq!(etcd.get(&backend.key()), None);
}
