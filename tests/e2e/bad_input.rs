use crate::harness::running::outcome;
use crate::harness::{Etcd, Nginx, register};

/// Exit code 2, one line, nothing on standard output.
fn refusal(flags: &[&str]) -> String {
    let (code, said, complaint) = outcome(register().args(flags));
    assert_eq!((code, said.as_str()), (2, ""), "{complaint}");
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
    complaint.trim_end().to_owned()
}

const WEB: [&str; 4] = ["--service", "web", "--address", "10.0.0.5:80"];

#[test]
fn each_mistake_is_one_line_that_names_the_flag_and_the_way_out() {
    let table: &[(&[&str], &str)] = &[
        (
            &["--address", "10.0.0.5:80"],
            "register: --service is missing: give the service's name, as in --service apache",
        ),
        (
            &["--service", "web"],
            "register: --address is missing: give HOST:PORT, as in --address 10.0.0.5:80",
        ),
        (
            &["--service", "web", "--address", "10.0.0.5:0"],
            "register: --address \"10.0.0.5:0\": has a bad port; use a number from 1 to 65535",
        ),
        (
            &["--service", "web", "--address", "10.0.0.5:70000"],
            "register: --address \"10.0.0.5:70000\": has a bad port; use a number from 1 to 65535",
        ),
        (
            &["--service", "web", "--address", "2001:db8::5:80"],
            "register: --address \"2001:db8::5:80\": is IPv6 without brackets; write [ADDRESS]:PORT, as in [2001:db8::5]:80",
        ),
        (
            &["--service", "web", "--address", "0.0.0.0:80"],
            "register: --address \"0.0.0.0:80\": stands for every address of this host; give the one that others connect to, as in 10.0.0.5",
        ),
        (
            &["--service", "web", "--address", "http://10.0.0.5:80"],
            "register: --address \"http://10.0.0.5:80\": is more than HOST:PORT; write no scheme and no path, as in 10.0.0.5:80",
        ),
        (
            &[&WEB[..], &["--value", "[::]:80"]].concat(),
            "register: --value \"[::]:80\": stands for every address of this host; give the one that others connect to, as in 10.0.0.5",
        ),
        (
            &[&WEB[..], &["--check", "tcp://u:secret@10.0.0.5:80"]].concat(),
            "register: --check \"tcp://***@10.0.0.5:80\": holds a user or password; write HOST:PORT alone, as in 10.0.0.5:80",
        ),
        (
            &[
                &WEB[..],
                &["--endpoints", "http://10.0.0.1:2379 http://10.0.0.2:2379"],
            ]
            .concat(),
            "register: --endpoints \"http://10.0.0.1:2379 http://10.0.0.2:2379\": is not one endpoint; separate several with commas, as in 10.0.0.1:2379,10.0.0.2:2379",
        ),
        (
            &["--service", "web", "--address", "10.0.0.5"],
            "register: --address \"10.0.0.5\": has no port; write HOST:PORT, as in 10.0.0.5:80",
        ),
        (
            &[&WEB[..], &["--ttl", "0"]].concat(),
            "register: --ttl \"0\": must be at least 1s",
        ),
        (
            &[&WEB[..], &["--ttl", "0s"]].concat(),
            "register: --ttl \"0s\": must be at least 1s",
        ),
        (
            &[&WEB[..], &["--check", "ftp://x/"]].concat(),
            "register: --check \"ftp://x/\": unknown scheme; use http://, https://, http+unix:, tcp://, tls://, unix:, grpc://, grpcs://, exec: or none",
        ),
        (
            &[&WEB[..], &["--check", "tcp://10.0.0.5"]].concat(),
            "register: --check \"tcp://10.0.0.5\": has no port; write HOST:PORT, as in 10.0.0.5:80",
        ),
        (
            &[&WEB[..], &["--key", ""]].concat(),
            "register: --key \"\": must not be empty nor hold white space or control characters",
        ),
        (
            &[&WEB[..], &["--endpoints", "ftp://10.0.0.1:2379"]].concat(),
            "register: --endpoints \"ftp://10.0.0.1:2379\": unknown scheme; use http:// or https://",
        ),
        (
            &[
                &WEB[..],
                &["--check", "tcp://10.0.0.5:80", "--expect", "200"],
            ]
            .concat(),
            "register: --expect: only for http://, https:// and http+unix: checks",
        ),
        (
            &[
                &WEB[..],
                &["--check", "https://h/", "--check-ca", "/nonexistent"],
            ]
            .concat(),
            "register: --check-ca \"/nonexistent\": No such file or directory (os error 2)",
        ),
        (
            &[&WEB[..], &["--endpoints", "http://root:sesame@h:2379"]].concat(),
            "register: --endpoints: must not hold a user or password; give them with --user",
        ),
        (
            &[&WEB[..], &["--log-level", "loud"]].concat(),
            "register: --log-level \"loud\": use error, warn, info, debug or trace",
        ),
        (
            &[&WEB[..], &["--user", "root"]].concat(),
            "register: --user \"root\": has no password; use --password-file or ETCDCTL_PASSWORD",
        ),
        (
            &[
                &WEB[..],
                &[
                    "--endpoints",
                    "https://10.0.0.1:2379",
                    "--cacert",
                    "/nonexistent",
                ],
            ]
            .concat(),
            "register: --cacert \"/nonexistent\": No such file or directory (os error 2)",
        ),
    ];
    for (flags, complaint) in table {
        assert_eq!(refusal(flags), *complaint);
    }
}

#[test]
fn an_address_to_listen_on_can_still_be_deregistered_and_checked() {
    let etcd = Etcd::start();
    etcd.put_leased("/services/web/0.0.0.0", "0.0.0.0:80", 60);
    let web = ["--service", "web", "--address", "0.0.0.0:80"];
    let (code, said, _) = outcome(
        register()
            .arg("deregister")
            .args(web)
            .args(["--endpoints", &etcd.url()]),
    );
    assert_eq!(code, 0);
    assert!(said.ends_with(": deregistered\n"), "{said}");
    let backend = Nginx::start();
    let port = backend.address().rsplit(':').next().unwrap().to_owned();
    let check = format!("tcp://0.0.0.0:{port}");
    let (code, _, complaint) = outcome(register().args(["check", "--check", &check]));
    assert_ne!(code, 2, "{complaint}");
}

#[test]
fn an_unknown_flag_exits_2() {
    let (code, _, complaint) = outcome(register().arg("--servise"));
    assert_eq!(code, 2);
    assert!(complaint.contains("--servise"), "{complaint}");
}

#[test]
fn a_mistake_writes_nothing() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    let before = etcd.revision();
    refusal(&[
        "--once",
        "--service",
        "web",
        "--address",
        &backend.address(),
        "--endpoints",
        &etcd.url(),
        "--ttl",
        "0s",
    ]);
    assert_eq!(etcd.revision(), before);
}

#[test]
fn a_reader_that_stops_reading_is_no_fault() {
    let (code, _, complaint) = outcome(
        std::process::Command::new("bash")
            .args(["-c", "set -o pipefail; \"$0\" man | true"])
            .arg(env!("CARGO_BIN_EXE_register")),
    );
    assert_eq!((code, complaint.as_str()), (0, ""));
}

#[test]
fn a_full_disk_is_said_and_exits_1() {
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let (code, _, complaint) = outcome(
        register()
            .args(["completions", "bash"])
            .stdout(full)
            .stderr(std::process::Stdio::piped()),
    );
    assert_eq!(code, 1);
    assert!(
        complaint.starts_with("register: standard output cannot be written: No space left"),
        "{complaint}"
    );
}
