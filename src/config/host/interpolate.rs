//! `${NAME}` in a text of a file: the value of that variable. `$$` is a `$`; any other stands for itself.

/// A text in which variables are replaced.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Interpolated {
    pub text: String,
    /// Of its variables.
    pub values: Vec<String>,
}

/// Once, and from left to right: what a variable holds is not looked at.
///
/// # Errors
/// What is wrong with it, for each variable.
pub(super) fn interpolate(
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Interpolated, Vec<String>> {
    let mut done = Interpolated::default();
    let mut faults = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        done.text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix('{') {
            // What is not closed is no name.
            let (name, behind) = behind.split_once('}').unwrap_or(("", ""));
            match value(name, env) {
                Ok(value) => {
                    done.text.push_str(&value);
                    done.values.push(value);
                }
                Err(fault) => faults.push(fault),
            }
            rest = behind;
        } else {
            done.text.push('$');
            rest = rest.strip_prefix('$').unwrap_or(rest);
        }
    }
    done.text.push_str(rest);
    match faults.is_empty() {
        true => Ok(done),
        false => Err(faults),
    }
}

fn value(name: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    if !is_name(name) {
        return Err("has a '${' without a variable's name and '}'; write ${NAME}, or $${ for the characters themselves".to_owned());
    }
    match env(name) {
        Some(value) if value.contains(char::REPLACEMENT_CHARACTER) => {
            Err(format!("the variable {name} is not UTF-8 text"))
        }
        Some(value) => Ok(value),
        None => Err(format!("the variable {name} is not set, or empty")),
    }
}

fn is_name(name: &str) -> bool {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(is_fit) && name.starts_with(|c: char| !c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(text: &str) -> Result<String, Vec<String>> {
        let env = |name: &str| match name {
            "IP" => Some("10.0.0.5".to_owned()),
            "NESTED" => Some("${IP}$$".to_owned()),
            "BYTES" => Some("\u{fffd}".to_owned()),
            _ => None,
        };
        interpolate(text, &env).map(|done| done.text)
    }

    #[test]
    fn variables_are_replaced_once_and_two_dollars_are_one() {
        let table = [
            ("${IP}:80", "10.0.0.5:80"),
            ("${IP}${IP}", "10.0.0.510.0.0.5"),
            ("${NESTED}", "${IP}$$"),
            ("$${IP}", "${IP}"),
            ("$$$${IP}", "$${IP}"),
            ("$$${IP}", "$10.0.0.5"),
            ("^up$", "^up$"),
            ("$IP {address}", "$IP {address}"),
            ("", ""),
        ];
        for (text, replaced) in table {
            assert_eq!(done(text).as_deref(), Ok(replaced), "{text}");
        }
    }

    #[test]
    fn each_variable_that_cannot_be_replaced_is_named() {
        assert_eq!(
            done("${A}${IP}${B}"),
            Err(vec![
                "the variable A is not set, or empty".to_owned(),
                "the variable B is not set, or empty".to_owned()
            ])
        );
        assert_eq!(
            done("${BYTES}"),
            Err(vec!["the variable BYTES is not UTF-8 text".to_owned()])
        );
        for text in ["${", "${}", "${IP", "${A-B}", "${1}", "${ IP}"] {
            let faults = done(text).expect_err(text);
            assert!(faults[0].starts_with("has a '${'"), "{faults:?}");
        }
    }
}
