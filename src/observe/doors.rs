//! The doors by which others look in: opened before anything starts, kept in a thread of their own.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::mpsc as threads;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::net;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use super::ask::Ask;
use super::config::{DoorConfig, ObserveConfig};
use super::desk::Desk;
use super::door::keep;
use super::hosts::Hosts;
use super::limits::Limits;
use super::socket::{Claim, ControlSocket};
use crate::fault::Fault;

/// Plenty for what the thread does, in bytes.
const STACK: usize = 512 << 10;

/// What the kernel may keep of an answer for one who does not take it, in bytes: it would be megabytes.
const SEND_BUFFER: usize = 128 << 10;

/// How many may wait to be let in: who finds no room tries again only after a second.
const BACKLOG: i32 = 4096;

/// How long the thread may take for its end, besides what requests under way may.
const THREAD_END: Duration = Duration::from_millis(250);

/// Open, and nobody is let in yet.
#[derive(Debug)]
pub struct Doors {
    network: Option<TcpListener>,
    control: Option<ControlSocket>,
    hosts: Hosts,
}

/// While this lives others are let in.
#[derive(Debug)]
pub struct Serving {
    thread: Option<Thread>,
    _claim: Option<Claim>,
}

#[derive(Debug)]
struct Thread {
    close: watch::Sender<bool>,
    ended: threads::Receiver<()>,
    handle: JoinHandle<()>,
    patience: Duration,
}

/// Who keeps the doors, in the thread.
struct Keeper {
    network: Option<TcpListener>,
    control: Option<UnixListener>,
    desk: Arc<Desk>,
    limits: Limits,
    closed: watch::Receiver<bool>,
}

/// # Errors
/// Why one of them cannot be opened.
pub fn open(config: &ObserveConfig) -> Result<Doors, Fault> {
    let control = config.control.as_ref().map(ControlSocket::open);
    let control = control.transpose()?;
    let network = config.listen.as_ref().map(listen).transpose()?;
    Ok(Doors {
        network,
        control,
        hosts: Hosts::of_this_host(&config.hosts),
    })
}

fn listen(door: &DoorConfig<SocketAddr>) -> Result<TcpListener, Fault> {
    let listener = TcpListener::bind(door.at).and_then(|listener| {
        listener.set_nonblocking(true)?;
        rustix::net::listen(&listener, BACKLOG)?;
        // Connections have what the listener has.
        set_socket_send_buffer_size(&listener, SEND_BUFFER)?;
        Ok(listener)
    });
    listener.map_err(|error| {
        let what = match error.kind() {
            io::ErrorKind::AddrInUse => "another program listens there already".to_owned(),
            _ => error.to_string(),
        };
        Fault::of_value(door.place.clone(), &door.at.to_string(), what)
    })
}

impl Doors {
    /// Where HTTP is served, with the port that was chosen if none was given.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.network.as_ref()?.local_addr().ok()
    }

    /// Lets others in, who ask by `asks`.
    ///
    /// # Errors
    /// When there is no thread to be had, or nothing to wait with.
    pub fn serve(self, asks: mpsc::Sender<Ask>) -> io::Result<Serving> {
        self.serve_within(asks, Limits::of_this_host())
    }

    /// # Errors
    /// As [`Self::serve`].
    pub fn serve_within(self, asks: mpsc::Sender<Ask>, limits: Limits) -> io::Result<Serving> {
        self.tell();
        let (listener, claim) = match self.control {
            Some(ControlSocket { listener, claim }) => (Some(listener), Some(claim)),
            None => (None, None),
        };
        let is_open = self.network.is_some() || listener.is_some();
        let desk = Arc::new(Desk::new(asks, self.hosts, limits));
        let start = || {
            let (close, closed) = watch::channel(false);
            let keeper = Keeper {
                network: self.network,
                control: listener,
                desk,
                limits,
                closed,
            };
            Thread::start(keeper, close)
        };
        Ok(Serving {
            thread: is_open.then(start).transpose()?,
            _claim: claim,
        })
    }

    fn tell(&self) {
        if let Some(address) = self.address() {
            info!(event = "listening", %address, "listening on http://{address}/");
            if !address.ip().to_canonical().is_loopback() {
                warn!(
                    event = "listening_openly",
                    %address,
                    "{address} is not loopback: whoever reaches it can read our status"
                );
            }
        }
        if let Some(control) = &self.control {
            let path = control.claim.path().display();
            info!(event = "listening", %path, "listening on {path}");
        }
    }
}

impl Thread {
    fn start(keeper: Keeper, close: watch::Sender<bool>) -> io::Result<Self> {
        let patience = keeper.limits.stop + THREAD_END;
        let (begun_end, begun) = threads::sync_channel(1);
        let (ended_end, ended) = threads::sync_channel(1);
        let handle = thread::Builder::new()
            .name("doors".to_owned())
            .stack_size(STACK)
            .spawn(move || {
                run(keeper, &begun_end);
                // Nobody listens any more where the process has lost patience.
                let _told = ended_end.send(());
            })?;
        let begun = begun.recv();
        begun.unwrap_or_else(|_| Err(io::Error::other("the thread broke down")))?;
        Ok(Self {
            close,
            ended,
            handle,
            patience,
        })
    }

    /// Waits for its end, but not for long.
    fn stop(self) {
        self.close.send_replace(true);
        if self.ended.recv_timeout(self.patience).is_ok() {
            let _ended = self.handle.join();
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            thread.stop();
        }
    }
}

/// `begun`: told whether it could be.
fn run(keeper: Keeper, begun: &threads::SyncSender<io::Result<()>>) {
    let runtime = Builder::new_current_thread().enable_all().build();
    let (result, runtime) = match runtime {
        Ok(runtime) => (Ok(()), Some(runtime)),
        Err(error) => (Err(error), None),
    };
    if begun.send(result).is_ok()
        && let Some(runtime) = runtime
    {
        runtime.block_on(keeper.keep());
    }
}

impl Keeper {
    async fn keep(self) {
        let (desk, limits, closed) = (&self.desk, self.limits, &self.closed);
        let network = async {
            // Of a listener that is not blocking the runtime has nothing to refuse.
            if let Some(Ok(door)) = self.network.map(net::TcpListener::from_std) {
                keep(door, Arc::clone(desk), limits, closed.clone()).await;
            }
        };
        let control = async {
            if let Some(Ok(door)) = self.control.map(net::UnixListener::from_std) {
                keep(door, Arc::clone(desk), limits, closed.clone()).await;
            }
        };
        tokio::join!(network, control);
    }
}
