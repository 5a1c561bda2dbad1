//! Follows log files, for a service that cannot log to standard output.
//!
//! In a thread of its own: a reader of standard output that stalls keeps nothing else waiting, and
//! what it has not taken is still in the files.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use rustix::fs::OFlags;

use crate::os::output::Patient;

const PERIOD: Duration = Duration::from_millis(200);
/// After so many without a new line a file whose place was taken is done with.
const QUIET_PERIODS: u32 = 10;
/// How long the last lines may take when the process ends.
const LAST_LINES: Duration = Duration::from_millis(250);

/// Copies what is added to the files to standard output. A file may come later, be cut off, or be
/// replaced. What is in them at the start is not shown.
#[derive(Debug)]
pub(super) struct Tail {
    /// Dropped to end the thread.
    going_on: Sender<()>,
    /// Dropped by the thread when it ends.
    ended: Receiver<()>,
}

impl Tail {
    /// None where there is nothing to follow: an idle process shall not wake for nothing.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub(super) fn start(paths: Vec<PathBuf>) -> io::Result<Option<Self>> {
        if paths.is_empty() {
            return Ok(None);
        }
        let (going_on, told) = channel();
        let (ends, ended) = channel();
        // At once, so that what the command logs first is not taken for old.
        let files: Vec<_> = paths.into_iter().map(Followed::from).collect();
        let follow = move || {
            // Held until the end.
            let _ends: Sender<()> = ends;
            follow(files, &told);
        };
        thread::Builder::new()
            .name("follow".to_owned())
            .spawn(follow)?;
        Ok(Some(Self { going_on, ended }))
    }

    /// Ends it once what is in the files now is copied, or its time is over: the reader may be
    /// stuck.
    pub(super) fn stop(self) {
        drop(self.going_on);
        let _ended_or_stuck = self.ended.recv_timeout(LAST_LINES);
    }
}

fn follow(mut files: Vec<Followed>, told: &Receiver<()>) {
    let mut goes_on = true;
    while goes_on {
        goes_on = told.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout);
        for file in &mut files {
            // A file that cannot be read now may be later; a closed output shows elsewhere.
            let _ = file.copy(&mut Patient::stdout());
        }
    }
}

struct Followed {
    path: PathBuf,
    file: Option<File>,
    inode: u64,
    /// The file whose place has been taken, and for how many periods nothing was added to it: who writes
    /// it may have it open for a while.
    replaced: Option<(File, u32)>,
}

impl From<PathBuf> for Followed {
    fn from(path: PathBuf) -> Self {
        let mut followed = Self {
            path,
            file: None,
            inode: 0,
            replaced: None,
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
        // A pipe would keep us waiting for its writer.
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let file = File::options()
            .read(true)
            .custom_flags(flags)
            .open(&self.path)?;
        self.inode = file.metadata()?.ino();
        self.file = Some(file);
        Ok(())
    }

    fn copy(&mut self, out: &mut impl Write) -> io::Result<()> {
        self.copy_replaced(out)?;
        if self.file.is_none() {
            self.open()?;
        }
        if let Some(file) = &mut self.file {
            copy_added(file, out)?;
        }
        // While nothing has taken its place it may still be written.
        if fs::metadata(&self.path).is_ok_and(|now| now.ino() != self.inode) {
            self.replaced = self.file.take().map(|file| (file, 0));
        }
        Ok(())
    }

    fn copy_replaced(&mut self, out: &mut impl Write) -> io::Result<()> {
        let Some((file, quiet)) = &mut self.replaced else {
            return Ok(());
        };
        let added = copy_added(file, out)?;
        *quiet = if added > 0 { 0 } else { *quiet + 1 };
        if *quiet == QUIET_PERIODS {
            self.replaced = None;
        }
        Ok(())
    }
}

/// Copies what was added until now; what comes meanwhile has its turn later, so that other files have
/// theirs. How much it was, in bytes.
fn copy_added(file: &mut File, out: &mut impl Write) -> io::Result<u64> {
    let length = file.metadata()?.len();
    if file.stream_position()? > length {
        file.rewind()?;
    }
    let added = length - file.stream_position()?;
    io::copy(&mut file.take(added), out)
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

    #[test]
    fn a_replaced_file_is_read_on_while_it_is_written() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("log");
        let mut writer = File::create(&path).expect("created");
        let mut followed = Followed::from(path.clone());
        let mut out = Vec::new();
        let mut write = |text: &str| writer.write_all(text.as_bytes()).expect("written");
        fs::rename(&path, directory.path().join("log.1")).expect("renamed");
        write("one\n");
        followed.copy(&mut out).expect("copied");
        fs::write(&path, "").expect("the next one");
        write("two\n");
        followed.copy(&mut out).expect("copied");
        write("three\n");
        followed.copy(&mut out).expect("copied");
        fs::write(&path, "four\n").expect("written");
        followed.copy(&mut out).expect("copied");
        assert_eq!(String::from_utf8_lossy(&out), "one\ntwo\nthree\nfour\n");
    }
}
