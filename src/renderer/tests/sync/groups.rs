use crate::host::Host;
use crate::record::record;

const RELOAD: &str = r#"reload_cmd = "echo reload >> @DIR@/log""#;

/// Passes while no file holds `bad`.
const TREE: &str = r#"check_cmd = "echo check >> @DIR@/log; ! grep -q bad @DIR@/out/*""#;

#[test]
fn resources_with_the_same_reload_are_all_swapped_and_reloaded_once() {
    let mut host = Host::new();
    let reload = r#"reload_cmd = "cat @DIR@/out/a @DIR@/out/b >> @DIR@/log""#;
    let (a, b) = (host.resource("a", reload), host.resource("b", reload));
    host.put("/a", "1");
    host.put("/b", "2");
    assert_eq!(host.sync(&[&a, &b]), ["updated", "updated"]);
    assert_eq!(host.log(), ["1", "2"]);
}

#[test]
fn a_reload_that_names_the_file_is_not_shared() {
    let mut host = Host::new();
    let reload = r#"reload_cmd = "echo {{.dest}} >> @DIR@/log""#;
    let (a, b) = (host.resource("a", reload), host.resource("b", reload));
    host.put("/a", "1");
    host.put("/b", "2");
    assert_eq!(host.sync(&[&a, &b]), ["updated", "updated"]);
    let path = |name: &str| host.path(name).display().to_string();
    assert_eq!(host.log(), [path("out/a"), path("out/b")]);
}

#[test]
fn a_check_of_the_tree_runs_once_for_all() {
    let mut host = Host::new();
    let fields = format!("{RELOAD}\n{TREE}");
    let (a, b) = (host.resource("a", &fields), host.resource("b", &fields));
    host.put("/a", "1");
    host.put("/b", "2");
    assert_eq!(host.sync(&[&a, &b]), ["updated", "updated"]);
    assert_eq!(host.log(), ["check", "reload"]);
}

#[test]
fn files_that_need_each_other_change_together() {
    let mut host = Host::new();
    let fields = format!("{RELOAD}\ncheck_cmd = \"cmp @DIR@/out/a @DIR@/out/b\"");
    let (a, b) = (host.resource("a", &fields), host.resource("b", &fields));
    for value in ["1", "2"] {
        host.put("/a", value);
        host.put("/b", value);
        assert_eq!(host.sync(&[&a, &b]), ["updated", "updated"]);
    }
    host.put("/a", "3");
    assert_eq!(
        host.sync(&[&a, &b]),
        ["Config check failed: exit status 1", "in step"]
    );
    assert_eq!(host.read("out/a"), "2\n");
}

#[test]
fn one_bad_file_does_not_stop_the_others() {
    let mut host = Host::new();
    let fields = format!("{RELOAD}\n{TREE}");
    let a = host.resource("a", &fields);
    let b = host.resource("b", &fields);
    let c = host.resource("c", &fields);
    host.put("/a", "1");
    host.put("/b", "bad");
    host.put("/c", "3");
    assert_eq!(
        host.sync(&[&a, &b, &c]),
        ["updated", "Config check failed: exit status 1", "updated"]
    );
    assert_eq!(host.names(), ["a", "c"]);
    // All together, then one by one, and a reload into what passed last.
    assert_eq!(host.log(), ["check", "check", "check", "check", "reload"]);
}

#[test]
fn one_that_does_not_render_does_not_stop_the_others() {
    let mut host = Host::new();
    let (a, b) = (host.resource("a", RELOAD), host.resource("b", RELOAD));
    host.put("/b", "2");
    assert_eq!(
        host.sync(&[&a, &b]),
        [
            "template: a.tmpl:1:2: executing \"a.tmpl\" at <getv \"/a\">: \
             error calling getv: key does not exist: /a",
            "updated"
        ]
    );
    assert_eq!(host.log(), ["reload"]);
}

#[test]
fn a_reload_that_one_of_them_owes_serves_all() {
    let mut host = Host::new();
    let reload = r#"reload_cmd = "echo reload >> @DIR@/log; test -e @DIR@/ready""#;
    let (a, b) = (host.resource("a", reload), host.resource("b", reload));
    host.put("/a", "1");
    assert_eq!(host.sync(&[&a]), ["exit status 1 (reload owed)"]);
    host.write("ready", "");
    host.put("/b", "2");
    assert_eq!(host.sync(&[&a, &b]), ["in step", "updated"]);
    assert_eq!(host.log(), ["reload", "reload"]);
    assert_eq!(host.names(), ["a", "b"]);
}

#[test]
fn a_failed_reload_is_owed_by_those_that_changed() {
    let mut host = Host::new();
    let reload = r#"reload_cmd = "exit 3""#;
    let (a, b) = (host.resource("a", reload), host.resource("b", reload));
    host.write("out/b", "2\n");
    host.put("/a", "1");
    host.put("/b", "2");
    assert_eq!(
        host.sync(&[&a, &b]),
        ["exit status 3 (reload owed)", "in step"]
    );
}

#[test]
fn outcomes_come_in_the_order_of_the_batch() {
    let mut host = Host::new();
    let a = host.resource("a", RELOAD);
    let b = host.resource("b", "");
    let c = host.resource("c", RELOAD);
    host.put("/a", "1");
    host.put("/c", "3");
    let outcomes = host.sync(&[&a, &b, &c]);
    assert_eq!(outcomes[0], "updated");
    assert!(outcomes[1].starts_with("template: b.tmpl:"), "{outcomes:?}");
    assert_eq!(outcomes[2], "updated");
}

#[test]
fn a_check_and_a_reload_that_fail_again_are_told_once_whoever_runs_them() {
    let mut host = Host::new();
    let fields = "check_cmd = \"echo checked; ! grep -q bad @DIR@/out/*\"\n\
                  reload_cmd = \"echo reloaded; false\"";
    let (a, b) = (host.resource("a", fields), host.resource("b", fields));
    host.write("out/a", "1\n");
    host.put("/a", "1");
    for (value, said) in [("bad", "ERROR checked"), ("good", "ERROR reloaded")] {
        host.put("/b", value);
        let errors = |host: &mut Host| {
            let (_, mut lines) = record(|| host.sync(&[&a, &b]));
            lines.retain(|line| line.starts_with("ERROR"));
            lines
        };
        assert_eq!(errors(&mut host), [said]);
        assert_eq!(errors(&mut host), [""; 0]);
    }
}
