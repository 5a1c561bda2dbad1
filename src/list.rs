//! `register list`: what is registered, as a table or as JSON.

use crate::cli::OutputFormat;
use crate::columns;
use crate::config::ListConfig;
use crate::etcd::list::{self, Entry};
use crate::etcd::reach::{self, CommandLimits};
use crate::etcd::wire::WireDial;
use crate::exit::{Exit, RunError};
use crate::host::{self, ThisHost};
use crate::os::output;
use crate::wording::{printable, printable_json};

const HEADINGS: [&str; 4] = ["KEY", "VALUE", "TTL LEFT", "LEASE"];

/// # Errors
/// When etcd cannot be read.
pub async fn run(config: ListConfig) -> Result<Exit, RunError> {
    let ListConfig {
        prefix,
        patience,
        output: format,
        etcd,
    } = config;
    let limits = CommandLimits::within(patience, etcd.likely_endpoints());
    let dial = WireDial::new(etcd);
    let listed = reach::once(dial, limits, host::seed(), async |connection| {
        list::read::<ThisHost>(connection, &prefix, patience).await
    });
    let entries = listed.await?;
    let text = match format {
        OutputFormat::Text => table(&entries),
        OutputFormat::Json => json(&entries),
    };
    output::print(&text)?;
    Ok(Exit::Done)
}

fn table(entries: &[Entry]) -> String {
    let rows = entries.iter().map(|entry| {
        let dash = || "-".to_owned();
        let left = entry.lease.and_then(|hold| hold.left);
        let ttl = left.map_or_else(dash, |left| format!("{}s", left.as_secs()));
        let lease = entry
            .lease
            .map_or_else(dash, |hold| format!("{:x}", hold.lease));
        vec![printable(&entry.key), printable(&entry.value), ttl, lease]
    });
    columns::aligned(&HEADINGS, &rows.collect::<Vec<_>>())
}

fn json(entries: &[Entry]) -> String {
    let rows: Vec<_> = entries
        .iter()
        .map(|entry| {
            serde_json::json!({
                "key": String::from_utf8_lossy(&entry.key),
                "value": String::from_utf8_lossy(&entry.value),
                "ttl_left": entry.lease.and_then(|hold| Some(hold.left?.as_secs())),
                "lease": entry.lease.map(|hold| format!("{:x}", hold.lease)),
            })
        })
        .collect();
    printable_json(&serde_json::Value::Array(rows)) + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etcd::list::Hold;
    use std::time::Duration;

    fn entries() -> Vec<Entry> {
        vec![
            Entry {
                key: "/services/apache/10.0.0.5".into(),
                value: "10.0.0.5:7777".into(),
                lease: Some(Hold {
                    lease: 0x7a,
                    left: Some(Duration::from_secs(29)),
                }),
            },
            Entry {
                key: "/services/apache/x".into(),
                value: "\x1b[2J".into(),
                lease: None,
            },
            Entry {
                key: "/services/apache/y".into(),
                value: "\u{202e}08:1".into(),
                lease: Some(Hold {
                    lease: 0x7b,
                    left: None,
                }),
            },
        ]
    }

    #[test]
    fn columns_line_up_and_control_characters_are_shown_not_sent() {
        assert_eq!(
            table(&entries()),
            "KEY                        VALUE          TTL LEFT  LEASE\n\
             /services/apache/10.0.0.5  10.0.0.5:7777  29s       7a\n\
             /services/apache/x         \\u{1b}[2J      -         -\n\
             /services/apache/y         \\u{202e}08:1   -         7b\n"
        );
    }

    #[test]
    fn a_value_of_megabytes_does_not_widen_the_other_rows() {
        let mut entries = entries();
        entries[1].value = vec![b'x'; 1 << 20].into();
        let rows = table(&entries);
        let longest = rows.lines().nth(2).map(str::len);
        assert!(longest > Some(1 << 20));
        assert!(rows.len() < (1 << 20) + 500);
    }

    #[test]
    fn json_has_null_where_no_lease_holds_the_key() {
        assert_eq!(
            json(&entries()[1..2]),
            "[{\"key\":\"/services/apache/x\",\"lease\":null,\"ttl_left\":null,\"value\":\"\\u001b[2J\"}]\n"
        );
    }

    #[test]
    fn json_is_exact_and_sends_no_invisible_character_either() {
        let text = json(&entries()[2..]);
        assert!(text.contains("\"value\":\"\\u202e08:1\""), "{text}");
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value[0]["value"], "\u{202e}08:1");
    }
}
