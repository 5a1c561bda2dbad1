use std::fs;

use tempfile::TempDir;

use super::*;

const FILE: &str = "/etc/confd/conf.d/app.toml";

fn parse(text: &str) -> Loaded {
    Loaded::parse(text, Path::new(FILE), Path::new("/etc/confd"))
}

fn template(fields: &str) -> Loaded {
    parse(&format!(
        "[template]\nsrc = \"app.tmpl\"\ndest = \"/etc/app.conf\"\n{fields}"
    ))
}

fn faults(loaded: &Loaded) -> Vec<String> {
    loaded.faults.iter().map(Fault::to_string).collect()
}

fn sound(loaded: Loaded) -> Resource {
    assert_eq!(faults(&loaded), [""; 0]);
    loaded.resource.unwrap()
}

#[test]
fn a_resource_needs_no_more_than_src_and_dest() {
    assert_eq!(
        sound(template("")),
        Resource {
            file: FILE.into(),
            src: "/etc/confd/templates/app.tmpl".into(),
            templates: "/etc/confd/templates".into(),
            dest: "/etc/app.conf".into(),
            prefix: "/".to_owned(),
            keys: vec![],
            owner: None,
            group: None,
            uid: None,
            gid: None,
            mode: None,
            check_cmd: None,
            check_timeout: Duration::from_secs(30),
            check_swapped: true,
            reload_cmd: None,
            reload_timeout: Duration::from_secs(60),
            min_reload_interval: None,
            debounce: None,
            output_format: None,
            require: vec![],
            validate: BTreeMap::new(),
            delims: Delims::default(),
        }
    );
}

#[test]
fn every_field_is_read() {
    let text = r#"
[template]
src = "sub/app.tmpl"
dest = "/etc/app.conf"
prefix = "prod"
keys = ["/services", "/app"]
owner = "www-data"
group = "adm"
uid = 33
gid = 34
mode = "0640"
check_cmd = "check {{.src}}"
check_timeout = "1m 30s"
check_swapped = false
reload_cmd = "reload"
reload_timeout = 5
min_reload_interval = "10s"
debounce = "1s:5s"
output_format = "yaml"
require = ["/services/*"]
left_delimiter = "<<"
right_delimiter = ">>"

[template.validate]
"/services/*" = "address"
"#;
    assert_eq!(
        sound(parse(text)),
        Resource {
            file: FILE.into(),
            src: "/etc/confd/templates/sub/app.tmpl".into(),
            templates: "/etc/confd/templates".into(),
            dest: "/etc/app.conf".into(),
            prefix: "/prod".to_owned(),
            keys: vec!["/services".to_owned(), "/app".to_owned()],
            owner: Some("www-data".to_owned()),
            group: Some("adm".to_owned()),
            uid: Some(33),
            gid: Some(34),
            mode: Some(0o640),
            check_cmd: Some("check {{.src}}".to_owned()),
            check_timeout: Duration::from_secs(90),
            check_swapped: false,
            reload_cmd: Some("reload".to_owned()),
            reload_timeout: Duration::from_secs(5),
            min_reload_interval: Some(Duration::from_secs(10)),
            debounce: Some(Gathering {
                quiet: Duration::from_secs(1),
                max: Duration::from_secs(5),
            }),
            output_format: Some(OutputFormat::Yaml),
            require: vec!["/services/*".to_owned()],
            validate: BTreeMap::from([("/services/*".to_owned(), "address".to_owned())]),
            delims: Delims {
                left: "<<".to_owned(),
                right: ">>".to_owned(),
            },
        }
    );
}

#[test]
fn names_are_matched_whatever_their_case_and_of_several_the_last_one_counts() {
    let loaded =
        parse("[Template]\nSRC = \"wrong\"\nsrc = \"app.tmpl\"\nDest = \"/d\"\nKEYS = [\"/k\"]");
    assert_eq!(
        faults(&loaded),
        ["line 2: SRC is given again; this one is ignored"]
    );
    let resource = loaded.resource.unwrap();
    assert_eq!(resource.src, Path::new("/etc/confd/templates/app.tmpl"));
    assert_eq!(resource.dest, Path::new("/d"));
    assert_eq!(resource.keys, ["/k"]);
    let loaded = template("mode = \"0600\"\nMode = \"0640\"\n");
    assert_eq!(loaded.resource.unwrap().mode, Some(0o640));
}

#[test]
fn a_carriage_return_ends_a_line_as_a_newline_does() {
    let loaded = parse("[template]\rsrc = \"a\"\r\ndest = \"/d\"\rkeys = [7]\r");
    assert_eq!(
        faults(&loaded),
        ["line 2: keys must be an array of strings"]
    );
}

#[test]
fn numbers_that_nobody_has_are_ignored_with_a_word() {
    let loaded = template("uid = -2\ngid = 99999999999\n");
    assert_eq!(
        faults(&loaded),
        [
            "line 4: uid: nobody has the number -2; it is ignored",
            "line 5: gid: nobody has the number 99999999999; it is ignored",
        ]
    );
    let resource = loaded.resource.unwrap();
    assert_eq!((resource.uid, resource.gid), (None, None));
}

#[test]
fn other_tables_and_fields_do_no_harm() {
    let loaded = template("whatever = 1\nkeys = []\n[other]\nx = 1\n");
    assert_eq!(
        faults(&loaded),
        ["line 4: unknown field whatever is ignored"]
    );
    assert!(loaded.resource.is_some());
}

#[test]
fn empty_strings_are_as_good_as_none() {
    let resource = sound(template(
        "mode = \"\"\nowner = \"\"\ncheck_cmd = \"\"\nreload_cmd = \"\"\nleft_delimiter = \"\"\nuid = -1",
    ));
    assert_eq!(resource.mode, None);
    assert_eq!(resource.owner, None);
    assert_eq!(resource.check_cmd, None);
    assert_eq!(resource.reload_cmd, None);
    assert_eq!(resource.delims, Delims::default());
    assert_eq!(resource.uid, None);
}

#[test]
fn a_mode_is_octal_however_it_is_written() {
    let mode = |text: &str| sound(template(&format!("mode = {text:?}"))).mode;
    assert_eq!(mode("644"), Some(0o644));
    assert_eq!(mode("0644"), Some(0o644));
    assert_eq!(mode("0o640"), Some(0o640));
    assert_eq!(mode("0x1a4"), Some(0o644));
    assert_eq!(mode("0"), Some(0));
}

#[test]
fn setuid_is_dropped_with_a_word() {
    let loaded = template("mode = \"04755\"");
    assert_eq!(
        faults(&loaded),
        ["line 4: mode \"04755\": setuid, setgid and sticky are not set"]
    );
    assert_eq!(loaded.resource.unwrap().mode, Some(0o755));
}

#[test]
fn what_is_no_mode_is_refused() {
    for text in ["9", "rw-r--r--", "0o", "-1", "+644", "10000"] {
        let loaded = template(&format!("mode = {text:?}"));
        assert_eq!(
            faults(&loaded),
            [format!(
                "line 4: mode {text:?} is not an octal number; write it like \"0644\""
            )]
        );
        assert_eq!(loaded.resource, None);
    }
    assert_eq!(
        faults(&template("mode = 644")),
        ["line 4: mode must be a string"]
    );
}

#[test]
fn every_fault_is_named_with_its_line() {
    let loaded = template(
        "keys = \"/services\"\nuid = true\ngid = \"root\"\ncheck_timeout = \"30\"\n\
         check_swapped = \"no\"\nreload_timeout = 0\nvalidate = { \"/a\" = 1 }\n",
    );
    assert_eq!(loaded.resource, None);
    assert_eq!(
        faults(&loaded),
        [
            "line 4: keys must be an array of strings",
            "line 5: uid must be a number from 0 to 4294967294",
            "line 6: gid must be a number from 0 to 4294967294",
            "line 7: check_timeout is not a duration from 1ms to 24h; write it like \"30s\"",
            "line 8: check_swapped must be true or false",
            "line 9: reload_timeout is not a duration from 1ms to 24h; write it like \"30s\"",
            "line 10: validate must be a table of strings",
        ]
    );
}

#[test]
fn what_is_missing_is_named() {
    assert_eq!(
        faults(&parse("[template]\n")),
        ["empty src template", "empty dest: name the file to write"]
    );
    assert_eq!(
        faults(&parse("nodes = []\n")),
        ["empty src template: there is no table [template]"]
    );
    assert_eq!(
        faults(&parse("[template]\nsrc = 1\ndest = \"/d\"")),
        ["line 2: src must be a string"]
    );
    assert_eq!(
        faults(&parse("[[template]]\nsrc = \"a\"")),
        ["line 1: template must be one table, not array: write [template]"]
    );
}

#[test]
fn a_src_stays_below_the_templates() {
    let src = |src: &str| {
        let text = format!("[template]\nsrc = {src:?}\ndest = \"/d\"");
        sound(parse(&text)).src
    };
    assert_eq!(src("/app.tmpl"), Path::new("/etc/confd/templates/app.tmpl"));
    assert_eq!(
        src("a//./b.tmpl"),
        Path::new("/etc/confd/templates/a/b.tmpl")
    );
}

#[test]
fn a_file_that_is_no_toml_is_named_with_the_line() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("a.toml");
    fs::write(&file, "[template]\nsrc = \"n.tmpl\nkeys=[]\n").unwrap();
    assert_eq!(
        Resource::load(&file, dir.path()).unwrap_err().to_string(),
        format!(
            "Cannot process template resource {} - line 2: invalid basic string, expected `\"`",
            file.display()
        )
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("a.toml");
    let message = |reason: &str| {
        format!(
            "Cannot process template resource {} - {reason}",
            file.display()
        )
    };
    assert_eq!(
        Resource::load(&file, dir.path()).unwrap_err().to_string(),
        message("No such file or directory (os error 2)")
    );
    fs::write(&file, b"\xff").unwrap();
    assert_eq!(
        Resource::load(&file, dir.path()).unwrap_err().to_string(),
        message("it is not UTF-8 text")
    );
}

#[test]
fn the_faults_of_a_load_are_those_that_forbid_it() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("a.toml");
    fs::write(
        &file,
        "[template]\nsrc = \"a\"\ndest = \"/d\"\nuid = true\nnope = 1\n",
    )
    .unwrap();
    assert_eq!(
        Resource::load(&file, dir.path()).unwrap_err().faults,
        [Fault {
            line: Some(4),
            message: "uid must be a number from 0 to 4294967294".to_owned(),
            harmless: false,
        }]
    );
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_parser_fall_over(text in "(\\[?template\\]?|src|dest|mode|keys|=|\"|\\[|\\]|\n|[a-z0-9.]| ){0,40}") {
        let loaded = parse(&text);
        proptest::prop_assert!(loaded.resource.is_some() || !loaded.faults.is_empty());
    }
}
