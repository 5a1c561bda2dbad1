//! Services at the addresses of interfaces, as a services file has them.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use super::addresses::Addresses;
use super::located::interfaces_of;
use super::placed::Placed;
use crate::cli::{ConfigArgs, EtcdArgs, ObserveArgs, Variables};
use crate::config::{self, AgentConfig};

const FILE: &str = r#"
[[service]]
name = "web"
address = "10.0.0.5:80"

[[service]]
name = "apart"
address = "interface:eth7:80"
interval = "20s"

[[service]]
name = "often"
address = "interface:eth7:81"
interval = "5s"

[[service]]
name = "beside"
address = "interface:eth8:80"
interval = "10s"
"#;

/// No host has such interfaces.
fn of_file() -> AgentConfig {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("services.toml");
    fs::write(&path, FILE).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("changed");
    let args = ConfigArgs {
        config: Some(path.display().to_string()),
    };
    let host = config::host(
        args,
        ObserveArgs::default(),
        EtcdArgs::default(),
        Variables::default(),
        |_: &str| None,
    );
    host.expect("sound").config
}

#[test]
fn an_interface_is_looked_at_as_often_as_the_most_eager_of_its_services_wants() {
    let addresses = Addresses::default().of(&of_file().on_interfaces);
    let now = Instant::now();
    let mut eth7 = addresses.clone();
    eth7.take_in("eth7", Ok(None), now);
    eth7.take_in("eth8", Ok(None), now + Duration::from_secs(60));
    assert_eq!(eth7.due_at(), Some(now + Duration::from_secs(5)));
}

#[test]
fn each_interface_is_looked_at_once() {
    let services = of_file().on_interfaces;
    let names: Vec<_> = interfaces_of(&services).into_iter().collect();
    assert_eq!(names, ["eth7", "eth8"]);
}

#[test]
fn what_is_known_of_an_interface_outlasts_a_reload_but_it_is_looked_at_again() {
    let services = of_file().on_interfaces;
    let mut addresses = Addresses::default().of(&services);
    let now = Instant::now();
    let ip = "10.0.0.9".parse().expect("an address");
    addresses.take_in("eth7", Ok(Some(ip)), now);
    let reloaded = addresses.of(&services);
    assert_eq!(reloaded.known(), [("eth7".to_owned(), ip)].into());
    assert!(reloaded.due(now).contains("eth7"));
}

#[tokio::test]
async fn services_of_interfaces_without_an_address_are_left_out_and_counted() {
    let config = of_file();
    let (placed, services) = Placed::default()
        .replaced(config.services, config.on_interfaces)
        .await;
    let names: Vec<_> = services.iter().map(|service| &service.name).collect();
    assert_eq!(names, ["web"]);
    assert_eq!(placed.without_address, 3);
    assert!(placed.addresses.due_at().is_some());
}

#[tokio::test]
async fn services_follow_once_their_interface_has_an_address() {
    let config = of_file();
    let (mut placed, _) = Placed::default()
        .replaced(config.services, config.on_interfaces)
        .await;
    let found: io::Result<_> = Ok(Some("10.0.0.9".parse().expect("an address")));
    placed.addresses.take_in("eth7", found, Instant::now());
    let (placed, services) = placed.made_anew().await;
    let keys: Vec<_> = services
        .iter()
        .map(|service| service.announcement.key.as_str())
        .collect();
    assert_eq!(
        keys,
        [
            "/services/web/10.0.0.5",
            "/services/apart/10.0.0.9",
            "/services/often/10.0.0.9"
        ]
    );
    assert_eq!(placed.without_address, 1);
}
