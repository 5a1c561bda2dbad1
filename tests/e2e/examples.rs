use std::fs::{self, Permissions};
use std::io::{ErrorKind, Write};
use std::net::{SocketAddrV4, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::process::Signal;

use crate::harness::rights::{Wrapper, is_root, own_root, wrapped};
use crate::harness::running::outcome;
use crate::harness::{Confdir, Owned, SOON, eventually, own_address, register, signal, tool};

/// An example of `units/confd` with its file in a directory of ours and no reload.
fn example(name: &str, dest: &str, check: &str) -> Confdir {
    let confdir = Confdir::new();
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("units/confd");
    let read = |path: String| fs::read_to_string(units.join(path)).unwrap();
    let check = check.replace("@OUT@", &confdir.path("out").display().to_string());
    let lines = read(format!("conf.d/{name}.toml"))
        .lines()
        .filter(|line| !line.starts_with("reload_cmd"))
        .map(|line| match line.split_once(" = ") {
            Some(("dest", _)) => format!("dest = \"{}\"", confdir.dest(dest).display()),
            Some(("check_cmd", _)) => format!("check_cmd = \"{check}\""),
            _ => line.to_owned(),
        })
        .collect::<Vec<_>>();
    confdir.write(&format!("conf.d/{name}.toml"), &lines.join("\n"));
    confdir.write(
        &format!("templates/{name}.tmpl"),
        &read(format!("templates/{name}.tmpl")),
    );
    confdir
}

fn program(name: &str) -> String {
    tool(name).get_program().to_str().unwrap().to_owned()
}

fn render(confdir: &Confdir, data: &str) -> (i32, String, String) {
    render_as(&["env"], confdir, data)
}

fn render_as(root: Wrapper, confdir: &Confdir, data: &str) -> (i32, String, String) {
    confdir.write("data.json", data);
    let data = confdir.path("data.json").display().to_string();
    let mut command = register();
    command.args(["render", "--confdir", &confdir.flag(), "--data", &data]);
    outcome(&mut wrapped(root, &command))
}

fn nginx_example() -> Confdir {
    nginx_example_of("nginx")
}

fn nginx_example_of(name: &str) -> Confdir {
    let check = format!(
        "{} -t -q -p @OUT@ -e stderr -c @OUT@/nginx.conf",
        program("nginx")
    );
    let confdir = example(name, "app.conf", &check);
    let template = format!("templates/{name}.tmpl");
    confdir.write(
        &template,
        &fs::read_to_string(confdir.path(&template))
            .unwrap()
            .replace("listen 80 ", "listen 127.0.0.1:8080 ")
            .replace("listen [::]:80 default_server ipv6only=on;", "")
            .replace("/var/log/nginx/access.log", "access.log"),
    );
    confdir.write(
        "out/nginx.conf",
        "user root; pid nginx.pid; events {}\nhttp {\n  access_log access.log;\n  log_format upstreamlog '$remote_addr';\n  \
         client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t; uwsgi_temp_path t; \
         scgi_temp_path t;\n  include app.conf;\n}\n",
    );
    confdir
}

#[test]
fn the_tutorials_template_is_one_that_nginx_takes() {
    let Some(root) = own_root() else {
        return;
    };
    let confdir = nginx_example();
    let data =
        r#"{"/services/apache": {"10.0.0.5": "10.0.0.5:7777", "10.0.0.6": "10.0.0.6:8888"}}"#;
    let (code, _, stderr) = render_as(root, &confdir, data);
    assert_eq!(code, 0, "{stderr}");
    let file = confdir.read("app.conf").unwrap();
    let upstream =
        "upstream apache_pool {\n    server 10.0.0.5:7777;\n    server 10.0.0.6:8888;\n}\n";
    assert!(file.starts_with(upstream), "{file}");
}

#[test]
fn nginx_without_a_server_keeps_the_last_good_file() {
    let Some(root) = own_root() else {
        return;
    };
    let confdir = nginx_example();
    let data = r#"{"/services/apache/a": "10.0.0.5:7777"}"#;
    assert_eq!(render_as(root, &confdir, data).0, 0);
    let good = confdir.read("app.conf");
    let (code, _, stderr) = render_as(root, &confdir, "{}");
    assert_eq!(code, 1);
    assert!(
        stderr.contains("no servers are inside upstream"),
        "{stderr}"
    );
    assert_eq!(confdir.read("app.conf"), good);
}

#[test]
fn a_value_that_is_no_address_does_not_reach_nginx() {
    let Some(root) = own_root() else {
        return;
    };
    let confdir = nginx_example();
    let data = r#"{"/services/apache": {"a": "10.0.0.5:7777", "b": "x; } http { evil"}}"#;
    let (code, _, stderr) = render_as(root, &confdir, data);
    assert_eq!(code, 0, "{stderr}");
    assert!(
        stderr.contains("/services/apache/b") && !stderr.contains("evil"),
        "{stderr}"
    );
    assert!(!confdir.read("app.conf").unwrap().contains("evil"));
}

#[test]
fn nginx_takes_several_services_and_a_map_of_hosts() {
    let Some(root) = own_root() else {
        return;
    };
    let confdir = nginx_example_of("nginx-services");
    let data = r#"{
        "/services/shop": {"a": "10.0.0.5:7777", "b": "10.0.0.6:8888"},
        "/services/api/a": "10.0.1.1:80",
        "/services/evil/a": "x; } http { evil",
        "/hosts": {"shop.example.com": "shop", "*.example.org": "api", "evil.example.com": "a; } evil {"}
    }"#;
    let (code, _, stderr) = render_as(root, &confdir, data);
    assert_eq!(code, 0, "{stderr}");
    let file = confdir.read("app.conf").unwrap();
    for part in [
        "upstream shop {\n    server 10.0.0.5:7777;\n    server 10.0.0.6:8888;\n}\n",
        "upstream api {\n    server 10.0.1.1:80;\n}\n",
        "    *.example.org api;\n    shop.example.com shop;\n}\n",
    ] {
        assert!(file.contains(part), "{part:?} in {file}");
    }
    assert!(!file.contains("evil"), "{file}");

    let (code, _, stderr) = render_as(root, &confdir, r#"{"/hosts/shop.example.com": "shop"}"#);
    assert_eq!(code, 1);
    assert!(stderr.contains("/services/*/*"), "{stderr}");
    assert_eq!(confdir.read("app.conf").unwrap(), file);
}

#[test]
fn prometheus_takes_its_targets_from_json() {
    let confdir = example("prometheus", "services.json", "");
    let data = r#"{
        "/services/shop": {"a": "10.0.0.5:7777", "b": "10.0.0.6:8888"},
        "/services/api/a": "10.0.1.1:80",
        "/services/evil/a": "\"], \"labels\": {}}"
    }"#;
    let (code, _, stderr) = render(&confdir, data);
    assert_eq!(code, 0, "{stderr}");
    let text = confdir.read("services.json").unwrap();
    let expected = serde_json::json!([
        {"targets": ["10.0.1.1:80"], "labels": {"service": "api"}},
        {"targets": ["10.0.0.5:7777"], "labels": {"service": "shop"}},
        {"targets": ["10.0.0.6:8888"], "labels": {"service": "shop"}},
    ]);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&text).unwrap(),
        expected
    );
    confdir.write(
        "out/prometheus.yml",
        "scrape_configs:\n- job_name: services\n  file_sd_configs:\n  - files: [services.json]\n",
    );
    let checked = tool("promtool")
        .args(["check", "config"])
        .arg(confdir.dest("prometheus.yml"))
        .output()
        .unwrap();
    let said = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.status.success(), "{said}");
    assert!(!said.contains("WARNING"), "{said}");

    let (code, _, _) = render(&confdir, "{}");
    assert_eq!(code, 1);
    assert_eq!(confdir.read("services.json").unwrap(), text);
}

#[test]
fn haproxy_takes_servers_from_json() {
    let check = format!("{} -c -q -f {{{{.src}}}}", program("haproxy"));
    let confdir = example("haproxy", "haproxy.cfg", &check);
    let data = r#"{
        "/services/shop": {
            "10.0.0.5": "{\"address\": \"10.0.0.5:7777\", \"weight\": 10, \"health\": \"/up\"}",
            "10.0.0.6": "{\"address\": \"10.0.0.6:8888\"}"
        },
        "/services/old_api/a": "{\"address\": \"10.0.1.1:80\"}",
        "/haproxy/old_api/mode": "http"
    }"#;
    let (code, _, stderr) = render(&confdir, data);
    assert_eq!(code, 0, "{stderr}");
    let file = confdir.read("haproxy.cfg").unwrap();
    for line in [
        "    use_backend old_api if { hdr_beg(host) -i old-api. }\n",
        "    server 10.0.0.5 10.0.0.5:7777 check port 7777 weight 10\n",
        "    server 10.0.0.6 10.0.0.6:8888 check port 8888\n",
        "    http-check send meth GET uri /up\n",
    ] {
        assert!(file.contains(line), "{line:?} in {file}");
    }
}

#[test]
fn patronis_leader_is_the_only_primary() {
    let check = format!("{} -c -q -f {{{{.src}}}}", program("haproxy"));
    let confdir = example("patroni", "haproxy.cfg", &check);
    let member = |ip: &str, role: &str| {
        let text = format!(
            "{{\"conn_url\":\"postgres://{ip}:5432/postgres\",\"api_url\":\"http://{ip}:8008/patroni\",\"state\":\"running\",\"role\":\"{role}\"}}"
        );
        serde_json::json!(text)
    };
    let data = serde_json::json!({"/service/main": {
        "leader": "pg2",
        "members": {"pg1": member("10.0.0.1", "replica"), "pg2": member("10.0.0.2", "primary")}
    }});
    let (code, _, stderr) = render(&confdir, &data.to_string());
    assert_eq!(code, 0, "{stderr}");
    let file = confdir.read("haproxy.cfg").unwrap();
    let (primary, replicas) = file.split_once("listen replicas").unwrap();
    assert!(
        primary.ends_with(
            "    option httpchk OPTIONS /primary\n    server pg2 10.0.0.2:5432 check port 8008\n\n"
        ),
        "{primary}"
    );
    assert!(
        replicas.contains("    server pg1 10.0.0.1:5432 check port 8008\n"),
        "{replicas}"
    );
    assert!(!replicas.contains("pg2"), "{replicas}");

    let (code, _, stderr) = render(&confdir, r#"{"/service/main/leader": "pg2"}"#);
    assert_eq!(code, 1);
    assert!(stderr.contains("/members/*"), "{stderr}");
    assert_eq!(confdir.read("haproxy.cfg").unwrap(), file);
}

/// A leader that only sees whether it is connected to.
fn listener() -> (TcpListener, SocketAddrV4) {
    let address = own_address();
    let listener = TcpListener::bind(address).unwrap();
    listener.set_nonblocking(true).unwrap();
    (listener, address)
}

/// A client of pgbouncer for that database, as far as PostgreSQL's first message: pgbouncer then needs the server.
fn client_of(pgbouncer: SocketAddrV4, database: &str) -> Result<TcpStream, String> {
    let parameters = format!("user\0postgres\0database\0{database}\0\0");
    let length = u32::try_from(8 + parameters.len()).unwrap();
    let mut message = length.to_be_bytes().to_vec();
    message.extend(196_608_u32.to_be_bytes());
    message.extend(parameters.as_bytes());
    let mut client = TcpStream::connect(pgbouncer).map_err(|error| error.to_string())?;
    client
        .write_all(&message)
        .map_err(|error| error.to_string())?;
    Ok(client)
}

#[test]
fn pgbouncer_goes_to_patronis_leader() {
    let confdir = example("pgbouncer", "databases.ini", "");
    let nodes = [listener(), listener()];
    let data = |leader: Option<&str>| {
        let member = |(_, at): &(TcpListener, SocketAddrV4)| {
            format!("{{\"conn_url\":\"postgres://{at}/postgres\"}}")
        };
        let mut keys = serde_json::json!({"/service/main": {
            "members": {"pg1": member(&nodes[0]), "pg2": member(&nodes[1])}
        }});
        if let Some(leader) = leader {
            keys["/service/main/leader"] = leader.into();
        }
        keys.to_string()
    };
    let (code, _, stderr) = render(&confdir, &data(Some("pg1")));
    assert_eq!(code, 0, "{stderr}");

    let at = own_address();
    confdir.write("out/userlist.txt", "\"postgres\" \"\"\n");
    confdir.write(
        "out/pgbouncer.ini",
        &format!(
            "%include {}\n[pgbouncer]\nlisten_addr = {}\nlisten_port = {}\nunix_socket_dir =\nauth_type = trust\n\
             auth_file = {}\n",
            confdir.dest("databases.ini").display(),
            at.ip(),
            at.port(),
            confdir.dest("userlist.txt").display()
        ),
    );
    let mut command = tool("pgbouncer");
    if is_root() {
        // It does not want to be root.
        for directory in ["", "out"] {
            fs::set_permissions(confdir.path(directory), Permissions::from_mode(0o755)).unwrap();
        }
        command.args(["-u", "nobody"]);
    }
    let log = fs::File::create(confdir.path("pgbouncer.log")).unwrap();
    let process = command
        .arg(confdir.dest("pgbouncer.ini"))
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let pgbouncer = Owned(process);
    let reaches = |node: usize, database: &str| {
        let mut clients = Vec::new();
        eventually(&format!("pgbouncer reaches node {node}"), SOON, || {
            if clients.is_empty() {
                clients.push(client_of(at, database)?);
            }
            match nodes[node].0.accept() {
                Ok((server, _)) => Ok((server, clients.pop())),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    Err(fs::read_to_string(confdir.path("pgbouncer.log")).unwrap())
                }
                Err(error) => Err(error.to_string()),
            }
        })
    };
    let _first = reaches(0, "one");

    // Between two leaders.
    let before = confdir.read("databases.ini");
    let (code, _, stderr) = render(&confdir, &data(None));
    assert_eq!(code, 1);
    assert!(stderr.contains("/leader"), "{stderr}");
    assert_eq!(confdir.read("databases.ini"), before);

    let (code, _, stderr) = render(&confdir, &data(Some("pg2")));
    assert_eq!(code, 0, "{stderr}");
    signal(&pgbouncer.0, Signal::HUP);
    eventually("it has read its configuration again", SOON, || {
        let log = fs::read_to_string(confdir.path("pgbouncer.log")).unwrap();
        if log.contains("got SIGHUP") {
            Ok(())
        } else {
            Err(log)
        }
    });
    let _second = reaches(1, "another");
}
