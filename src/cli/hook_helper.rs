//! `--hook-helper ROOT MODE HOOK SKIP VERBOSITY HELPER PATH…`, by which hooks copy files as
//! mmdebstrap's helpers do: `"$MMDEBSTRAP_ARGV0" --hook-helper "$1" …` (mmdebstrap(1)).

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use super::listen_for_signals;
use crate::failure::with_causes;
use crate::install::{self, CopyPlace, Helper, HelperOptions};
use crate::interrupt::Interrupt;
use crate::report::{Event, Report};
use crate::tree::rootfs::Rootfs;

pub(super) const OPTION: &str = "--hook-helper";

/// Runs the helper that the arguments after the option name. Every failure is exit code 1.
pub(super) fn main(words: &[OsString]) -> ExitCode {
    match copy(words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("E: {error}\n"));
            ExitCode::FAILURE
        }
    }
}

fn copy(words: &[OsString]) -> Result<(), String> {
    let [root, mode, _, skip, _, helper @ ..] = words else {
        let usage = "needs ROOT MODE HOOK SKIP VERBOSITY HELPER PATH...";
        return Err(format!("{OPTION} {usage}"));
    };
    let helper = Helper::of_words(helper)
        .ok_or_else(|| format!("{OPTION}: no such helper, or too few paths"))?;
    let root = Rootfs::open(Path::new(root)).map_err(|error| with_causes(&error))?;
    let interrupt = Interrupt::default();
    listen_for_signals(&interrupt)
        .map_err(|error| format!("cannot listen for signals: {error}"))?;
    let report = Report::of_new_run(|_, event| {
        if let Event::Warning(text) = event {
            say(&format!("W: {text}\n"));
        }
    });
    let place = CopyPlace {
        root: &root,
        options: HelperOptions {
            without_devices: skip.to_string_lossy().contains("mknod"),
            own_files: mode == "unshare",
        },
        interrupt: &interrupt,
        report: &report,
    };
    install::copy_by_helper(&helper, place).map_err(|error| {
        let hint = error.hint().map(|hint| format!("\nhint: {hint}"));
        with_causes(&error) + &hint.unwrap_or_default()
    })
}

#[expect(clippy::print_stderr, reason = "there is no display for a helper")]
fn say(text: &str) {
    eprint!("{text}");
}
