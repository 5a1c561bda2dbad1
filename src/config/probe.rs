//! How a backend is probed.

use super::announcement;
use super::faults::{Faults, MILLISECOND};
use super::secret;
use crate::address::Address;
use crate::cli::ProbeArgs;
use crate::probe::{Probe, Spec};

/// Without a check of its own, the root of what is at `address`.
pub(super) fn check(args: ProbeArgs, address: Option<&str>, faults: &mut Faults) -> Option<Probe> {
    let timeout = faults.duration("--timeout", &args.timeout, MILLISECOND);
    let url = match (&args.check, address) {
        (Some(url), _) => url.clone(),
        (None, Some(address)) => format!("http://{address}/"),
        (None, None) => {
            faults.add(announcement::missing_address());
            return None;
        }
    };
    // A bad address was reported as such; the URL made from it need not be.
    if args.check.is_none() && address.is_some_and(|text| text.parse::<Address>().is_err()) {
        return None;
    }
    if let Some(key) = args.check_key.as_ref().filter(|_| !faults.are_of_before()) {
        secret::warn_if_exposed(faults.place("--check-key"), key);
    }
    let spec = Spec {
        url,
        timeout: timeout?,
        expect: args.expect,
        method: args.method,
        headers: args.header,
        body_regex: args.body_regex,
        host: args.host,
        tls_skip_verify: args.tls_skip_verify.unwrap_or_default(),
        ca_file: args.check_ca,
        cert_file: args.check_cert,
        key_file: args.check_key,
        server_name: args.check_server_name,
    };
    match Probe::new(spec) {
        Ok(probe) => Some(probe),
        Err(found) => {
            for fault in found {
                faults.add(fault);
            }
            None
        }
    }
}
