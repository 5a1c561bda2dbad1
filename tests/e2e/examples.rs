use std::fs;
use std::path::Path;

use crate::harness::rights::{Wrapper, own_root, wrapped};
use crate::harness::running::outcome;
use crate::harness::{Confdir, register, tool};

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
    let check = format!(
        "{} -t -q -p @OUT@ -e stderr -c @OUT@/nginx.conf",
        program("nginx")
    );
    let confdir = example("nginx", "app.conf", &check);
    confdir.write(
        "templates/nginx.tmpl",
        &fs::read_to_string(confdir.path("templates/nginx.tmpl"))
            .unwrap()
            .replace("listen 80 ", "listen 127.0.0.1:8080 ")
            .replace("listen [::]:80 default_server ipv6only=on;", "")
            .replace("/var/log/nginx/access.log", "access.log"),
    );
    confdir.write(
        "out/nginx.conf",
        "user root; pid nginx.pid; events {}\nhttp {\n  log_format upstreamlog '$remote_addr';\n  \
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
