//! `register list`: what is registered, as a table or as JSON.

use std::fmt::Write as _;

use anyhow::Context;
use tokio::time::timeout;

use crate::cli::OutputFormat;
use crate::config::ListConfig;
use crate::etcd::connection::Connector;
use crate::etcd::read::{self, Entry};
use crate::exit::Exit;
use crate::output;
use crate::wording::{self, printable};

const HEADINGS: [&str; 4] = ["KEY", "VALUE", "TTL LEFT", "LEASE"];

/// # Errors
/// When etcd cannot be read.
pub async fn run(config: ListConfig) -> anyhow::Result<Exit> {
    let ListConfig {
        prefix,
        timeout: limit,
        output: format,
        etcd,
    } = config;
    let entries = timeout(limit, async {
        let connection = Connector::new(etcd).connect_within(limit).await?;
        read::list(&connection, &prefix).await
    })
    .await
    .with_context(|| format!("etcd did not answer within {}", wording::duration(limit)))??;
    let text = match format {
        OutputFormat::Text => table(&entries),
        OutputFormat::Json => json(&entries),
    };
    output::print(&text)?;
    Ok(Exit::Done)
}

fn table(entries: &[Entry]) -> String {
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(entries.iter().map(|entry| {
        let (ttl, lease) = match entry.lease {
            Some((id, left)) => (format!("{}s", left.as_secs()), format!("{id:x}")),
            None => ("-".to_owned(), "-".to_owned()),
        };
        [printable(&entry.key), printable(&entry.value), ttl, lease]
    }));
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths = [width(0), width(1), width(2)];
    let mut text = String::new();
    for [key, value, ttl, lease] in &rows {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{key:0$}  {value:1$}  {ttl:2$}  {lease}",
            widths[0], widths[1], widths[2]
        );
    }
    text
}

fn json(entries: &[Entry]) -> String {
    let rows: Vec<_> = entries
        .iter()
        .map(|entry| {
            serde_json::json!({
                "key": String::from_utf8_lossy(&entry.key),
                "value": String::from_utf8_lossy(&entry.value),
                "ttl_left": entry.lease.map(|(_, left)| left.as_secs()),
                "lease": entry.lease.map(|(id, _)| format!("{id:x}")),
            })
        })
        .collect();
    format!("{}\n", serde_json::Value::Array(rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn entries() -> Vec<Entry> {
        vec![
            Entry {
                key: b"/services/apache/10.0.0.5".to_vec(),
                value: b"10.0.0.5:7777".to_vec(),
                lease: Some((0x7a, Duration::from_secs(29))),
            },
            Entry {
                key: b"/services/apache/x".to_vec(),
                value: b"\x1b[2J".to_vec(),
                lease: None,
            },
        ]
    }

    #[test]
    fn columns_line_up_and_control_characters_are_shown_not_sent() {
        assert_eq!(
            table(&entries()),
            "KEY                        VALUE          TTL LEFT  LEASE\n\
             /services/apache/10.0.0.5  10.0.0.5:7777  29s       7a\n\
             /services/apache/x         \\u{1b}[2J      -         -\n"
        );
    }

    #[test]
    fn json_has_null_where_no_lease_holds_the_key() {
        assert_eq!(
            json(&entries()[1..]),
            "[{\"key\":\"/services/apache/x\",\"lease\":null,\"ttl_left\":null,\"value\":\"\\u001b[2J\"}]\n"
        );
    }
}
