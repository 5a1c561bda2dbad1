//! `{service}`, `{host}` and the like in keys, values and checks.

use crate::address::Address;
use crate::fault::Fault;

/// What they stand for.
#[derive(Clone, Copy)]
pub(super) struct Placeholders<'a> {
    pub service: &'a str,
    pub address: &'a Address,
}

impl Placeholders<'_> {
    /// Fills them in. A brace that opens none stands for itself, so that
    /// `--value '{"host":"{host}"}'` can be written.
    ///
    /// # Errors
    /// When it has one that nobody knows.
    pub(super) fn fill(&self, flag: &'static str, template: &str) -> Result<String, Fault> {
        replaced(template, |_, name| {
            self.value(name).ok_or_else(|| {
                let what = format!(
                    "unknown placeholder {{{name}}}; there are {{service}} {{host}} {{port}} {{address}} {{hostname}}"
                );
                Fault::of_value(flag, template, what)
            })
        })
    }

    /// The same in what a shell runs: braces of others are the shell's.
    ///
    /// # Errors
    /// When the service's name would be more than a word to the shell.
    pub(super) fn fill_command(&self, flag: &'static str, template: &str) -> Result<String, Fault> {
        replaced(template, |before, name| match self.value(name) {
            Some(_) if name == "service" && !is_word(self.service) => {
                let what =
                    "{service} has characters that the shell acts on: write the command without it";
                Err(Fault::of(flag, what))
            }
            Some(value) if !before.ends_with('$') => Ok(value),
            Some(_) | None => Ok(format!("{{{name}}}")),
        })
    }

    fn value(&self, name: &str) -> Option<String> {
        Some(match name {
            "service" => self.service.to_owned(),
            "host" => self.address.host.to_string(),
            "port" => self.address.port.to_string(),
            "address" => self.address.to_string(),
            "hostname" => gethostname::gethostname().to_string_lossy().into_owned(),
            _ => return None,
        })
    }
}

fn is_word(text: &str) -> bool {
    let is_plain = |c: char| c.is_alphanumeric() || "-_.@:+".contains(c);
    text.chars().all(is_plain)
}

/// `template` with a `value` for each name in braces; it is told what stands before them.
fn replaced(
    template: &str,
    value: impl Fn(&str, &str) -> Result<String, Fault>,
) -> Result<String, Fault> {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        filled.push_str(&rest[..at]);
        rest = &rest[at..];
        let name = rest[1..]
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .next()
            .unwrap_or_default();
        if name.is_empty() || !rest[1 + name.len()..].starts_with('}') {
            filled.push('{');
            rest = &rest[1..];
            continue;
        }
        let value = value(&filled, name)?;
        filled.push_str(&value);
        rest = &rest[name.len() + 2..];
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shells_own_braces_are_left_to_it() {
        let address = "10.0.0.5:80".parse().expect("an address");
        let fill = |service: &str, command: &str| {
            let placeholders = Placeholders {
                service,
                address: &address,
            };
            let filled = placeholders.fill_command("--check", command);
            filled.map_err(|fault| fault.to_string())
        };
        let table = [
            ("exec:pg_isready -h {host}", "exec:pg_isready -h 10.0.0.5"),
            ("exec:a ${host} {port}", "exec:a ${host} 80"),
            ("exec:awk '{print}' {a,b}", "exec:awk '{print}' {a,b}"),
            ("exec:{ test {service}; }", "exec:{ test web; }"),
        ];
        for (command, filled) in table {
            assert_eq!(fill("web", command).as_deref(), Ok(filled));
        }
        let fault = fill("a;b", "exec:x {service}").expect_err("two commands");
        assert!(
            fault.starts_with("--check: {service} has characters"),
            "{fault}"
        );
        assert!(fill("a;b", "exec:x {host}").is_ok());
    }
}
