//! The limits of this process (setrlimit): raised where they are below the usual, and named in
//! errors.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// The usual number of open files, of which a run uses less than 200.
const OPEN_FILES: u64 = 1024;

/// Makes errors of what would end the process or be too little. Hooks and other programs of the
/// host have the same limits, and the signal's usual action.
pub(super) fn prepare() {
    // A handler in place of the default, which would end the process and leave everything behind:
    // the write then fails.
    let _ = signal_hook::flag::register(
        signal_hook::consts::SIGXFSZ,
        Arc::new(AtomicBool::new(false)),
    );
    if let Ok((current, most)) = getrlimit(Resource::RLIMIT_NOFILE)
        && current < OPEN_FILES.min(most)
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, OPEN_FILES.min(most), most);
    }
}

/// What helps if a limit of this process is the cause of an error.
pub(super) fn hint(error: &(dyn Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        match error_number(error) {
            Some(Errno::EMFILE) => {
                let (current, _) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
                return Some(format!(
                    "this process may open {current} files; `ulimit -n {OPEN_FILES}` permits enough"
                ));
            }
            Some(Errno::EFBIG) => {
                let (current, _) = getrlimit(Resource::RLIMIT_FSIZE).ok()?;
                return Some(format!(
                    "this process may write files of {current} bytes; `ulimit -f unlimited` permits \
                     any size"
                ));
            }
            _ => {}
        }
        cause = error.source();
    }
    None
}

fn error_number(error: &(dyn Error + 'static)) -> Option<Errno> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return error.raw_os_error().map(Errno::from_raw);
    }
    if let Some(error) = error.downcast_ref::<rustix::io::Errno>() {
        return Some(Errno::from_raw(error.raw_os_error()));
    }
    error.downcast_ref::<Errno>().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot write")]
    struct Outer(#[source] io::Error);

    #[test]
    fn the_limit_that_is_the_cause_is_named() {
        let rows = [
            (libc::EMFILE, Some("ulimit -n 1024")),
            (libc::EFBIG, Some("ulimit -f unlimited")),
            (libc::ENOSPC, None),
        ];
        for (number, expected) in rows {
            let found = hint(&Outer(io::Error::from_raw_os_error(number)));
            let is_named = match (&found, expected) {
                (Some(found), Some(expected)) => found.contains(expected),
                (found, expected) => found.is_none() && expected.is_none(),
            };
            assert!(is_named, "{number}: {found:?}");
        }
    }
}
