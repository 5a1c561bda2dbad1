//! By which doors others may look in: flags, variables or `[agent]`.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::faults::Faults;
use super::setting::Setting;
use crate::address::Host;
use crate::cli::ObserveArgs;
use crate::fault::Fault;
use crate::observe::config::{DoorConfig, ObserveConfig};

pub(super) const LISTEN: &str = "--listen";
pub(super) const LISTEN_HOST: &str = "--listen-host";
pub(super) const CONTROL: &str = "--control";

/// The kernel has room for so many bytes, and a zero.
const LONGEST_PATH: usize = 107;

/// What was given, before it is looked at.
#[derive(Debug, Default)]
pub(super) struct GivenDoors {
    pub listen: Option<Setting>,
    pub hosts: Vec<Setting>,
    pub control: Option<Setting>,
}

impl GivenDoors {
    pub(super) fn by_flags(args: &ObserveArgs, faults: &Faults) -> Self {
        let given = |flag, value: &Option<String>| {
            let place = faults.place(flag);
            Setting::given(place, value.clone())
        };
        let hosts = args.listen_host.iter().cloned().map(Some);
        Self {
            listen: given(LISTEN, &args.listen),
            hosts: hosts.filter_map(|host| given(LISTEN_HOST, &host)).collect(),
            control: given(CONTROL, &args.control),
        }
    }

    /// What is lacking is as `other` has it.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            listen: self.listen.or(other.listen),
            hosts: match self.hosts.is_empty() {
                true => other.hosts,
                false => self.hosts,
            },
            control: self.control.or(other.control),
        }
    }

    /// Names that nobody could ask by are told also where nothing listens.
    pub(super) fn check(self, faults: &mut Faults) -> Option<ObserveConfig> {
        let listen = self.listen.map(|given| faults.take(address(given)));
        let hosts = self.hosts.into_iter();
        let hosts: Vec<_> = hosts.map(|given| faults.take(name(given))).collect();
        let control = self.control.map(|given| faults.take(path(given)));
        Some(ObserveConfig {
            listen: unless_faulty(listen)?,
            hosts: hosts.into_iter().collect::<Option<_>>()?,
            control: unless_faulty(control)?,
        })
    }
}

fn unless_faulty<T>(given: Option<Option<T>>) -> Option<Option<T>> {
    match given {
        Some(None) => None,
        Some(sound) => Some(sound),
        None => Some(None),
    }
}

fn address(given: Setting) -> Result<DoorConfig<SocketAddr>, Fault> {
    match given.value.parse() {
        Ok(at) => Ok(DoorConfig {
            place: given.place,
            at,
        }),
        Err(_) => Err(given.fault("use IP:PORT, as in 127.0.0.1:9464 or [::1]:9464")),
    }
}

fn name(given: Setting) -> Result<String, Fault> {
    let without_dot = given.value.strip_suffix('.').unwrap_or(&given.value);
    match Host::parse(without_dot) {
        Some(Host::Name(_)) => Ok(given.value),
        Some(Host::V4(_) | Host::V6(_)) => {
            Err(given.fault("is an address, by which we may be asked anyway; give names"))
        }
        None => Err(given.fault("is no host name; give it without scheme and port")),
    }
}

fn path(given: Setting) -> Result<DoorConfig<PathBuf>, Fault> {
    let length = given.value.len();
    if length > LONGEST_PATH {
        let what = format!("has {length} bytes; a socket's path has at most {LONGEST_PATH}");
        return Err(given.fault(what));
    }
    if given.value.is_empty() || given.value.ends_with('/') || given.value.contains('\0') {
        return Err(given.fault("is no path of a socket; use one as in /run/register/control.sock"));
    }
    Ok(DoorConfig {
        place: given.place,
        at: given.value.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(listen: &str, hosts: &[&str], control: &str) -> Result<ObserveConfig, String> {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let args = ObserveArgs {
            listen: given(listen),
            listen_host: hosts.iter().map(|host| (*host).to_owned()).collect(),
            control: given(control),
        };
        let mut faults = Faults::default();
        let config = GivenDoors::by_flags(&args, &faults).check(&mut faults);
        faults.settle(config).map_err(|faults| faults.to_string())
    }

    #[test]
    fn nothing_listens_unless_it_is_asked_for() {
        assert_eq!(checked("", &[], ""), Ok(ObserveConfig::default()));
    }

    #[test]
    fn doors_are_where_they_are_asked_for() {
        let names = ["web1.example.net", "status.example.net."];
        let config = checked("[::1]:9464", &names, "/run/register/control.sock").expect("sound");
        let listen = config.listen.expect("a door");
        assert_eq!(listen.at.to_string(), "[::1]:9464");
        assert_eq!(config.hosts, names);
        let control = config.control.expect("a door");
        assert_eq!(control.at.to_str(), Some("/run/register/control.sock"));
    }

    #[test]
    fn what_is_wrong_is_told() {
        let table = [
            ("9464", "use IP:PORT, as in 127.0.0.1:9464 or [::1]:9464"),
            (
                "localhost:9464",
                "use IP:PORT, as in 127.0.0.1:9464 or [::1]:9464",
            ),
            (
                "http://127.0.0.1:9464",
                "use IP:PORT, as in 127.0.0.1:9464 or [::1]:9464",
            ),
        ];
        for (given, what) in table {
            let told = Err(format!("--listen {given:?}: {what}"));
            assert_eq!(checked(given, &[], ""), told);
        }
        let table = [
            (
                "10.0.0.5",
                "is an address, by which we may be asked anyway; give names",
            ),
            ("a:80", "is no host name; give it without scheme and port"),
        ];
        for (given, what) in table {
            let told = Err(format!("--listen-host {given:?}: {what}"));
            assert_eq!(checked("", &[given], ""), told);
        }
        let long = format!("/run/{}", "x".repeat(103));
        assert_eq!(
            checked("", &[], &long),
            Err(format!(
                "--control {long:?}: has 108 bytes; a socket's path has at most 107"
            ))
        );
        assert!(checked("", &[], "/run/").is_err());
    }
}
