use std::fs;
use std::os::unix::fs::PermissionsExt;

use renderer::load_all;
use renderer::options::{Dialect, Options};
use renderer::resource::Resource;

use crate::host::Host;
use crate::record::record;

fn confd() -> Options {
    Options {
        dialect: Dialect::Confd,
        ..Options::default()
    }
}

/// What a sync of one resource logs.
fn logged(host: &mut Host, resource: &Resource) -> Vec<String> {
    let (_, lines) = record(|| host.sync(&[resource]));
    lines.iter().map(|line| host.plain(line)).collect()
}

fn info_and_above(lines: Vec<String>) -> Vec<String> {
    let mut lines = lines;
    lines.retain(|line| !line.starts_with("DEBUG "));
    lines
}

#[test]
fn every_step_has_confds_line() {
    let mut host = Host::with(confd());
    let resource = host.resource(
        "a",
        "check_cmd = \"echo ok # {{.src}}\"\nreload_cmd = \"printf 'so\\\\nse'\"",
    );
    host.put("/a", "1");
    let first = [
        "DEBUG Retrieving keys from store",
        "DEBUG Key prefix set to /",
        "DEBUG Using source template @DIR@/templates/a.tmpl",
        "DEBUG Compiling source template @DIR@/templates/a.tmpl",
        "DEBUG Comparing candidate config to @DIR@/out/a",
    ];
    let changed = [
        "INFO Target config @DIR@/out/a out of sync",
        "DEBUG Running echo ok # @DIR@/out/.a@RND@",
        "DEBUG \"ok\\n\"",
        "DEBUG Overwriting target config @DIR@/out/a",
        "DEBUG Running printf 'so\\nse'",
        "DEBUG \"so\\nse\"",
        "INFO Target config @DIR@/out/a has been updated",
    ];
    assert_eq!(
        logged(&mut host, &resource),
        [first.as_slice(), &changed].concat()
    );
    let unchanged = ["DEBUG Target config @DIR@/out/a in sync"];
    assert_eq!(
        logged(&mut host, &resource),
        [first.as_slice(), &unchanged].concat()
    );
}

#[test]
fn the_prefix_in_force_is_told_with_its_slash() {
    let mut host = Host::with(Options {
        prefix: Some("A".to_owned()),
        ..confd()
    });
    let resource = host.resource("a", "prefix = \"/B\"");
    host.put("/A/a", "1");
    let lines = logged(&mut host, &resource);
    assert_eq!(lines[1], "DEBUG Key prefix set to /A");
}

#[test]
fn differences_are_told_one_by_one() {
    let mut host = Host::with(confd());
    let resource = host.resource("a", "mode = \"0600\"");
    host.write("out/a", "old\n");
    fs::set_permissions(host.path("out/a"), fs::Permissions::from_mode(0o644)).unwrap();
    host.put("/a", "new");
    assert_eq!(
        info_and_above(logged(&mut host, &resource)),
        [
            "INFO @DIR@/out/a has mode -rw-r--r-- should be -rw-------",
            "INFO @DIR@/out/a has md5sum 814fa5ca98406a903e22b43d9b610105 \
             should be 9cd599a3523898e6a12e13ec787da50a",
            "INFO Target config @DIR@/out/a out of sync",
            "INFO Target config @DIR@/out/a has been updated",
        ]
    );
}

#[test]
fn a_failed_command_gives_its_output_as_one_quoted_line_in_confds_words() {
    let mut host = Host::with(confd());
    let resource = host.resource("a", "check_cmd = \"echo so; echo se >&2; exit 7\"");
    host.put("/a", "1");
    assert_eq!(
        info_and_above(logged(&mut host, &resource)),
        [
            "INFO Target config @DIR@/out/a out of sync",
            "ERROR \"so\\nse\\n\"",
        ]
    );
}

#[test]
fn a_failed_command_gives_its_output_line_by_line_in_ours_and_once() {
    let mut host = Host::new();
    let resource = host.resource("a", "check_cmd = \"echo so; echo se >&2; exit 7\"");
    host.put("/a", "1");
    assert_eq!(
        info_and_above(logged(&mut host, &resource)),
        [
            "INFO Target config @DIR@/out/a out of sync",
            "ERROR so",
            "ERROR se",
        ]
    );
    assert_eq!(info_and_above(logged(&mut host, &resource)), [""; 0]);
    host.put("/a", "2");
    assert_eq!(info_and_above(logged(&mut host, &resource)).len(), 3);
}

#[test]
fn noop_warns_whether_or_not_something_would_change() {
    let mut host = Host::with(Options {
        noop: true,
        ..confd()
    });
    let resource = host.resource("a", "");
    host.put("/a", "1");
    let warning = ["WARN Noop mode enabled. @DIR@/out/a will not be modified"];
    assert_eq!(info_and_above(logged(&mut host, &resource)), warning);
    host.write("out/a", "1\n");
    assert_eq!(info_and_above(logged(&mut host, &resource)), warning);
}

#[test]
fn a_kept_stage_file_is_named() {
    let mut host = Host::with(Options {
        keep_stage_file: true,
        ..confd()
    });
    let resource = host.resource("a", "");
    host.put("/a", "1");
    assert_eq!(
        info_and_above(logged(&mut host, &resource)),
        [
            "INFO Keeping staged file: @DIR@/out/.a@RND@",
            "INFO Target config @DIR@/out/a out of sync",
            "INFO Target config @DIR@/out/a has been updated",
        ]
    );
}

#[test]
fn loading_names_each_file() {
    let host = Host::new();
    host.resource("a", "");
    host.write("conf.d/b.toml", "[template]\n");
    let (_, lines) = record(|| load_all(host.dir()));
    let lines: Vec<_> = lines.iter().map(|line| host.plain(line)).collect();
    assert_eq!(
        lines,
        [
            "DEBUG Loading template resources from confdir @DIR@",
            "DEBUG Found template: @DIR@/conf.d/a.toml",
            "DEBUG Loading template resource from @DIR@/conf.d/a.toml",
            "DEBUG Found template: @DIR@/conf.d/b.toml",
            "DEBUG Loading template resource from @DIR@/conf.d/b.toml",
        ]
    );
}

#[test]
fn a_confdir_without_resources_is_warned_of() {
    let host = Host::new();
    let warnings = |dir| info_and_above(record(|| load_all(dir)).1);
    assert_eq!(warnings(host.dir()), ["WARN Found no templates"]);
    assert_eq!(
        warnings("/no/such/dir".as_ref()),
        ["WARN Cannot load template resources: confdir '/no/such/dir' does not exist"]
    );
}

#[test]
fn no_value_is_logged() {
    let mut host = Host::new();
    let resource = host.resource(
        "a",
        "check_cmd = \"false\"\nvalidate = { \"/a/*\" = \"integer\" }",
    );
    host.put("/a", "s3cret");
    host.put("/a/b", "s3cret");
    let lines = logged(&mut host, &resource).join("\n");
    assert!(lines.contains("left /a/b out"), "{lines}");
    assert!(!lines.contains("s3cret"), "{lines}");
}

#[test]
fn a_key_cannot_end_a_line_and_begin_another() {
    let mut host = Host::new();
    let resource = host.resource("a", "validate = { \"/a/*\" = \"integer\" }");
    host.put("/a", "1");
    host.put("/a/b\n\u{1b}[2JINFO all is well", "no integer");
    let lines = logged(&mut host, &resource);
    let warning = "WARN @DIR@/out/a: left /a/b\\n\\u{1b}[2JINFO all is well out: \
                   its value does not fit what `validate` asks for";
    assert!(lines.iter().any(|line| line == warning), "{lines:?}");
}
