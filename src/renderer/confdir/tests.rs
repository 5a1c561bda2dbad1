use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;

fn confdir(files: &[&str]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for file in files {
        let path = dir.path().join("conf.d").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let text = format!("[template]\nsrc = \"a.tmpl\"\ndest = \"/{file}\"\n");
        fs::write(path, text).unwrap();
    }
    dir
}

fn names(dir: &TempDir) -> Vec<String> {
    let (files, errors) = files(dir.path());
    assert_eq!(errors, []);
    let root = dir.path().join("conf.d");
    files
        .iter()
        .map(|file| file.strip_prefix(&root).unwrap().display().to_string())
        .collect()
}

#[test]
fn files_are_found_in_lexical_order_of_names() {
    let dir = confdir(&[
        "b.toml",
        "a/z.toml",
        "a.toml",
        "a/b/c.toml",
        "xtoml",
        "no.tml",
        "toml",
    ]);
    assert_eq!(
        names(&dir),
        [
            "a/b/c.toml",
            "a/z.toml",
            "a.toml",
            "b.toml",
            "toml",
            "xtoml"
        ]
    );
}

#[test]
fn links_are_followed_once() {
    let dir = confdir(&["a/x.toml"]);
    let root = dir.path().join("conf.d");
    symlink("a", root.join("b")).unwrap();
    symlink("..", root.join("a/up")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    symlink("a/x.toml", root.join("y.toml")).unwrap();
    let (files, errors) = files(dir.path());
    assert_eq!(files, [root.join("a/x.toml")]);
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        errors,
        [format!(
            "Cannot process template resource {} - Too many levels of symbolic links (os error 40)",
            root.join("loop").display()
        )]
    );
}

#[test]
fn a_volume_of_kubernetes_is_read_through_its_links() {
    let dir = confdir(&["..2026_01_01/x.toml"]);
    let root = dir.path().join("conf.d");
    symlink("..2026_01_01", root.join("..data")).unwrap();
    symlink("..data/x.toml", root.join("x.toml")).unwrap();
    assert_eq!(names(&dir), ["x.toml"]);
}

#[test]
fn a_file_that_does_not_parse_does_not_stop_the_others() {
    let dir = confdir(&["a.toml", "c.toml"]);
    let bad = dir.path().join("conf.d/b.toml");
    fs::write(&bad, "[template]\n").unwrap();
    symlink("nowhere", dir.path().join("conf.d/d.toml")).unwrap();
    let Loading {
        resources, errors, ..
    } = load_all(dir.path());
    let files: Vec<_> = resources
        .iter()
        .map(|resource| resource.file.clone())
        .collect();
    let root = dir.path().join("conf.d");
    assert_eq!(files, [root.join("a.toml"), root.join("c.toml")]);
    let failed: Vec<_> = errors.iter().map(|error| error.file.clone()).collect();
    assert_eq!(failed, [root.join("d.toml"), bad]);
}

#[test]
fn a_missing_confdir_holds_nothing() {
    let loading = load_all(Path::new("/no/such/dir"));
    assert_eq!((loading.resources, loading.errors), (vec![], vec![]));
}

#[test]
fn a_confdir_without_conf_d_is_an_error() {
    let dir = TempDir::new().unwrap();
    let errors = load_all(dir.path()).errors;
    assert_eq!(
        errors.first().unwrap().to_string(),
        format!(
            "Cannot process template resource {} - No such file or directory (os error 2)",
            dir.path().join("conf.d").display()
        )
    );
}

fn write(dir: &TempDir, name: &str, text: &str) {
    fs::write(dir.path().join("conf.d").join(name), text).unwrap();
}

fn loaded(loading: &Loading) -> Vec<String> {
    let dests = loading.resources.iter().map(|resource| &resource.dest);
    dests.map(|dest| dest.display().to_string()).collect()
}

#[test]
fn the_second_of_two_that_write_one_file_is_refused() {
    let dir = confdir(&["a.toml", "c.toml"]);
    write(
        &dir,
        "b.toml",
        "[template]\nsrc = \"t\"\ndest = \"/x/../a.toml\"\n",
    );
    let loading = load_all(dir.path());
    assert_eq!(loaded(&loading), ["/a.toml", "/c.toml"]);
    let error = loading.errors.first().unwrap().to_string();
    assert!(
        error.contains("b.toml - line 3: dest /x/../a.toml"),
        "{error}"
    );
    assert!(error.contains("conf.d/a.toml already"), "{error}");
}

#[test]
fn what_is_odd_is_a_warning_and_the_resource_is_there() {
    let dir = confdir(&[]);
    fs::create_dir(dir.path().join("conf.d")).unwrap();
    let odd = "[template]\nsrc = \"t\"\ndest = \"/a\"\nrelaod_cmd = \"x\"\nkeys = [\"/s/*\"]\n";
    write(&dir, "a.toml", odd);
    let loading = load_all(dir.path());
    assert_eq!(loaded(&loading), ["/a"]);
    let warnings: Vec<_> = loading.warnings.iter().flat_map(LoadError::lines).collect();
    assert!(
        warnings[0].contains("line 4: unknown field relaod_cmd"),
        "{warnings:?}"
    );
    assert!(
        warnings[1].contains("line 5: keys: \"/s/*\""),
        "{warnings:?}"
    );
}

#[test]
fn a_slip_leaves_the_last_good_definition_in_force() {
    let dir = confdir(&["a.toml", "b.toml", "c.toml"]);
    let before = load_all(dir.path()).resources;
    write(&dir, "a.toml", "[template\n");
    fs::remove_file(dir.path().join("conf.d/c.toml")).unwrap();
    let loading = load_again(dir.path(), &before, &[]);
    assert_eq!(loaded(&loading), ["/a.toml", "/b.toml"]);
    let error = loading.errors.first().unwrap().to_string();
    assert!(
        error.ends_with("; keeping its last good definition"),
        "{error}"
    );
}

#[test]
fn a_confdir_that_is_away_for_a_moment_leaves_all_in_force() {
    let dir = confdir(&["a.toml", "b.toml"]);
    let before = load_all(dir.path()).resources;
    let (conf_d, aside) = (dir.path().join("conf.d"), dir.path().join("aside"));
    fs::rename(&conf_d, &aside).unwrap();
    assert_eq!(load_again(dir.path(), &before, &[]).resources, before);
    assert_eq!(load_again(&dir.path().join("none"), &[], &[]).resources, []);
    fs::rename(&aside, &conf_d).unwrap();
    let elsewhere = dir.path().with_extension("away");
    fs::rename(dir.path(), &elsewhere).unwrap();
    assert_eq!(load_again(dir.path(), &before, &[]).resources, before);
    fs::rename(&elsewhere, dir.path()).unwrap();
}

#[test]
fn a_pipe_in_place_of_a_resource_keeps_nobody_waiting() {
    let dir = confdir(&["a.toml"]);
    let pipe = dir.path().join("conf.d/b.toml");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let loading = load_all(dir.path());
    assert_eq!(loaded(&loading), ["/a.toml"]);
    let error = loading.errors.first().unwrap().to_string();
    assert!(error.ends_with("b.toml - not a regular file"), "{error}");
}

/// A confdir whose resources are sound: their templates and directories are there.
fn sound(files: &[&str]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for name in ["conf.d", "templates", "out"] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    fs::write(dir.path().join("templates/t"), "").unwrap();
    for file in files {
        define(&dir, file, &format!("out/{file}"), "");
    }
    dir
}

fn define(dir: &TempDir, file: &str, dest: &str, more: &str) {
    let dest = dir.path().join(dest);
    let text = format!("[template]\nsrc = \"t\"\ndest = {dest:?}\nkeys = [\"/k\"]\n{more}\n");
    write(dir, file, &text);
}

fn names_of(dir: &TempDir, loading: &Loading) -> Vec<String> {
    let out = dir.path().join("out");
    let dests = loading
        .resources
        .iter()
        .map(|resource| resource.dest.strip_prefix(&out));
    dests
        .map(|dest| dest.unwrap().display().to_string())
        .collect()
}

#[test]
fn a_change_that_could_never_pass_leaves_the_last_good_definition_in_force() {
    for change in [
        "require = [\"[\"]",
        "validate = { \"/k\" = \"adress\" }",
        "check_cmd = \"x {{.src\"",
    ] {
        let dir = sound(&["a.toml"]);
        let before = load_all(dir.path()).resources;
        define(&dir, "a.toml", "out/a.toml", change);
        let loading = load_again(dir.path(), &before, &[]);
        assert_eq!(loading.resources, before, "{change}");
        assert!(loading.errors.first().unwrap().is_kept, "{change}");
    }
}

#[test]
fn a_newcomer_does_not_take_the_file_of_one_that_was_there() {
    let dir = sound(&["b.toml", "c.toml"]);
    let before = load_all(dir.path()).resources;
    define(&dir, "a.toml", "out/b.toml", "");
    let loading = load_again(dir.path(), &before, &[]);
    assert_eq!(loading.resources, before);
    let error = loading.errors.first().unwrap().to_string();
    assert!(error.contains("a.toml - line 3: dest "), "{error}");
    assert!(error.contains("conf.d/b.toml already"), "{error}");
}

#[test]
fn one_that_is_moved_onto_anothers_file_stays_where_it_was() {
    let dir = sound(&["b.toml", "c.toml"]);
    let before = load_all(dir.path()).resources;
    define(&dir, "c.toml", "out/b.toml", "");
    let loading = load_again(dir.path(), &before, &[]);
    assert_eq!(names_of(&dir, &loading), ["b.toml", "c.toml"]);
    assert!(loading.errors.first().unwrap().is_kept);
}

#[test]
fn a_link_that_leads_nowhere_yet_is_the_file_that_it_leads_to() {
    let dir = sound(&["x.toml"]);
    symlink("x.toml", dir.path().join("out/link")).unwrap();
    define(&dir, "a.toml", "out/link", "");
    let loading = load_all(dir.path());
    assert_eq!(names_of(&dir, &loading), ["link"]);
    assert_eq!(loading.errors.len(), 1);
}

#[test]
fn a_file_in_place_of_conf_d_leaves_all_in_force() {
    let dir = sound(&["a.toml"]);
    let before = load_all(dir.path()).resources;
    fs::remove_dir_all(dir.path().join("conf.d")).unwrap();
    fs::write(dir.path().join("conf.d"), "").unwrap();
    let loading = load_again(dir.path(), &before, &[]);
    assert_eq!(loading.resources, before);
    assert!(loading.errors.first().unwrap().is_kept);
}
