//! Parts of templates: files beneath `templates/`, and nowhere else.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat, openat2};
use rustix::io::Errno;

/// A pipe in its place does not keep us waiting.
const FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK);

/// All that the part `name` holds.
///
/// # Errors
/// When it is not there, or not beneath `templates`, be it by a link.
pub(crate) fn read(templates: &Path, name: &str) -> io::Result<Vec<u8>> {
    let directory = open(
        templates,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let mut file = File::from(open_beneath(&directory, name)?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn open_beneath(directory: &OwnedFd, name: &str) -> io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    match openat2(directory, name, FLAGS, Mode::empty(), resolve) {
        // Before Linux 5.6, and where a sandbox does not know it.
        Err(Errno::NOSYS | Errno::PERM) => walk(directory, name),
        Err(Errno::XDEV) => Err(io::Error::other("it is not beneath templates/")),
        opened => Ok(opened?),
    }
}

/// The same step by step; no link is followed.
fn walk(directory: &OwnedFd, name: &str) -> io::Result<OwnedFd> {
    let mut steps = Vec::new();
    for component in Path::new(name).components() {
        match component {
            Component::Normal(step) => steps.push(step),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(io::Error::other("it is not beneath templates/"));
            }
        }
    }
    let (last, steps) = steps.split_last().ok_or(Errno::NOENT)?;
    let mut at = openat(
        directory,
        ".",
        OFlags::PATH | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    for step in steps {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC;
        at = openat(&at, *step, flags, Mode::empty())?;
    }
    Ok(openat(&at, *last, FLAGS | OFlags::NOFOLLOW, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// What comes of reading each of them, both ways.
    fn read_all(names: &[&str]) -> Vec<Option<String>> {
        let dir = tempfile::tempdir().unwrap();
        let templates = dir.path().join("templates");
        fs::create_dir_all(templates.join("sub")).unwrap();
        fs::write(dir.path().join("secret"), "secret").unwrap();
        fs::write(templates.join("a"), "a").unwrap();
        fs::write(templates.join("sub/b"), "b").unwrap();
        symlink("../secret", templates.join("out")).unwrap();
        symlink("/etc/passwd", templates.join("absolute")).unwrap();
        let directory = open(&templates, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let read = |name: &&str| {
            let text = read(&templates, name).ok();
            let walked = walk(&directory, name).and_then(|file| {
                let mut text = Vec::new();
                File::from(file).read_to_end(&mut text).map(|_| text)
            });
            assert_eq!(text, walked.ok(), "{name}");
            text.map(|text| String::from_utf8(text).unwrap())
        };
        names.iter().map(read).collect()
    }

    #[test]
    fn a_part_is_beneath_the_templates() {
        let read = read_all(&["a", "sub/b", "./a"]);
        assert_eq!(read, ["a", "b", "a"].map(|text| Some(text.to_owned())));
    }

    #[test]
    fn nothing_else_is_read_by_whatever_way() {
        let names = [
            "../secret",
            "sub/../../secret",
            "out",
            "absolute",
            "/etc/passwd",
            "",
            "sub",
        ];
        assert_eq!(read_all(&names), [const { None }; 7]);
    }
}
