//! What is our own host's fault, and so says nothing of the backend.

use std::error::Error;
use std::fs::File;
use std::io;

use rustix::io::Errno;

/// No descriptor, memory, port or process is left.
const FAULTS: [Errno; 6] = [
    Errno::MFILE,
    Errno::NFILE,
    Errno::NOBUFS,
    Errno::NOMEM,
    Errno::ADDRNOTAVAIL,
    Errno::AGAIN,
];

pub(super) fn is(error: &io::Error) -> bool {
    Errno::from_io_error(error).is_some_and(|errno| FAULTS.contains(&errno))
}

/// The one among the causes of `error`.
pub(super) fn among<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    std::iter::successors(Some(error), |error| (*error).source())
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .find_map(within)
}

/// An error of the system may be wrapped in another, which does not name it as its source.
fn within(error: &io::Error) -> Option<&io::Error> {
    if is(error) {
        return Some(error);
    }
    within(error.get_ref()?.downcast_ref()?)
}

/// A resolver that has no descriptor to ask with says that the name is not known.
pub(super) fn of_lookup(error: io::Error) -> io::Error {
    match File::open("/dev/null") {
        Err(own) if is(&own) => own,
        Ok(_) | Err(_) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_backends_side_says_is_not_our_hosts_fault() {
        for errno in [
            Errno::CONNREFUSED,
            Errno::CONNRESET,
            Errno::HOSTUNREACH,
            Errno::NETUNREACH,
            Errno::TIMEDOUT,
            Errno::NOENT,
        ] {
            assert!(!is(&errno.into()), "{errno}");
        }
    }

    #[test]
    fn a_fault_is_found_below_what_libraries_say_of_it() {
        let below = io::Error::other(io::Error::from(Errno::MFILE));
        assert!(among(&below).is_some());
        assert!(among(&io::Error::other("refused")).is_none());
    }
}
