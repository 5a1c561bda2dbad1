//! User and password for etcd.

use std::fs;

use super::faults::Faults;
use super::secret;
use super::setting::Setting;
use crate::etcd::config::Credentials;
use crate::fault::{Fault, Place};

/// Who we are to etcd, if anybody. `no_password` is what to do about a user without one.
pub(super) fn check(
    user: Option<Setting>,
    password: Option<String>,
    password_file: Option<Setting>,
    no_password: &str,
    faults: &mut Faults,
) -> Option<Credentials> {
    let Some(Setting { place, value: user }) = user else {
        if let Some(file) = password_file {
            faults.add(Fault::sentence(
                file.place,
                "is given without --user: give the user's name too",
            ));
        }
        return None;
    };
    let (name, inline) = match user.split_once(':') {
        Some((name, password)) => (name.to_owned(), Some(password.to_owned())),
        None => (user, None),
    };
    let password = match password_file {
        Some(file) => Some(faults.take(password_in(&file.value, file.place))?),
        None => inline.or(password),
    };
    match password {
        Some(password) if !name.is_empty() => Some(Credentials {
            user: name,
            password,
        }),
        Some(_) => {
            let what = "the name is empty; write NAME or NAME:PASSWORD";
            faults.add(Fault::of(place, what));
            None
        }
        None => {
            let what = format!("has no password; {no_password}");
            faults.add(Fault::of_value(place, &name, what));
            None
        }
    }
}

/// On its first line.
fn password_in(path: &str, place: Place) -> Result<String, Fault> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return Err(Fault::of_value(place, path, error)),
    };
    secret::warn_if_exposed(place, path);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
