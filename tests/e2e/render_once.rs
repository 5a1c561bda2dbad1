use std::process::Command;

use rustix::process::Signal;

use crate::harness::running::{BINARY, outcome, render};
use crate::harness::{Confdir, Etcd, Logged, Running, SOON, eventually, register};

const KEYS: &str = "keys = [\"/services/web\"]";
const SERVERS: &str = "{{range getvs \"/services/web/*\"}}server {{.}};\n{{end}}";

fn with_a_server() -> (Etcd, Confdir) {
    let etcd = Etcd::start();
    etcd.ctl(&["put", "/services/web/a", "1"]);
    let confdir = Confdir::new().with("app.conf", KEYS, SERVERS);
    (etcd, confdir)
}

#[test]
fn once_renders_and_exits_0() {
    let (etcd, confdir) = with_a_server();
    let (code, stdout, _) = outcome(render(&etcd.url(), &confdir).arg("--once"));
    assert_eq!((code, stdout.as_str()), (0, ""));
    assert_eq!(confdir.read("app.conf").unwrap(), "server 1;\n");
}

#[test]
fn once_exits_1_when_a_resource_fails_and_does_the_others() {
    let (etcd, confdir) = with_a_server();
    confdir.add("bad.conf", KEYS, "line 1\n{{getv \"/nope\"}}");
    let (code, _, stderr) = outcome(render(&etcd.url(), &confdir).arg("--once"));
    assert_eq!(code, 1);
    let error = "template: bad.conf.tmpl:2:2: executing \"bad.conf.tmpl\" at <getv \"/nope\">: \
                 error calling getv: key does not exist: /nope";
    assert!(stderr.contains(error), "{stderr}");
    assert_eq!(confdir.read("app.conf").unwrap(), "server 1;\n");
}

#[test]
fn once_exits_3_when_etcd_does_not_answer() {
    let confdir = Confdir::new().with("app.conf", KEYS, SERVERS);
    let (code, _, stderr) = outcome(render("http://127.0.0.1:1", &confdir).arg("--once"));
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("http://127.0.0.1:1"), "{stderr}");
}

#[test]
fn noop_prints_a_diff_changes_nothing_and_exits_1() {
    let (etcd, confdir) = with_a_server();
    confdir.write("out/app.conf", "server 0;\n");
    let (code, stdout, _) = outcome(render(&etcd.url(), &confdir).arg("--noop"));
    assert_eq!(code, 1);
    let dest = confdir.dest("app.conf").display().to_string();
    let diff = format!("--- {dest}\n+++ {dest}\n@@ -1 +1 @@\n-server 0;\n+server 1;\n");
    assert!(stdout.ends_with(&diff), "{stdout}");
    assert_eq!(confdir.read("app.conf").unwrap(), "server 0;\n");
    assert_eq!(confdir.files(), ["app.conf"]);
}

#[test]
fn a_render_stops_at_its_limits_and_the_last_good_file_stays() {
    let (etcd, confdir) = with_a_server();
    confdir.write("out/app.conf", "good\n");
    let attempt = |variable: (&str, &str), flags: &[&str]| {
        let mut render = render(&etcd.url(), &confdir);
        let (code, _, log) = outcome(render.env(variable.0, variable.1).args(flags));
        (code, log)
    };
    let unset = ("REGISTER_RENDER_LIMIT", "");
    for (variable, flags) in [
        (unset, &["--once", "--render-limit", "9"][..]),
        (unset, &["--noop", "--render-limit", "9"]),
        (("REGISTER_RENDER_LIMIT", "9"), &["--once"]),
    ] {
        let (code, log) = attempt(variable, flags);
        assert_eq!(code, 1, "{log}");
        assert!(log.contains("output exceeds 9 bytes"), "{flags:?}: {log}");
    }
    let (code, log) = attempt(("REGISTER_RENDER_LIMIT", "much"), &["--once"]);
    assert_eq!(code, 2, "{log}");
    assert!(log.contains("REGISTER_RENDER_LIMIT"), "{log}");
    assert_eq!(confdir.read("app.conf").as_deref(), Some("good\n"));

    let (code, log) = attempt(unset, &["--once", "--render-limit", "10"]);
    assert_eq!(code, 0, "{log}");

    let ranges = "{{range seq 1 10000}}{{range seq 1 10000}}{{end}}{{end}}";
    confdir.add("slow.conf", KEYS, ranges);
    let (code, log) = attempt(unset, &["--once", "--render-timeout", "50ms"]);
    assert_eq!(code, 1);
    assert!(log.contains("took longer than 50ms"), "{log}");
}

#[test]
fn noop_in_step_prints_nothing_and_exits_0() {
    let (etcd, confdir) = with_a_server();
    assert_eq!(outcome(render(&etcd.url(), &confdir).arg("--once")).0, 0);
    let (code, stdout, _) = outcome(render(&etcd.url(), &confdir).arg("--noop"));
    assert_eq!((code, stdout.as_str()), (0, ""));
}

#[test]
fn data_stands_in_for_etcd() {
    let confdir = Confdir::new().with("app.conf", KEYS, SERVERS);
    confdir.write("data.json", r#"{"/services": {"web": {"a": "7"}}}"#);
    let data = confdir.path("data.json").display().to_string();
    let flags = ["render", "--confdir", &confdir.flag(), "--data", &data];
    let (code, _, stderr) = outcome(register().args(flags));
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(confdir.read("app.conf").unwrap(), "server 7;\n");
}

#[test]
fn helpers_render_under_both_command_lines_and_lint_knows_them() {
    let text = r#"{{$servers := list}}{{range gets "/web/*"}}
{{- if regexMatch "^[0-9.]+:[0-9]+$" .Value}}{{$servers = append $servers (dict "name" (base .Key | snakecase) "at" .Value)}}{{end}}
{{- end}}{{dict "servers" $servers "port" (getv "/port" "" | default "80") | toPrettyJson | indent 2}}
"#;
    let expected = r#"  {
    "port": "80",
    "servers": [
      {
        "at": "10.0.0.1:80",
        "name": "web_one"
      }
    ]
  }
"#;
    let confdir = Confdir::new().with("app.json", "keys = [\"/\"]", text);
    confdir.write(
        "data.json",
        r#"{"/web": {"webOne": "10.0.0.1:80", "two": "no address"}}"#,
    );
    let data = confdir.path("data.json").display().to_string();
    let flags = ["render", "--confdir", &confdir.flag(), "--data", &data];
    let (code, _, stderr) = outcome(register().args(flags).arg("--once"));
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(confdir.read("app.json").unwrap(), expected);
    let lint = ["render", "lint", "--confdir", &confdir.flag()];
    let (code, stdout, _) = outcome(register().args(lint));
    assert_eq!((code, stdout.as_str()), (0, ""));

    let etcd = Etcd::start();
    etcd.ctl(&["put", "/web/webOne", "10.0.0.1:80"]);
    confdir.write("out/app.json", "");
    let url = etcd.url();
    let flags = [
        "confd",
        "-onetime",
        "-confdir",
        &confdir.flag(),
        "-node",
        &url,
    ];
    let (code, _, stderr) = outcome(register().args(flags));
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(confdir.read("app.json").unwrap(), expected);
}

#[test]
fn data_that_is_no_json_is_named() {
    let confdir = Confdir::new().with("app.conf", KEYS, SERVERS);
    confdir.write("data.json", "{");
    let data = confdir.path("data.json").display().to_string();
    let flags = ["render", "--confdir", &confdir.flag(), "--data", &data];
    let (code, _, stderr) = outcome(register().args(flags));
    assert_eq!(code, 2);
    assert!(
        stderr.contains(&data) && stderr.contains("line 1"),
        "{stderr}"
    );
}

#[test]
fn more_files_than_the_soft_limit_are_written_and_commands_get_that_limit() {
    let confdir = Confdir::new();
    let log = confdir.dest("log").display().to_string();
    let fields = format!("{KEYS}\ncheck_cmd = \"true\"\nreload_cmd = \"ulimit -S -n >> {log}\"");
    for number in 0..100 {
        confdir.add(&format!("{number}.conf"), &fields, SERVERS);
    }
    confdir.write("data.json", r#"{"/services": {"web": {"a": "7"}}}"#);
    let data = confdir.path("data.json").display().to_string();
    let script = "ulimit -S -n 50 && exec \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh", BINARY, "render", "--data", &data]);
    let (code, _, stderr) = outcome(command.args(["--confdir", &confdir.flag()]));
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(confdir.files().len(), 101);
    assert_eq!(confdir.read("log").unwrap(), "50\n");
}

#[test]
fn lint_names_file_line_and_reason_and_needs_no_etcd() {
    let confdir = Confdir::new().with("app.conf", KEYS, "one\n{{range}}\n");
    let flags = ["render", "lint", "--confdir", &confdir.flag()];
    let (code, stdout, _) = outcome(register().args(flags));
    assert_eq!(code, 1);
    let template = confdir
        .path("templates/app.conf.tmpl")
        .display()
        .to_string();
    let expected = format!(
        "{template}:2: error: Unable to process template {template}, \
         template: app.conf.tmpl:2: missing value for range\n"
    );
    assert_eq!(stdout, expected);
    confdir.add("app.conf", KEYS, SERVERS);
    let (code, stdout, _) = outcome(register().args(flags));
    assert_eq!((code, stdout.as_str()), (0, ""));
}

#[test]
fn lint_warns_where_two_groups_commands_start_the_same_program() {
    let reload = |flag: &str| format!("{KEYS}\nreload_cmd = \"nginx -s {flag}\"");
    let confdir = Confdir::new()
        .with("a.conf", &reload("reload"), SERVERS)
        .with("b.conf", &reload("reopen"), SERVERS);
    let lint = || outcome(register().args(["render", "lint", "--confdir", &confdir.flag()]));
    let (code, stdout, _) = lint();
    assert_eq!(code, 0, "{stdout}");
    let lines: Vec<_> = stdout.lines().collect();
    let [warning] = lines[..] else {
        panic!("one line: {stdout}");
    };
    let later = confdir.path("conf.d/b.conf.toml").display().to_string();
    assert!(warning.starts_with(&later), "{warning}");
    for detail in [": warning: ", "reload_cmd", "nginx", "a.conf.toml"] {
        assert!(warning.contains(detail), "{detail}: {warning}");
    }
    // With one command for both they are one group.
    confdir.add("b.conf", &reload("reload"), SERVERS);
    let (code, stdout, _) = lint();
    assert_eq!((code, stdout.as_str()), (0, ""));
}

#[test]
fn a_confdir_that_is_not_there_is_a_mistake() {
    for flags in [&["render", "--once"][..], &["render", "lint"]] {
        let flags = [flags, &["--confdir", "/does/not/exist"]].concat();
        let (code, _, stderr) = outcome(register().args(flags));
        assert_eq!(code, 2);
        assert!(stderr.contains("--confdir \"/does/not/exist\""), "{stderr}");
    }
}

#[test]
fn noop_exits_1_also_when_what_would_change_has_no_text() {
    let etcd = Etcd::start();
    let confdir = Confdir::new().with("empty.conf", KEYS, SERVERS);
    let (code, stdout, stderr) = outcome(render(&etcd.url(), &confdir).arg("--noop"));
    let dest = confdir.dest("empty.conf").display().to_string();
    assert_eq!(
        (code, stdout),
        (1, format!("--- /dev/null\n+++ {dest}\n")),
        "{stderr}"
    );
    assert!(confdir.files().is_empty());
}

#[test]
fn a_file_that_a_killed_run_left_unchecked_is_put_back_though_etcd_is_down() {
    let (etcd, confdir) = with_a_server();
    let pid = confdir.path("pid").display().to_string();
    let check = format!("check_cmd = \"echo $PPID > {pid}.new; mv {pid}.new {pid}; sleep 60\"");
    confdir.add("app.conf", &format!("{KEYS}\n{check}"), SERVERS);
    confdir.write("out/app.conf", "good\n");
    let mut killed = Running::spawn(render(&etcd.url(), &confdir).arg("--once"));
    eventually("the check runs", SOON, || {
        std::fs::read_to_string(&pid).map_err(|error| error.to_string())
    });
    assert_eq!(confdir.read("app.conf").unwrap(), "server 1;\n");
    killed.signal(Signal::KILL);
    killed.wait_for_exit(SOON);
    for (arguments, exit) in [
        (
            vec!["render", "--noop", "--endpoints", "http://127.0.0.1:1"],
            3,
        ),
        (
            vec!["render", "--once", "--endpoints", "http://127.0.0.1:1"],
            3,
        ),
        (vec!["confd", "-onetime", "-node", "http://127.0.0.1:1"], 1),
    ] {
        let is_noop = arguments.contains(&"--noop");
        let flag = if arguments[0] == "confd" {
            "-confdir"
        } else {
            "--confdir"
        };
        let (code, _, stderr) = outcome(register().args(&arguments).args([flag, &confdir.flag()]));
        assert_eq!(code, exit, "{stderr}");
        let expected = if is_noop { "server 1;\n" } else { "good\n" };
        assert_eq!(confdir.read("app.conf").unwrap(), expected, "{arguments:?}");
    }
    assert_eq!(confdir.files(), ["app.conf"]);
}

#[test]
fn a_second_resource_for_one_file_is_refused_by_name() {
    let (etcd, confdir) = with_a_server();
    let again = confdir.dest("app.conf").display().to_string();
    confdir.write(
        "conf.d/other.toml",
        &format!("[template]\nsrc = \"app.conf.tmpl\"\ndest = \"{again}\"\n{KEYS}\n"),
    );
    let flags = ["--once", "--log-format", "json"];
    let (code, _, stderr) = outcome(render(&etcd.url(), &confdir).args(flags));
    assert_eq!(code, 1);
    let refused = Logged::of(&stderr, "resource_rejected");
    assert_eq!(refused.len(), 1, "{stderr}");
    for detail in ["other.toml", "line 3: dest", "app.conf.toml"] {
        assert!(refused[0].tells(detail), "{detail}: {stderr}");
    }
    assert_eq!(confdir.read("app.conf").unwrap(), "server 1;\n");
}
