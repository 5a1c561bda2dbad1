use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::rights::{own_root, wrapped};
use crate::harness::running::outcome;
use crate::harness::{Confdir, Etcd, Running, SOON, eventually, register};

const CASES: &str = include_str!("../conformance/cli-cases.jsonl");

/// Where we differ from confd on purpose; `docs/confd.md` says why.
const DIFFERENT: &[&str] = &[
    // Octal always: 0644 and not 0204.
    "mode-decimal-quirk",
    // `{{.dest}}` is known to a check.
    "check-tmpl-dest-novalue",
    // That a reload is owed is remembered beside the file; it is tried again, and not reported as
    // in sync.
    "reload-fails",
    "reload-fails-second-run",
    // `{{.dest}}` is known to a reload.
    "reload-not-templated",
    // Named, and the others are processed.
    "bad-toml",
    // Values are not logged: the line `Got the following map from store` is missing.
    "fresh-debug",
    "in-sync-second-run",
];

/// A recorded run of confd.
struct Case {
    name: String,
    data: Value,
    directory: TempDir,
}

/// What a run leaves behind.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    code: i32,
    stdout: String,
    /// Without time, host and tag.
    stderr: Vec<String>,
    /// Contents and mode of each file in `out`.
    files: BTreeMap<String, (String, String)>,
}

impl Case {
    fn all() -> Vec<Self> {
        let cases = CASES.lines().map(|line| {
            let data: Value = serde_json::from_str(line).unwrap();
            Self {
                name: data["name"].as_str().unwrap().to_owned(),
                directory: tempfile::tempdir().unwrap(),
                data,
            }
        });
        cases.collect()
    }

    fn path(&self) -> String {
        self.directory.path().display().to_string()
    }

    fn write(&self, name: &str, text: &Value) {
        let path = self.directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text.as_str().unwrap().replace("@DIR@", &self.path())).unwrap();
    }

    fn prepare(&self) {
        fs::create_dir(self.directory.path().join("out")).unwrap();
        for (part, prefix) in [("conf", "conf.d/"), ("tmpl", "templates/"), ("pre", "")] {
            for (name, text) in self.data[part].as_object().unwrap() {
                self.write(&format!("{prefix}{name}"), text);
            }
        }
        if let Some(mode) = self.data["premode"].as_u64() {
            for name in self.data["pre"].as_object().unwrap().keys() {
                let mode = fs::Permissions::from_mode(u32::try_from(mode).unwrap());
                fs::set_permissions(self.directory.path().join(name), mode).unwrap();
            }
        }
    }

    /// None where it takes a root, and none is to be had.
    fn run(&self, etcd: &Etcd) -> Option<Outcome> {
        let wrapper = if self.data["conf"].to_string().contains("owner") {
            own_root()?
        } else {
            &["env"]
        };
        let mut command = confd();
        command
            .args(["-onetime", "-backend", "etcdv3", "-node", &etcd.url()])
            .args(["-confdir", &self.path()])
            .args(["-config-file", "/does/not/exist"])
            .args(strings(&self.data["args"]));
        let mut command = wrapped(wrapper, &command);
        if self.data["twice"].as_bool().unwrap() {
            outcome(&mut command);
        }
        let (code, stdout, stderr) = outcome(&mut command);
        let messages = stderr.lines().map(|line| self.plain(line, etcd));
        Some(Outcome {
            code,
            stdout,
            stderr: messages.collect(),
            files: self.files(),
        })
    }

    /// A line as the cases have them.
    fn plain(&self, line: &str, etcd: &Etcd) -> String {
        let (_, message) = line.split_once("]: ").unwrap_or(("", line));
        let message = message
            .replace(&self.path(), "@DIR@")
            .replace(&etcd.url(), "http://127.0.0.1:23790");
        match message.split_once("/out/.app.conf") {
            Some((before, after)) => {
                let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
                format!("{before}/out/.app.conf@RND@{after}")
            }
            None => message,
        }
    }

    fn files(&self) -> BTreeMap<String, (String, String)> {
        let entries = fs::read_dir(self.directory.path().join("out")).unwrap();
        let files = entries.map(|entry| {
            let path = entry.unwrap().path();
            let name = format!("out/{}", path.file_name().unwrap().to_string_lossy());
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
            let text = fs::read_to_string(&path).unwrap();
            (name, (text, format!("{mode:#o}")))
        });
        files.collect()
    }

    fn expected(&self) -> Outcome {
        let expect = &self.data["expect"];
        let files = expect["files"].as_object().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Outcome {
            code: i32::try_from(expect["rc"].as_i64().unwrap()).unwrap(),
            stdout: text(&expect["stdout"]),
            stderr: text(&expect["stderr"]).lines().map(str::to_owned).collect(),
            files: files
                .map(|(name, file)| (name.clone(), (text(&file["content"]), text(&file["mode"]))))
                .collect(),
        }
    }
}

fn strings(list: &Value) -> Vec<String> {
    let items = list.as_array().unwrap().iter();
    items
        .map(|item| item.as_str().unwrap().to_owned())
        .collect()
}

fn confd() -> Command {
    let mut command = register();
    command.arg("confd");
    command
}

fn put_keys(etcd: &Etcd, case: &Case) {
    for (key, value) in case.data["keys"].as_object().unwrap() {
        etcd.ctl(&["put", key, value.as_str().unwrap()]);
    }
}

#[test]
fn recorded_runs_of_confd_are_repeated_to_the_letter() {
    let etcd = Etcd::start();
    let cases = Case::all();
    put_keys(&etcd, &cases[0]);
    let mut wrong = Vec::new();
    for case in &cases {
        case.prepare();
        let Some(got) = case.run(&etcd) else {
            continue;
        };
        let expected = case.expected();
        if (got == expected) == DIFFERENT.contains(&case.name.as_str()) {
            wrong.push(format!("{}:\n{got:#?}\n{expected:#?}", case.name));
        }
    }
    assert_eq!(cases.len(), 25);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn run_case(name: &str) -> (Outcome, Outcome) {
    let etcd = Etcd::start();
    let case = Case::all().into_iter().find(|case| case.name == name);
    let case = case.unwrap();
    put_keys(&etcd, &case);
    case.prepare();
    (case.run(&etcd).unwrap(), case.expected())
}

#[test]
fn debug_lines_are_confds_but_for_the_one_with_the_values() {
    for name in ["fresh-debug", "in-sync-second-run"] {
        let (got, mut expected) = run_case(name);
        expected
            .stderr
            .retain(|line| !line.contains("Got the following map from store"));
        assert_eq!(got, expected, "{name}");
    }
}

#[test]
fn a_mode_is_octal_always() {
    let (got, _) = run_case("mode-decimal-quirk");
    assert_eq!(got.files["out/app.conf"].1, "0o644");
}

#[test]
fn a_resource_that_does_not_parse_is_named_and_the_others_are_processed() {
    let (got, _) = run_case("bad-toml");
    assert_eq!(got.code, 1);
    assert!(got.files.contains_key("out/app.conf"), "{got:?}");
    let named =
        |line: &String| line.contains("Cannot process template resource @DIR@/conf.d/a.toml - ");
    assert!(got.stderr.iter().any(named), "{got:?}");
}

#[test]
fn a_reload_that_fails_is_told_in_confds_words() {
    let (mut got, expected) = run_case("reload-fails");
    assert!(got.files.remove("out/.app.conf.owed").is_some());
    assert_eq!(got, expected);
}

#[test]
fn a_reload_that_failed_is_tried_again_by_the_next_run() {
    let (got, _) = run_case("reload-fails-second-run");
    assert_eq!(got.code, 1);
    assert!(
        got.stderr.contains(&"ERROR \"boom\\n\"".to_owned()),
        "{got:?}"
    );
}

#[test]
fn a_check_and_a_reload_know_the_file() {
    let (got, _) = run_case("check-tmpl-dest-novalue");
    assert_eq!(got.code, 0, "{got:?}");
    let (got, _) = run_case("reload-not-templated");
    assert!(got.files["out/r"].0.ends_with("/out/app.conf\n"), "{got:?}");
}

#[test]
fn a_mistake_on_the_command_line_exits_2_with_gos_words() {
    for (flags, message) in [
        (&["-nope"][..], "flag provided but not defined: -nope"),
        (&["-node"], "flag needs an argument: -node"),
        (
            &["-interval", "x"],
            "invalid value \"x\" for flag -interval: parse error",
        ),
    ] {
        let (code, stdout, stderr) = outcome(confd().args(flags));
        assert_eq!((code, stdout.as_str()), (2, ""));
        assert!(
            stderr.starts_with(&format!("{message}\nUsage of confd:\n")),
            "{stderr}"
        );
    }
    let (code, _, stderr) = outcome(confd().arg("--help"));
    assert!(
        code == 0 && stderr.starts_with("Usage of confd:\n"),
        "{code} {stderr}"
    );
}

#[test]
fn another_backend_is_refused_by_its_name() {
    let (code, _, stderr) = outcome(confd().args(["-backend", "consul", "-onetime"]));
    assert_eq!(code, 1);
    assert!(
        stderr.contains("FATAL Invalid backend \"consul\""),
        "{stderr}"
    );
}

#[test]
fn a_missing_confdir_is_a_warning_as_in_confd() {
    let etcd = Etcd::start();
    let flags = [
        "-onetime",
        "-node",
        &etcd.url(),
        "-confdir",
        "/does/not/exist",
    ];
    let (code, _, stderr) = outcome(confd().args(flags));
    assert_eq!(code, 0);
    let warning =
        "WARNING Cannot load template resources: confdir '/does/not/exist' does not exist";
    assert!(stderr.contains(warning), "{stderr}");
}

#[test]
fn etcd_away_is_fatal_for_one_pass() {
    let confdir = Confdir::new().with("a.conf", "keys = [\"/a\"]", "{{getv \"/a\"}}");
    let flags = [
        "-onetime",
        "-node",
        "http://127.0.0.1:1",
        "-confdir",
        &confdir.flag(),
    ];
    let (code, _, stderr) = outcome(confd().args(flags));
    assert_eq!(code, 1);
    assert!(stderr.contains("FATAL "), "{stderr}");
}

/// The tutorial's script, but for the paths and for nginx itself.
const CONFD_WATCH: &str = r#"#!/bin/bash
set -eo pipefail
export ETCD=$HOST_IP:$ETCD_PORT
echo "[nginx] booting container. ETCD: $ETCD."
until confd -onetime -node $ETCD -confdir $CONFDIR -config-file $CONFDIR/conf.d/app.conf.toml; do
    echo "[nginx] waiting for confd to create initial nginx configuration."
    sleep 0.1
done
exec confd -interval 1 -node $ETCD -confdir $CONFDIR -config-file $CONFDIR/conf.d/app.conf.toml
"#;

#[test]
fn the_tutorials_script_runs_unchanged() {
    let Some(wrapper) = own_root() else {
        return;
    };
    let etcd = Etcd::start();
    let confdir = Confdir::new();
    let fields = "keys = [\"/services/apache\"]\nowner = \"root\"\nmode = \"0644\"\ncheck_cmd = \"test -s {{.src}}\"";
    confdir.add(
        "app.conf",
        fields,
        "{{range getvs \"/services/apache/*\"}}server {{.}};\n{{end}}",
    );
    symlink(env!("CARGO_BIN_EXE_register"), confdir.path("confd")).unwrap();
    confdir.write("confd-watch", CONFD_WATCH);
    let path = format!("{}:{}", confdir.flag(), std::env::var("PATH").unwrap());
    let address = etcd.address();
    let log = fs::File::create(confdir.path("log")).unwrap();
    let mut script = Command::new("bash");
    script
        .arg(confdir.path("confd-watch"))
        .env("PATH", path)
        .env("HOST_IP", address.ip().to_string())
        .env("ETCD_PORT", address.port().to_string())
        .env("CONFDIR", confdir.flag());
    let script = wrapped(wrapper, &script)
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let _script = crate::harness::Owned(script);
    eventually("it waits for a first server", SOON, || {
        let log = fs::read_to_string(confdir.path("log")).unwrap();
        if log.contains("waiting for confd") {
            Ok(())
        } else {
            Err(log)
        }
    });
    etcd.ctl(&["put", "/services/apache/a", "10.0.0.1:80"]);
    confdir.wait_for("app.conf", "server 10.0.0.1:80;\n", SOON);
    etcd.ctl(&["put", "/services/apache/b", "10.0.0.2:80"]);
    confdir.wait_for(
        "app.conf",
        "server 10.0.0.1:80;\nserver 10.0.0.2:80;\n",
        SOON,
    );
}

/// confd as a daemon.
#[test]
fn noop_exits_1_after_a_failure_only() {
    let etcd = Etcd::start();
    etcd.ctl(&["put", "/a", "1"]);
    let url = etcd.url();
    let noop = |confdir: &Confdir| {
        let flags = [
            "-onetime",
            "-noop",
            "-node",
            &url,
            "-confdir",
            &confdir.flag(),
        ];
        let (code, _, stderr) = outcome(confd().args(flags));
        assert!(confdir.files().is_empty());
        (code, stderr)
    };
    let keys = "keys = [\"/a\"]";
    let pending = Confdir::new().with("a.conf", keys, "{{getv \"/a\"}}");
    let (code, stderr) = noop(&pending);
    assert_eq!(code, 0, "{stderr}");

    let no_key = Confdir::new().with("a.conf", keys, "{{getv \"/no\"}}");
    let no_template = Confdir::new().with("a.conf", keys, "");
    fs::remove_file(no_template.path("templates/a.conf.tmpl")).unwrap();
    let no_resource = Confdir::new();
    no_resource.write("conf.d/a.toml", "[template\n");
    for confdir in [no_key, no_template, no_resource] {
        let (code, stderr) = noop(&confdir);
        assert_eq!(code, 1, "{stderr}");
        assert!(stderr.contains("]: ERROR "), "{stderr}");
        assert!(
            stderr.lines().last().unwrap().contains("]: FATAL "),
            "{stderr}"
        );
    }
}

fn daemon(url: &str, confdir: &Confdir, flags: &[&str]) -> Running {
    Running::spawn(
        confd()
            .args(["-node", url, "-confdir", &confdir.flag()])
            .args(flags),
    )
}

#[test]
fn polling_watches_as_well() {
    let etcd = Etcd::start();
    let confdir = Confdir::new().with("a.conf", "keys = [\"/a\"]", "{{getv \"/a\" \"none\"}}");
    let mut confd = daemon(&etcd.url(), &confdir, &["-interval", "3600"]);
    confdir.wait_for("a.conf", "none", SOON);
    etcd.ctl(&["put", "/a", "1"]);
    confdir.wait_for("a.conf", "1", SOON);
    confd.signal(Signal::TERM);
    assert_eq!(confd.wait_for_exit(SOON), 0);
    assert!(
        confd.log().contains("INFO Captured terminated. Exiting..."),
        "{}",
        confd.log()
    );
}

#[test]
fn polling_takes_a_new_resource_in() {
    let etcd = Etcd::start();
    let confdir = Confdir::new();
    let _confd = daemon(&etcd.url(), &confdir, &["-interval", "1"]);
    confdir.add("late.conf", "", "static");
    confdir.wait_for("late.conf", "static", SOON);
}

#[test]
fn a_daemon_waits_for_etcd() {
    let mut etcd = Etcd::start();
    etcd.ctl(&["put", "/a", "1"]);
    etcd.kill();
    let confdir = Confdir::new().with("a.conf", "keys = [\"/a\"]", "{{getv \"/a\"}}");
    let confd = daemon(&etcd.url(), &confdir, &["-watch"]);
    confd.wait_for_log("WARNING etcd at", SOON);
    etcd.restart();
    confdir.wait_for("a.conf", "1", SOON);
}

#[test]
fn a_user_name_is_enough_to_log_in() {
    let etcd = Etcd::start();
    etcd.ctl(&["put", "/a", "1"]);
    for line in [
        &["user", "add", "root:pw"][..],
        &["user", "grant-role", "root", "root"],
        &["auth", "enable"],
    ] {
        etcd.ctl(line);
    }
    let confdir = Confdir::new().with("a.conf", "keys = [\"/a\"]", "{{getv \"/a\"}}");
    let url = etcd.url();
    let flags = ["-onetime", "-node", &url, "-confdir", &confdir.flag()];
    let (code, _, stderr) =
        outcome(
            confd()
                .args(flags)
                .args(["-username", "root", "-password", "pw"]),
        );
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(confdir.read("a.conf").unwrap(), "1");
    let (code, _, _) = outcome(
        confd()
            .args(flags)
            .args(["-username", "root", "-password", "no"]),
    );
    assert_eq!(code, 1);
}
