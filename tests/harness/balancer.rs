//! nginx as the load balancer, run by `register render`.

use std::net::SocketAddrV4;
use std::path::Path;

use rustix::process::Signal;

use super::load::ask;
use super::running::render;
use super::{Confdir, Etcd, Running, SOON, eventually, own_address, tool};

const MAIN: &str = "daemon off; worker_processes 2; pid nginx.pid;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t; uwsgi_temp_path t; scgi_temp_path t;
  include app.conf;
}
";

/// nginx asks no second server, and leaves none out by itself: every request that is sent to a
/// server that is gone is lost, and seen.
const TEMPLATE: &str = "upstream web {
{{- range getvs \"/services/web/*\"}}
    server {{.}} max_fails=0;
{{- end}}
}
server {
    listen @ADDRESS@;
    location / {
        proxy_pass http://web;
        proxy_next_upstream off;
        add_header X-Server $upstream_addr always;
    }
}
";

pub struct Balancer {
    address: SocketAddrV4,
    register: Running,
    _confdir: Confdir,
}

impl Balancer {
    /// For the service `web`, which has a server.
    pub fn start(etcd: &Etcd) -> Self {
        let address = own_address();
        let confdir = Confdir::new();
        let nginx = nginx_in(&confdir.path("out"));
        confdir.write("out/nginx.conf", MAIN);
        confdir.add(
            "app.conf",
            &format!(
                "keys = [\"/services/web\"]\n\
                 check_cmd = \"{check} -t -q\"\nreload_cmd = \"{reload} -s reload\"",
                check = nginx.join(" "),
                reload = nginx.join(" ")
            ),
            &TEMPLATE.replace("@ADDRESS@", &address.to_string()),
        );
        let mut command = render(&etcd.url(), &confdir);
        command.args(["--stop-signal", "QUIT", "--"]).args(nginx);
        let balancer = Self {
            address,
            register: Running::spawn(&mut command),
            _confdir: confdir,
        };
        // A connection would not do: `nginx -t` listens for a moment too.
        eventually("nginx answers", SOON, || {
            ask(address).map_err(|_| balancer.register.log())
        });
        balancer
    }

    pub fn address(&self) -> SocketAddrV4 {
        self.address
    }
}

impl Drop for Balancer {
    /// Killed, `register` would leave nginx behind.
    fn drop(&mut self) {
        self.register.signal(Signal::TERM);
        let _ended = self.register.wait_for_exit(SOON);
    }
}

fn nginx_in(directory: &Path) -> Vec<String> {
    let directory = directory.display();
    vec![
        tool("nginx").get_program().to_str().unwrap().to_owned(),
        "-p".to_owned(),
        format!("{directory}/"),
        "-c".to_owned(),
        format!("{directory}/nginx.conf"),
        "-e".to_owned(),
        format!("{directory}/error.log"),
    ]
}
