//! A wire to a server that can be cut: a TCP relay.

use std::io;
use std::net::{Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::own_address;

pub struct Wire {
    address: SocketAddrV4,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Wire {
    /// Relays to `server`, which may come and go.
    pub fn to(server: SocketAddrV4) -> Self {
        let address = own_address();
        let listener = TcpListener::bind(address).unwrap();
        let open = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&open);
        // Ends with the process of the tests: nobody else can reach it.
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if let Ok(far) = TcpStream::connect(server) {
                    relay(&near, &far);
                    kept.lock().unwrap().extend([near, far]);
                }
            }
        });
        Self { address, open }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Breaks all connections; new ones work.
    pub fn cut(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn relay(near: &TcpStream, far: &TcpStream) {
    for (from, to) in [(near, far), (far, near)] {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
        });
    }
}
