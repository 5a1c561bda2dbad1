//! The key that is ours, and its value.

/// The key to hold in etcd, and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    pub key: String,
    pub value: String,
    /// Of the address.
    pub port: u16,
}

/// What several instances of a service on one host need.
pub const KEY_OF_ITS_OWN: &str =
    "give each instance a key of its own, as with --key /services/{service}/{host}:{port}";

impl Announcement {
    /// Whether the value is what we would put for another port: that of another instance here.
    #[must_use]
    pub fn is_of_another_port(&self, value: &[u8]) -> bool {
        let ours = self.value.as_str();
        let port = self.port.to_string();
        let is_port = |at: usize| {
            let of_a_word = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
            // As in `[2001:80::80]:80`.
            let of_an_address = |c: char| of_a_word(c) || c == ':' || c == ']';
            let behind = &ours[at + port.len()..];
            !ours[..at].ends_with(of_a_word) && !behind.starts_with(of_an_address)
        };
        let places: Vec<_> = ours
            .match_indices(&port)
            .map(|(at, _)| at)
            .filter(|at| is_port(*at))
            .collect();
        let Some(theirs) = places.first().and_then(|at| port_at(value, *at)) else {
            return false;
        };
        let mut expected = ours.to_owned();
        for at in places.into_iter().rev() {
            expected.replace_range(at..at + port.len(), &theirs);
        }
        theirs != port && expected.as_bytes() == value
    }
}

/// The port that stands there.
fn port_at(value: &[u8], at: usize) -> Option<String> {
    let digits = value
        .get(at..)?
        .iter()
        .take_while(|byte| byte.is_ascii_digit());
    let digits: String = digits.map(|byte| char::from(*byte)).collect();
    digits.parse::<u16>().ok().map(|_| digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_instance_on_this_host_is_known_by_its_value() {
        let announcement = |value: &str| Announcement {
            key: "/services/apache/10.0.0.80".to_owned(),
            value: value.to_owned(),
            port: 80,
        };
        let table = [
            ("10.0.0.80:80", "10.0.0.80:81", true),
            ("10.0.0.80:80", "10.0.0.80:8888", true),
            ("[2001:80::80]:80", "[2001:80::80]:81", true),
            (
                r#"{"at":"h:80","port":80}"#,
                r#"{"at":"h:81","port":81}"#,
                true,
            ),
            ("10.0.0.80:80", "10.0.0.80:80", false),
            ("10.0.0.80:80", "10.0.0.81:81", false),
            ("10.0.0.80:80", "10.0.0.80:99999", false),
            ("10.0.0.80:80", "10.0.0.80:", false),
            ("10.0.0.80:80", "é", false),
            (
                r#"{"at":"h:80","port":80}"#,
                r#"{"at":"h:81","port":82}"#,
                false,
            ),
            ("up", "down", false),
        ];
        for (ours, theirs, is) in table {
            let theirs = theirs.as_bytes();
            assert_eq!(announcement(ours).is_of_another_port(theirs), is, "{ours}");
        }
    }
}
