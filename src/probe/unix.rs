//! `unix:PATH`: connects to a Unix socket, and that is all.

use std::io;
use std::os::unix::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::sleep;

use super::attempt::Failure;

/// Until a connection is tried again that finds the backend's queue full.
const PAUSE: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(super) struct UnixProbe {
    path: PathBuf,
}

impl UnixProbe {
    pub(super) fn new(path: &str) -> Result<Self, String> {
        if !path.starts_with('/') {
            return Err("names no absolute path; write unix:/run/app.sock".to_owned());
        }
        if SocketAddr::from_pathname(path).is_err() {
            return Err("is no path of a socket: it may have 107 bytes at the most".to_owned());
        }
        Ok(Self { path: path.into() })
    }

    /// A full queue is waited for, as with TCP: the kernel refuses it at once.
    pub(super) async fn connect(&self) -> io::Result<UnixStream> {
        loop {
            match UnixStream::connect(&self.path).await {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(PAUSE).await,
                done => return done,
            }
        }
    }

    pub(super) async fn attempt(&self) -> Result<String, Failure> {
        self.connect().await?;
        Ok("connected".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use tokio::time::timeout;

    use super::*;

    #[test]
    fn a_path_is_absolute_and_short_enough() {
        assert!(UnixProbe::new("/run/app.sock").is_ok());
        let long = format!("/{}", "x".repeat(200));
        for path in ["", "app.sock", "/a\0b", &long] {
            assert!(UnixProbe::new(path).is_err(), "{path}");
        }
    }

    #[tokio::test]
    async fn a_full_queue_is_waited_for_and_is_no_fault_of_our_host() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("app.sock");
        let listener = UnixListener::bind(&path).expect("listening");
        rustix::net::listen(&listener, 0).expect("a short queue");
        let probe = UnixProbe::new(&path.display().to_string()).expect("a path");
        let _first = probe.connect().await.expect("there is room for one");
        let mut second = Box::pin(probe.connect());
        let waited = timeout(Duration::from_millis(100), &mut second).await;
        assert!(waited.is_err(), "it is not refused");
        let _taken = listener.accept().expect("the first");
        second.await.expect("there is room again");
    }
}
