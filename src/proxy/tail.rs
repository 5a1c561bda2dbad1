//! Follows log files, for a service that cannot log to standard output.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use crate::deadline::ticks;

const PERIOD: Duration = Duration::from_millis(200);
/// Read at a time.
const CHUNK: usize = 64 * 1024;

/// Copies what is added to the files to standard output, until it is dropped. A file may come later,
/// be cut off, or be replaced. What is in them at the start is not shown.
pub(super) async fn follow(paths: Vec<PathBuf>) {
    // An idle process shall not wake for nothing.
    if paths.is_empty() {
        return;
    }
    let mut files: Vec<_> = paths.into_iter().map(Followed::from).collect();
    let mut ticks = ticks(PERIOD);
    loop {
        ticks.tick().await;
        for file in &mut files {
            // A file that cannot be read now may be later; a closed output shows elsewhere.
            let _ = file.copy(&mut io::stdout().lock());
        }
    }
}

struct Followed {
    path: PathBuf,
    file: Option<File>,
    inode: u64,
}

impl From<PathBuf> for Followed {
    fn from(path: PathBuf) -> Self {
        let mut followed = Self {
            path,
            file: None,
            inode: 0,
        };
        if followed.open().is_ok()
            && let Some(file) = &mut followed.file
        {
            // Where that fails old lines are shown once.
            let _ = file.seek(SeekFrom::End(0));
        }
        followed
    }
}

impl Followed {
    fn open(&mut self) -> io::Result<()> {
        let file = File::open(&self.path)?;
        self.inode = file.metadata()?.ino();
        self.file = Some(file);
        Ok(())
    }

    fn copy(&mut self, out: &mut impl Write) -> io::Result<()> {
        if self.file.is_none() {
            self.open()?;
        }
        if let Some(file) = &mut self.file {
            if file.stream_position()? > file.metadata()?.len() {
                file.rewind()?;
            }
            let mut chunk = vec![0; CHUNK];
            loop {
                let length = file.read(&mut chunk)?;
                if length == 0 {
                    break;
                }
                out.write_all(&chunk[..length])?;
            }
            out.flush()?;
        }
        // Read to its end first, then look whether another has taken its place.
        if fs::metadata(&self.path).map_or(true, |now| now.ino() != self.inode) {
            self.file = None;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_what_is_added_also_after_a_rotation_and_a_cut() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("log");
        fs::write(&path, "old\n").expect("written");
        let mut followed = Followed::from(path.clone());
        let mut out = Vec::new();
        let append = |text: &str| {
            let mut file = File::options()
                .append(true)
                .create(true)
                .open(&path)
                .expect("open");
            file.write_all(text.as_bytes()).expect("written");
        };
        append("one\n");
        followed.copy(&mut out).expect("copied");
        fs::rename(&path, directory.path().join("log.1")).expect("renamed");
        append("two\n");
        followed.copy(&mut out).expect("noticed");
        followed.copy(&mut out).expect("copied");
        fs::write(&path, "3\n").expect("cut");
        followed.copy(&mut out).expect("copied");
        assert_eq!(String::from_utf8_lossy(&out), "one\ntwo\n3\n");
    }

    #[test]
    fn a_file_that_comes_later_is_shown_from_its_start() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("log");
        let mut followed = Followed::from(path.clone());
        let mut out = Vec::new();
        assert!(followed.copy(&mut out).is_err());
        fs::write(&path, "one\n").expect("written");
        followed.copy(&mut out).expect("copied");
        assert_eq!(out, b"one\n");
    }
}
