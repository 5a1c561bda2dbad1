//! The files that `--config` names, as they are on disk.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::process::getegid;

use crate::config::faults::Faults;
use crate::config::setting::Setting;
use crate::fault::{Fault, Place};
use crate::wording::printable;

/// The most that a file may hold.
const FILE_LIMIT: u64 = 16 * 1024 * 1024;

/// Where a directory has files of which each is, for example, for one service.
const BELOW: &str = "services.d";

/// A file that was read.
#[derive(Debug)]
pub(super) struct Text {
    pub path: String,
    pub text: String,
    /// Whether it is below `services.d`.
    pub is_below: bool,
}

/// The file, or the directory's, in order. Those that cannot be read are told.
pub(super) fn read(config: &Setting, faults: &mut Faults) -> Vec<Text> {
    let path = Path::new(&config.value);
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) => {
            faults.add(config.fault(error));
            return Vec::new();
        }
    };
    if !found.is_dir() {
        warn_of_directory(path, faults);
        return text(path, false, faults).into_iter().collect();
    }
    let mut files = listed(path, &found, false, faults);
    let below = path.join(BELOW);
    match fs::metadata(&below) {
        Ok(found) => files.extend(listed(&below, &found, true, faults)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => faults.add(Fault::of(place(&below), error)),
    }
    if files.is_empty() && faults.are_none() {
        faults.add(config.fault("there is no file *.toml in it, nor in its services.d"));
    }
    let texts = files
        .into_iter()
        .filter_map(|(path, is_below)| text(&path, is_below, faults));
    texts.collect()
}

/// The `*.toml` of a directory, in order of name.
fn listed(
    directory: &Path,
    found: &Metadata,
    is_below: bool,
    faults: &mut Faults,
) -> Vec<(PathBuf, bool)> {
    if let Some(fault) = exposed(directory, found) {
        faults.add(fault);
    }
    let entries = fs::read_dir(directory).and_then(|entries| {
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        paths.collect::<io::Result<Vec<_>>>()
    });
    let read = entries.map_err(|error| Fault::of(place(directory), error));
    let mut paths = faults.take(read).unwrap_or_default();
    paths.retain(|path| is_toml(path));
    paths.sort();
    paths.into_iter().map(|path| (path, is_below)).collect()
}

/// Editors keep files of their own beside those that are edited, whose names begin with a dot.
fn is_toml(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".toml") && !name.starts_with('.')
}

/// Who may write the directory of a file may put another in its place, unless it is sticky.
fn warn_of_directory(file: &Path, faults: &mut Faults) {
    let parent = file.parent().filter(|parent| *parent != Path::new(""));
    let parent = parent.unwrap_or_else(|| Path::new("."));
    if let Ok(found) = fs::metadata(parent)
        && found.mode() & 0o1000 == 0
        && let Some(fault) = exposed(parent, &found)
    {
        faults.add(fault);
    }
}

fn text(path: &Path, is_below: bool, faults: &mut Faults) -> Option<Text> {
    let file = faults.take(open(path))?;
    if let Ok(found) = file.metadata()
        && let Some(fault) = exposed(path, &found)
    {
        faults.add(fault);
    }
    let text = contents(file, path).and_then(|bytes| utf8(bytes, path));
    Some(Text {
        path: shown(path),
        text: faults.take(text)?,
        is_below,
    })
}

fn utf8(bytes: Vec<u8>, path: &Path) -> Result<String, Fault> {
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        Fault::of(place_at(path, Some(line)), "is not UTF-8 text")
    })
}

/// A pipe or a device in the place of a file would keep us waiting, or never end.
fn open(path: &Path) -> Result<File, Fault> {
    let failed = |error: io::Error| Fault::of(place(path), error);
    let must_be_file = |found: Metadata| match found.is_file() {
        true => Ok(()),
        false => Err(Fault::of(place(path), "is no regular file")),
    };
    must_be_file(fs::metadata(path).map_err(failed)?)?;
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let mut options = File::options();
    let file = options.read(true).custom_flags(flags).open(path);
    let file = file.map_err(failed)?;
    must_be_file(file.metadata().map_err(failed)?)?;
    Ok(file)
}

fn contents(file: File, path: &Path) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    match file.take(FILE_LIMIT + 1).read_to_end(&mut bytes) {
        Ok(length) if length as u64 > FILE_LIMIT => {
            Err(Fault::of(place(path), "is larger than 16 MiB"))
        }
        Ok(_) => Ok(bytes),
        Err(error) => Err(Fault::of(place(path), error)),
    }
}

/// Whoever may write it says what we run and what we announce.
fn exposed(path: &Path, found: &Metadata) -> Option<Fault> {
    let (mode, gid) = (found.mode() & 0o7777, found.gid());
    let (who, letter) = if mode & 0o002 != 0 {
        ("everybody on this host".to_owned(), 'o')
    } else if mode & 0o020 != 0 && gid != 0 && gid != getegid().as_raw() {
        (format!("group {gid}"), 'g')
    } else {
        return None;
    };
    let way_out = format!("run chmod {letter}-w {}", shown(path));
    let what = format!("{who} may write it (mode {mode:04o}); {way_out}");
    Some(Fault::of(place(path), what))
}

fn place(path: &Path) -> Place {
    place_at(path, None)
}

fn place_at(path: &Path, line: Option<usize>) -> Place {
    Place::File {
        path: shown(path),
        line,
        field: None,
    }
}

fn shown(path: &Path) -> String {
    printable(path.as_os_str().as_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    fn read_at(path: &Path) -> (Vec<String>, String) {
        let setting = Setting {
            place: "--config".into(),
            value: path.display().to_string(),
        };
        let mut faults = Faults::default();
        let texts = read(&setting, &mut faults);
        let texts = texts.into_iter().map(|file| file.text).collect();
        let root = path.display().to_string();
        (texts, faults.to_string().replace(&root, "DIR"))
    }

    fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().expect("a directory");
        for (name, text) in files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().expect("its directory")).expect("created");
            fs::write(&path, text).expect("written");
            chmod(&path, 0o600);
        }
        directory
    }

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("changed");
    }

    #[test]
    fn a_directorys_files_come_in_order_and_those_below_it_last() {
        let directory = directory(&[
            ("services.d/a.toml", "3"),
            ("services.d/b.toml", "4"),
            ("services.d/deep/c.toml", "no"),
            ("b.toml", "2"),
            ("a.toml", "1"),
            ("a.toml~", "no"),
            (".a.toml", "no"),
            ("README", "no"),
        ]);
        let (texts, faults) = read_at(directory.path());
        assert_eq!(
            (texts, faults.as_str()),
            (vec!["1".into(), "2".into(), "3".into(), "4".into()], "")
        );
    }

    #[test]
    fn a_link_is_followed_and_one_to_nothing_is_told() {
        let directory = directory(&[("real", "1")]);
        symlink("real", directory.path().join("a.toml")).expect("linked");
        symlink("nowhere", directory.path().join("b.toml")).expect("linked");
        let (texts, faults) = read_at(directory.path());
        assert_eq!(texts, ["1"]);
        assert_eq!(faults, "DIR/b.toml: No such file or directory (os error 2)");
    }

    #[test]
    fn what_others_may_write_is_told_and_read_all_the_same() {
        let directory = directory(&[("a.toml", "1"), ("services.d/b.toml", "2")]);
        let at = |name: &str| directory.path().join(name);
        chmod(&at("a.toml"), 0o646);
        chmod(&at("services.d"), 0o777);
        let (texts, faults) = read_at(directory.path());
        assert_eq!(texts, ["1", "2"]);
        assert_eq!(
            faults,
            "DIR/services.d: everybody on this host may write it (mode 0777); run chmod o-w DIR/services.d\n\
             DIR/a.toml: everybody on this host may write it (mode 0646); run chmod o-w DIR/a.toml"
        );
        let (_, faults) = read_at(&at("services.d/b.toml"));
        assert!(faults.contains("services.d: everybody"), "{faults}");
        chmod(&at("services.d"), 0o1777);
        let (_, faults) = read_at(&at("services.d/b.toml"));
        assert_eq!(faults, "");
    }

    #[test]
    fn what_is_no_file_that_ends_is_refused_and_nothing_hangs() {
        let directory = directory(&[("z.toml/x", "")]);
        let at = |name: &str| directory.path().join(name);
        mknodat(CWD, at("fifo.toml"), FileType::Fifo, Mode::RUSR, 0).expect("a pipe");
        symlink("/dev/zero", at("device.toml")).expect("linked");
        let huge = File::create(at("huge.toml")).expect("created");
        huge.set_len(FILE_LIMIT + 1).expect("sparse");
        chmod(&at("huge.toml"), 0o600);
        fs::write(at("latin1.toml"), b"# one\n# \xe9\n").expect("written");
        chmod(&at("latin1.toml"), 0o600);
        let (texts, faults) = read_at(directory.path());
        assert_eq!(texts, [""; 0]);
        assert_eq!(
            faults,
            "DIR/device.toml: is no regular file\n\
             DIR/fifo.toml: is no regular file\n\
             DIR/huge.toml: is larger than 16 MiB\n\
             DIR/latin1.toml, line 2: is not UTF-8 text\n\
             DIR/z.toml: is no regular file"
        );
    }

    #[test]
    fn a_path_that_leads_to_no_file_is_told() {
        let directory = directory(&[("README", "")]);
        let (_, faults) = read_at(directory.path());
        assert_eq!(
            faults,
            "--config \"DIR\": there is no file *.toml in it, nor in its services.d"
        );
        let (_, faults) = read_at(&directory.path().join("missing"));
        assert!(
            faults.ends_with("No such file or directory (os error 2)"),
            "{faults}"
        );
    }
}
