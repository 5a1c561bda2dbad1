use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use clap::Parser as _;
use proptest::prelude::*;

use super::*;
use crate::cli::Cli;

/// A directory with these files; a text alone is that of one.
struct Files(tempfile::TempDir);

impl Files {
    fn of(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let files_of = Self(directory);
        for (name, text) in files {
            files_of.write(name, text);
        }
        files_of
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().expect("its directory")).expect("created");
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("changed");
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn source(&self, flags: &[&str]) -> Result<HostConfig, Vec<String>> {
        let path = self.path().display().to_string();
        let words = ["register", "--config", &path].into_iter();
        let cli = Cli::try_parse_from(words.chain(flags.iter().copied())).expect("known flags");
        let config = cli.agent.services.config;
        let observe = cli.agent.observe;
        host(config, observe, cli.etcd, cli.variables, env).map_err(|faults| {
            let told = faults.to_string().replace(&format!("{path}/"), "");
            told.lines()
                .map(|line| line.replace(&path, "DIR"))
                .collect()
        })
    }

    fn read(&self) -> Result<AgentConfig, Vec<String>> {
        self.source(&[]).map(|host| host.config)
    }
}

fn env(name: &str) -> Option<String> {
    let value = match name {
        "IP" => "10.0.0.5",
        "SECRET" => "sesame street",
        "TABLE" => "x\"\n[etcd]\nuser = \"y",
        "COMMAND" => "exec:rm -rf /",
        _ => return None,
    };
    Some(value.to_owned())
}

fn read(text: &str) -> Result<AgentConfig, Vec<String>> {
    Files::of(&[("a.toml", text)]).read()
}

/// What a `[[service]]` with these fields is.
fn service(fields: &str) -> ServiceConfig {
    let text = format!("[[service]]\nname = \"web\"\naddress = \"10.0.0.5:80\"\n{fields}");
    let mut config = read(&text).expect("sound");
    config.services.pop().expect("one")
}

/// What is wrong with it, without the file's name: its fields begin in line 4.
fn faults(fields: &str) -> Vec<String> {
    let text = format!("[[service]]\nname = \"web\"\naddress = \"10.0.0.5:80\"\n{fields}\n");
    match read(&text) {
        Ok(_) => Vec::new(),
        Err(faults) => faults
            .into_iter()
            .map(|fault| fault.replace("a.toml, ", ""))
            .collect(),
    }
}

/// The same service by flags.
fn by_flags(flags: &[&str]) -> ServiceConfig {
    let words = ["register", "--service", "web", "--address", "10.0.0.5:80"].into_iter();
    let cli = Cli::try_parse_from(words.chain(flags.iter().copied())).expect("known flags");
    let config = crate::config::agent(cli.agent, cli.etcd, cli.variables, |_: &str| None);
    match config.expect("sound").service {
        Configured::Fixed(service) => service,
        Configured::OnInterface(service) => service.example,
    }
}

#[test]
fn the_example_of_the_page_is_sound() {
    let page = include_str!("../../../docs/host-agent.md");
    let example = page
        .split("```toml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let files = Files::of(&[("password", "sesame")]);
    let password = files.path().join("password").display().to_string();
    let example = example
        .expect("an example")
        .replace("/etc/register/etcd.password", &password);
    let example = example.replace("COREOS_PRIVATE_IPV4", "IP");
    let services = read(&example).expect("sound").services;
    let announced: Vec<_> = services
        .iter()
        .map(|service| &service.announcement)
        .collect();
    assert_eq!(announced[0].value, "10.0.0.5:7777");
    assert_eq!(
        announced[1].value,
        r#"{"address":"10.0.0.5:5432","tags":["blue"],"weight":10}"#
    );
}

#[test]
fn fields_say_what_flags_do() {
    let table: [(&str, &[&str]); _] = [
        ("", &[]),
        (
            "prefix = \"/x\"\nvalue = \"{host}\"",
            &["--prefix", "/x", "--value", "{host}"],
        ),
        ("key = \"/k/{port}\"", &["--key", "/k/{port}"]),
        (
            "check = \"tcp://10.0.0.5:81\"\ntimeout = \"2s\"",
            &["--check", "tcp://10.0.0.5:81", "--timeout", "2s"],
        ),
        (
            "expect = \"2xx\"\nmethod = \"HEAD\"\nhost = \"h\"\nbody_regex = \"up$\"",
            &[
                "--expect",
                "2xx",
                "--method",
                "HEAD",
                "--host",
                "h",
                "--body-regex",
                "up$",
            ],
        ),
        (
            "header = [\"A: b\", \"C: d\"]",
            &["--header", "A: b", "--header", "C: d"],
        ),
        (
            "check = \"https://h/\"\ntls_skip_verify = true",
            &["--check", "https://h/", "--tls-skip-verify"],
        ),
        (
            "interval = \"9s\"\nfast_interval = \"2s\"\nrise = 2\nfall = \"3\"",
            &[
                "--interval",
                "9s",
                "--fast-interval",
                "2s",
                "--rise",
                "2",
                "--fall",
                "3",
            ],
        ),
        (
            "ttl = \"9s\"\ndrain = \"2s\"\nstop_timeout = \"3s\"",
            &["--ttl", "9s", "--drain", "2s", "--stop-timeout", "3s"],
        ),
    ];
    for (fields, flags) in table {
        assert_eq!(service(fields), by_flags(flags), "{fields}");
    }
}

#[test]
fn placeholders_and_variables_are_replaced_where_they_may_be() {
    let announced = |fields: &str| service(fields).announcement;
    assert_eq!(
        announced("value = \"http://${IP}:1/{port}$$\"").value,
        "http://10.0.0.5:1/80$"
    );
    assert_eq!(
        announced("key = \"/k/{service}-${IP}\"").key,
        "/k/web-10.0.0.5"
    );
    let check = |check: &str| service(&format!("check = '{check}'")).checks;
    let given = |url: &str| by_flags(&["--check", url]).checks;
    assert_eq!(
        check("http://{address}/${IP}"),
        given("http://10.0.0.5:80/10.0.0.5")
    );
    assert_eq!(
        check("exec:x -h {host} ${IP} $$ {a}"),
        given("exec:x -h 10.0.0.5 ${IP} $$ {a}")
    );
}

#[test]
fn a_table_as_value_is_json() {
    let value = |fields: &str| service(fields).announcement.value;
    assert_eq!(
        value(
            "value = { address = \"{address}\", weight = 10, tags = [\"${IP}\"], on = true, share = 0.5 }"
        ),
        r#"{"address":"10.0.0.5:80","on":true,"share":0.5,"tags":["10.0.0.5"],"weight":10}"#
    );
    assert_eq!(
        value("[service.value]\nquoted = 'a\"{host}'\nsince = 2026-01-02\ninner = { x = {} }"),
        r#"{"inner":{"x":{}},"quoted":"a\"10.0.0.5","since":"2026-01-02"}"#
    );
}

#[test]
fn a_variable_changes_no_structure_and_fills_no_placeholder_of_a_command() {
    assert_eq!(
        service("value = '${TABLE}'").announcement.value,
        env("TABLE").unwrap_or_default()
    );
    assert_eq!(
        faults("check = '${COMMAND}'"),
        ["line 4: check: a variable makes it a command; write the command in the file"]
    );
}

#[test]
fn defaults_stand_behind_a_services_own_fields_and_arrays_replace_theirs() {
    let config = read(
        "[defaults]\nttl = \"9s\"\nheader = [\"A: a\"]\nexpect = \"2xx\"\n\
         [[service]]\nname = \"a\"\naddress = \"10.0.0.5:80\"\n\
         [[service]]\nname = \"b\"\naddress = \"10.0.0.5:80\"\nttl = \"8s\"\nheader = [\"B: b\"]\n\
         [[service]]\nname = \"c\"\naddress = \"10.0.0.5:80\"\ncheck = \"tcp://{address}\"\n",
    );
    let services = config.expect("sound").services;
    let ttls: Vec<_> = services.iter().map(|service| service.ttl).collect();
    assert_eq!(ttls, [9, 8, 9].map(Duration::from_secs));
    let checks: Vec<_> = services.into_iter().map(|service| service.checks).collect();
    let given = |flags: &[&str]| by_flags(flags).checks;
    assert_eq!(checks[0], given(&["--header", "A: a", "--expect", "2xx"]));
    assert_eq!(checks[1], given(&["--header", "B: b", "--expect", "2xx"]));
    assert_eq!(checks[2], given(&["--check", "tcp://10.0.0.5:80"]));
}

#[test]
fn a_directorys_defaults_are_for_all_and_those_below_it_for_their_file() {
    let service = "[[service]]\nname = \"{}\"\naddress = \"10.0.0.5:80\"\n";
    let named = |name: &str| service.replace("{}", name);
    let files = Files::of(&[
        ("a.toml", &named("a")),
        ("b.toml", "[defaults]\nttl = \"9s\"\nrise = 3\n"),
        (
            "services.d/c.toml",
            &(named("c") + "[defaults]\nttl = \"8s\"\n"),
        ),
        ("services.d/d.toml", &named("d")),
    ]);
    let services = files.read().expect("sound").services;
    let seen: Vec<_> = services
        .iter()
        .map(|service| {
            (
                service.name.as_str(),
                service.ttl.as_secs(),
                service.thresholds.rise,
            )
        })
        .collect();
    assert_eq!(seen, [("a", 9, 3), ("c", 8, 3), ("d", 9, 3)]);
}

#[test]
fn several_checks_have_what_the_service_says_where_it_is_of_use_to_them() {
    let one = service(
        "timeout = \"2s\"\nexpect = \"204\"\npass = \"any\"\n\
         checks = [{ check = \"http://{address}/\" }, { check = \"tcp://{address}\", timeout = \"1s\" }]",
    );
    let again = service(
        "pass = \"any\"\n[[service.checks]]\ncheck = \"http://{address}/\"\ntimeout = \"2s\"\nexpect = \"204\"\n\
         [[service.checks]]\ncheck = \"tcp://{address}\"\ntimeout = \"1s\"",
    );
    assert_eq!(one, again);
    let all = service("checks = [{ check = \"none\" }, { check = \"tcp://{address}\" }]");
    assert_ne!(one.checks, all.checks);
}

#[test]
fn a_services_own_check_replaces_the_defaults_checks() {
    let text = "[defaults]\nchecks = [{ check = \"none\" }]\n\
                [[service]]\nname = \"web\"\naddress = \"10.0.0.5:80\"\ncheck = \"tcp://{address}\"\n";
    let services = read(text).expect("sound").services;
    assert_eq!(
        services[0].checks,
        service("check = \"tcp://{address}\"").checks
    );
}

#[test]
fn drained_is_a_services_own() {
    assert!(service("drained = true").drained);
    assert!(!service("").drained);
}

#[test]
fn a_fault_names_line_and_field_and_all_are_told() {
    assert_eq!(
        faults(
            "ttl = \"0s\"\nrise = 0\ninterval = 5\ntimout = \"1s\"\ncheck = \"ftp://h/\"\nexpect = \"9\"\nweight = 1"
        ),
        [
            "line 7: timout: unknown field; did you mean timeout?",
            "line 10: weight: unknown field",
            "line 6: interval: must be a string, in quotes",
            "line 8: check \"ftp://h/\": unknown scheme; use http://, https://, http+unix:, tcp://, tls://, unix:, grpc://, grpcs://, exec: or none",
            "line 9: expect: only for http://, https:// and http+unix: checks",
            "line 5: rise \"0\": use a whole number, at least 1",
            "line 4: ttl \"0s\": must be at least 1s",
        ]
    );
}

#[test]
fn each_mistake_of_a_service_is_told() {
    let table: &[(&str, &[&str])] = &[
        (
            "header = 1",
            &["line 4: header: must be an array of strings"],
        ),
        (
            "header = [1]",
            &["line 4: header: must be an array of strings"],
        ),
        ("rise = 1.5", &["line 4: rise: must be a whole number"]),
        (
            "drained = \"yes\"",
            &["line 4: drained: must be true or false, without quotes"],
        ),
        ("value = 7", &["line 4: value: must be a string, in quotes"]),
        (
            "value = { a = nan }",
            &["line 4: value has a number that JSON cannot write"],
        ),
        (
            "value = \"{hots}\"",
            &[
                "line 4: value \"{hots}\": unknown placeholder {hots}; there are {service} {host} {port} {address} {hostname}",
            ],
        ),
        (
            "value = { a = \"{hots}\" }",
            &[
                "line 4: value \"{hots}\": unknown placeholder {hots}; there are {service} {host} {port} {address} {hostname}",
            ],
        ),
        (
            "check = \"none\"\nchecks = [{ check = \"none\" }]",
            &["line 5: checks and check are two ways to say it: give one of them"],
        ),
        (
            "checks = []",
            &["line 4: checks is empty: give at least one"],
        ),
        (
            "checks = [\"none\"]",
            &[
                "line 4: checks: must be an array of tables, as in [{ check = \"tcp://{address}\" }]",
            ],
        ),
        (
            "checks = \"none\"",
            &[
                "line 4: checks: must be an array of tables, as in [{ check = \"tcp://{address}\" }]",
            ],
        ),
        (
            "checks = [{ timeout = \"1s\" }]",
            &[
                "line 4: check of check 1 is missing: give its URL, as in check = \"tcp://{address}\"",
            ],
        ),
        (
            "checks = [\n{ check = \"none\" },\n{ check = \"tcp://h\", timeout = \"0s\", ttl = \"1s\" },\n]",
            &[
                "line 6: ttl of check 2: unknown field",
                "line 6: timeout of check 2 \"0s\": must be at least 1ms",
            ],
        ),
        (
            "expect = \"200\"\nchecks = [{ check = \"none\" }]",
            &["line 4: expect: only for http://, https:// and http+unix: checks"],
        ),
        (
            "pass = \"some\"\nchecks = [{ check = \"none\" }]",
            &["line 4: pass \"some\": use \"all\" or \"any\""],
        ),
        ("pass = \"any\"", &["line 4: pass: only for several checks"]),
        (
            "host = \"h\"\nheader = [\"Host: x\"]",
            &["line 4: host and header Host: give one of the two"],
        ),
        (
            "value = \"${NONE}\"",
            &["line 4: value: the variable NONE is not set, or empty"],
        ),
        (
            "service = \"web\"",
            &["line 4: service: unknown field; did you mean name?"],
        ),
        (
            "\"a\\u001b[2Jb\" = 1",
            &["line 4: a\\u{1b}[2Jb: unknown field"],
        ),
    ];
    for (fields, told) in table {
        assert_eq!(faults(fields), *told, "{fields}");
    }
}

#[test]
fn each_mistake_of_a_file_is_told() {
    let web = "[[service]]\nname = \"web\"\naddress = \"10.0.0.5:80\"\n";
    let table: &[(&str, &[&str])] = &[
        (
            "[[service]]\n",
            &["a.toml, line 1: service is empty; give the service a name and an address"],
        ),
        (
            "[[service]]\nttl = \"1s\"\n",
            &[
                "a.toml, line 1: name is missing: give the service's name, as in name = \"apache\"",
                "a.toml, line 1: address is missing: give HOST:PORT, as in address = \"10.0.0.5:80\"",
            ],
        ),
        (
            "[service]\nname = \"web\"\n",
            &["a.toml, line 1: service: must be tables; write [[service]]"],
        ),
        (
            "service = [1]\n",
            &["a.toml, line 1: service: must be tables; write [[service]]"],
        ),
        (
            "[[etcd]]\n",
            &["a.toml, line 1: etcd: must be a table; write [etcd]"],
        ),
        (
            "",
            &["--config \"DIR\": names no service; write a [[service]]"],
        ),
        (
            "[[srvice]]\n",
            &["a.toml, line 1: srvice: unknown field; did you mean service?"],
        ),
        (
            "[agent]\nlistn = \"127.0.0.1:1\"\n",
            &["a.toml, line 2: listn: unknown field; did you mean listen?"],
        ),
        (
            "[etcd]\nendpoint = \"h\"\n",
            &["a.toml, line 2: endpoint: unknown field; did you mean endpoints?"],
        ),
    ];
    for (text, told) in table {
        assert_eq!(read(text).expect_err(text), *told, "{text}");
    }
    assert_eq!(
        read(&format!("{web}{web}")).expect_err("one key"),
        [
            "a.toml, line 4: key: the service at a.toml, line 1 has the same; give each a key of its own, as in key = \"/services/{service}/{host}:{port}\""
        ]
    );
    let faults = read("[etcd]\nuser = \"a\"\n[etcd]\n").expect_err("a second [etcd]");
    assert!(
        faults[0].starts_with("a.toml, line 3: duplicate key"),
        "{faults:?}"
    );
}

#[test]
fn a_second_etcd_agent_or_defaults_is_told_with_the_first() {
    let web = "[[service]]\nname = \"web\"\naddress = \"10.0.0.5:80\"\n";
    let files = Files::of(&[
        ("a.toml", web),
        ("b.toml", "[etcd]\n[agent]\n[defaults]\n"),
        ("c.toml", "\n[etcd]\n[defaults]\n"),
        ("services.d/d.toml", "[agent]\n[defaults]\n"),
    ]);
    assert_eq!(
        files.read().expect_err("seconds"),
        [
            "c.toml, line 2: [etcd] is there already, at b.toml, line 1",
            "c.toml, line 3: [defaults] is there already, at b.toml, line 3",
            "services.d/d.toml, line 1: [agent] is there already, at b.toml, line 2",
        ]
    );
}

#[test]
fn doors_are_those_of_the_file_unless_flags_say_otherwise() {
    let web = "[[service]]\nname = \"web\"\naddress = \"10.0.0.5:80\"\n";
    let agent = "[agent]\nlisten = \"${IP}:9464\"\nlisten_host = [\"a\", \"b\"]\n\
                 control = \"/run/register/control.sock\"\n";
    let files = Files::of(&[("a.toml", &format!("{agent}{web}"))]);
    let observe = files.read().expect("sound").observe;
    let listen = observe.listen.expect("a door");
    assert_eq!(listen.at.to_string(), "10.0.0.5:9464");
    assert_eq!(
        listen.place.to_string(),
        "DIR/a.toml, line 2: listen".replace("DIR", &files.path().display().to_string())
    );
    assert_eq!(observe.hosts, ["a", "b"]);
    assert!(observe.control.is_some());

    let flags = ["--listen", "[::1]:1", "--listen-host", "c,d"];
    let observe = files.source(&flags).expect("sound").config.observe;
    let listen = observe.listen.expect("a door");
    assert_eq!(listen.at.to_string(), "[::1]:1");
    assert_eq!(observe.hosts, ["c", "d"]);
    assert!(observe.control.is_some());
}

#[test]
fn a_door_that_cannot_be_is_told_with_its_line() {
    let web = "[[service]]\nname = \"web\"\naddress = \"10.0.0.5:80\"\n";
    let agent = "[agent]\nlisten = \"9464\"\nlisten_host = \"a/b\"\ncontrol = \"\"\n";
    assert_eq!(
        read(&format!("{agent}{web}")).expect_err("faults"),
        [
            "a.toml, line 2: listen \"9464\": use IP:PORT, as in 127.0.0.1:9464 or [::1]:9464",
            "a.toml, line 3: listen_host \"a/b\": is no host name; give it without scheme and port",
            "a.toml, line 4: control \"\": is no path of a socket; use one as in /run/register/control.sock",
        ]
    );
}

#[test]
fn a_mistake_in_defaults_is_told_once_and_without_any_service_that_has_it() {
    let text = "[defaults]\nttl = 30\nrise = 0\nkey = \"{hots}\"\nwait = 1\n\
                [[service]]\nname = \"a\"\naddress = \"10.0.0.5:80\"\nkey = \"/a\"\nttl = \"1s\"\nrise = 1\n\
                [[service]]\nname = \"b\"\naddress = \"10.0.0.5:80\"\n";
    assert_eq!(
        read(text).expect_err("mistakes"),
        [
            "a.toml, line 5: wait: unknown field",
            "a.toml, line 2: ttl: must be a string, in quotes",
            "a.toml, line 4: key \"{hots}\": unknown placeholder {hots}; there are {service} {host} {port} {address} {hostname}",
            "a.toml, line 3: rise \"0\": use a whole number, at least 1",
        ]
    );
}

#[test]
fn no_fault_tells_a_secret() {
    let told = [
        "header = [\"Authorization Bearer sesame\"]",
        "header = [\"A: sesame\\u0001\"]",
        "check = \"http://u:sesame@h:0/\"",
        "check = \"exe:login sesame\"",
        "check = \"login sesame\"",
        "check = \"exec: \"",
        "ttl = \"10${SECRET}\"",
        "prefix = \"${SECRET}\"",
        "key = \"{${SECRET}}\"",
        "expect = \"${SECRET}\"",
        "body_regex = \"(${SECRET}\"",
        "check = \"http://${SECRET}/\"",
        "check_ca = \"/${SECRET}\"\ncheck = \"https://h/\"",
        "value = { a = \"{x}${SECRET}\" }",
    ];
    for fields in told {
        let faults = faults(fields);
        assert!(!faults.is_empty(), "{fields}");
        let is_silent = |fault: &String| !fault.contains("street") && !fault.contains("sesame");
        assert!(faults.iter().all(is_silent), "{faults:?}");
    }
}

#[test]
fn etcd_is_the_files_where_neither_flag_nor_variable_says_more() {
    let text = "[etcd]\nendpoints = [\"10.0.0.1:1\", \"http://${IP}:2\"]\nuser = \"web:pw\"\n\
                [[service]]\nname = \"web\"\naddress = \"10.0.0.5:80\"\n";
    let files = Files::of(&[("a.toml", text)]);
    let etcd = files.read().expect("sound").etcd;
    assert_eq!(etcd.endpoints, ["http://10.0.0.1:1", "http://10.0.0.5:2"]);
    assert_eq!(etcd.credentials.expect("given").user, "web");
    let flags = ["--endpoints", "h:3"];
    let etcd = files.source(&flags).expect("sound").config.etcd;
    assert_eq!(etcd.endpoints, ["http://h:3"]);
}

#[test]
fn mistakes_about_etcd_name_file_and_line() {
    let told = |fields: &str| {
        let text =
            format!("[[service]]\nname = \"web\"\naddress = \"10.0.0.5:80\"\n[etcd]\n{fields}\n");
        read(&text).expect_err(fields)
    };
    let table: &[(&str, &[&str])] = &[
        (
            "endpoints = [\"ftp://h\"]",
            &["a.toml, line 5: endpoints \"ftp://h\": unknown scheme; use http:// or https://"],
        ),
        (
            "endpoints = [\"http://u:sesame@h\"]",
            &["a.toml, line 5: endpoints: must not hold a user or password; give them with --user"],
        ),
        (
            "endpoints = [\"ftp://${SECRET}\"]",
            &[
                "a.toml, line 5: endpoints \"ftp://${SECRET}\": is not one endpoint; separate several with commas, as in 10.0.0.1:2379,10.0.0.2:2379",
            ],
        ),
        (
            "user = \"web\"",
            &[
                "a.toml, line 5: user \"web\": has no password; use --password-file or ETCDCTL_PASSWORD",
            ],
        ),
        (
            "user = \"web\"\npassword_file = \"/nonexistent\"",
            &[
                "a.toml, line 6: password_file \"/nonexistent\": No such file or directory (os error 2)",
            ],
        ),
        (
            "insecure_skip_tls_verify = \"no\"",
            &["a.toml, line 5: insecure_skip_tls_verify: must be true or false, without quotes"],
        ),
        (
            "cacert = \"/nonexistent\"\nendpoints = [\"https://h\"]",
            &["a.toml, line 5: cacert \"/nonexistent\": No such file or directory (os error 2)"],
        ),
    ];
    for (fields, faults) in table {
        assert_eq!(told(fields), *faults, "{fields}");
    }
}

#[test]
fn too_many_services_are_one_fault_and_as_many_as_may_be_are_read_at_once() {
    let text = |count: usize| -> String {
        let service = |n| format!("[[service]]\nname = \"s{n}\"\naddress = \"10.0.0.5:80\"\n");
        (0..count).map(service).collect()
    };
    assert_eq!(
        read(&text(20_001)).expect_err("too many"),
        ["--config \"DIR\": names 20001 services; 20000 are the most"]
    );
    assert_eq!(read(&text(20_000)).expect("sound").services.len(), 20_000);
    let faulty = text(20_000).replace("80\"", "0\"");
    assert_eq!(read(&faulty).expect_err("bad ports").len(), 20_000);
}

#[test]
fn a_file_that_is_nothing_but_mistakes_takes_no_longer_than_it_is_long() {
    let many = |line: &dyn Fn(usize) -> String| (0..50_000).map(line).collect::<String>();
    let unknown = faults(&many(&|n| format!("ttl{n} = 1\n")));
    assert_eq!(unknown.len(), 50_000);
    let headers = many(&|n| format!("\"A{n}: ${{IP}}\","));
    assert_eq!(
        faults(&format!("header = [{headers}]")),
        ["line 4: header is given 50000 times; 1000 are the most"]
    );
}

#[test]
fn what_is_read_again_differs_only_where_the_files_do() {
    let text = "[[service]]\nname = \"a\"\naddress = \"${IP}:80\"\n[[service]]\nname = \"b\"\naddress = \"${IP}:81\"\n";
    let files = Files::of(&[("a.toml", text)]);
    let host = files.source(&[]).expect("sound");
    assert_eq!(host.source.read().expect("sound"), host.config);
    files.write("a.toml", &text.replace("81", "82"));
    let again = host.source.read().expect("sound");
    assert_eq!(again.services[0], host.config.services[0]);
    assert_ne!(again.services[1], host.config.services[1]);
    files.write("a.toml", "[[service]");
    assert!(host.source.read().is_err());
}

#[test]
fn a_variable_of_one_service_is_ignored_and_named() {
    let files = Files::of(&[(
        "a.toml",
        "[[service]]\nname = \"web\"\naddress = \"10.0.0.5:80\"\n",
    )]);
    let config = ConfigArgs {
        config: Some(files.path().display().to_string()),
    };
    let env = |name: &str| (name == "REGISTER_TTL").then(|| "1s".to_owned());
    let host = host(
        config,
        ObserveArgs::default(),
        EtcdArgs::default(),
        Variables::default(),
        env,
    )
    .ok();
    let host = host.expect("sound");
    assert_eq!(host.config.services[0].ttl, Duration::from_secs(30));
    assert_eq!(
        host.ignored,
        ["REGISTER_TTL is ignored: with --config, services are set up in its file"]
    );
}

#[test]
fn the_address_of_an_interface_is_filled_in_once_it_is_known() {
    let text = "[defaults]\naddress = \"interface:eth0:80\"\n\
                [[service]]\nname = \"web\"\ncheck = \"tcp://{address}\"\n\
                value = { at = \"{host}\" }\n";
    let config = read(text).expect("sound");
    assert_eq!(config.services.len(), 0);
    let [web] = &config.on_interfaces[..] else {
        panic!("{config:?}");
    };
    assert_eq!((web.port.interface.as_str(), web.port.port), ("eth0", 80));
    for (ip, key, value) in [
        ("10.0.0.7", "/services/web/10.0.0.7", r#"{"at":"10.0.0.7"}"#),
        (
            "2001:db8::7",
            "/services/web/2001:db8::7",
            r#"{"at":"2001:db8::7"}"#,
        ),
    ] {
        let service = web.at(ip.parse().expect("an IP address")).expect("sound");
        let announced = (
            service.announcement.key.as_str(),
            service.announcement.value.as_str(),
        );
        assert_eq!(announced, (key, value));
    }
    let at = |ip: &str| web.at(ip.parse().expect("an IP address")).expect("sound");
    assert_eq!(at("10.0.0.7"), at("10.0.0.7"));
    assert_ne!(at("10.0.0.7").checks, at("10.0.0.8").checks);
}

#[test]
fn services_of_one_interface_need_keys_of_their_own_and_all_faults_are_told() {
    let service = |address: &str, more: &str| {
        format!("[[service]]\nname = \"web\"\naddress = \"{address}\"\n{more}")
    };
    let both = service("interface:eth0:80", "") + &service("interface:eth0:81", "");
    let told = read(&both).expect_err("one key");
    assert!(
        told[0].starts_with("a.toml, line 4: key: the service at a.toml, line 1 has the same"),
        "{told:?}"
    );
    let others = service("interface:eth0:80", "") + &service("interface:eth1:80", "");
    assert!(read(&others).is_ok());
    let told = read(&service("interface:eth0", "ttl = \"0s\"\n")).expect_err("ill-formed");
    assert_eq!(
        told,
        [
            "a.toml, line 3: address \"interface:eth0\": is not written interface:NAME:PORT, as in interface:eth0:80",
            "a.toml, line 4: ttl \"0s\": must be at least 1s"
        ]
    );
}

#[test]
fn a_name_means_all_of_it_a_key_one_and_an_unknown_one_is_told() {
    let text = "[[service]]\nname = \"web\"\naddress = \"10.0.0.5:80\"\n\
                [[service]]\nname = \"db\"\naddress = \"10.0.0.5:81\"\n\
                [[service]]\nname = \"web\"\naddress = \"10.0.0.6:80\"\n";
    let services = || read(text).expect("sound").services;
    let selected = |words: &[&str]| {
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        let selected = select(services().into_iter().map(Ok).collect(), &words)
            .map_err(|faults| faults.to_string());
        let ports = |services: Vec<LocatedService>| {
            let services = services.into_iter().filter_map(Result::ok);
            let values = services
                .into_iter()
                .map(|service| service.announcement.value);
            values.collect::<Vec<_>>().join(" ")
        };
        selected.map(ports)
    };
    let table = [
        (&[][..], "10.0.0.5:80 10.0.0.5:81 10.0.0.6:80"),
        (&["web"], "10.0.0.5:80 10.0.0.6:80"),
        (&["db", "web", "db"], "10.0.0.5:80 10.0.0.5:81 10.0.0.6:80"),
        (&["/services/web/10.0.0.6"], "10.0.0.6:80"),
    ];
    for (words, values) in table {
        assert_eq!(selected(words).as_deref(), Ok(values), "{words:?}");
    }
    assert_eq!(
        selected(&["wbe", "web", "/services/web/10.0.0.7", "cache"]),
        Err("SERVICE \"wbe\": there is no such service; did you mean web?\n\
             SERVICE \"/services/web/10.0.0.7\": there is no such service; did you mean /services/web/10.0.0.5?\n\
             SERVICE \"cache\": there is no such service"
            .to_owned())
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_is_services_or_faults(
        text in "(\\[|\\]|service|defaults|etcd|checks?|value|name|address|=|\\{|\\}|\"|\\$\\{|,|\n| |1|tcp://|exec:|é){0,40}"
    ) {
        let _either = read(&text);
        let _either = faults(&text);
    }
}
