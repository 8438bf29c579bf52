//! Which file of /proc a path names, by its text alone.

use std::ffi::CStr;

/// A file of /proc.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ProcPath<'p> {
    /// /proc itself.
    Root,
    /// A link to what a process has open or runs in, below the process's directory.
    Link(Process, &'p str),
    /// Any other file or directory of a process, below its directory; empty for the directory.
    OfProcess(Process, &'p str),
    /// A file or directory that belongs to no process, below /proc.
    OfKernel(&'p str),
}

/// The process that a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Process {
    Caller,
    Number(u32),
}

/// Links of a process that lead to its own files, whatever the text of their targets.
const LINKS: [&str; 3] = ["exe", "cwd", "root"];

/// The links in /dev to the caller's descriptors.
const DEVICES: [(&str, &str); 3] = [
    ("/dev/stdin", "fd/0"),
    ("/dev/stdout", "fd/1"),
    ("/dev/stderr", "fd/2"),
];

/// The directory of links to descriptors that is not in /proc.
const DESCRIPTORS: &str = "/dev/fd/";

impl<'p> ProcPath<'p> {
    /// `None` for all other paths, and for those that the kernel resolves by more than their text.
    pub(super) fn parse(path: &'p CStr) -> Option<ProcPath<'p>> {
        let path = path.to_str().ok()?;
        if let Some((_, link)) = DEVICES.iter().find(|(device, _)| *device == path) {
            return Some(ProcPath::Link(Process::Caller, link));
        }
        if let Some(number) = path.strip_prefix(DESCRIPTORS) {
            // With `fd/`, as /proc has it.
            let link = &path[path.len() - number.len() - "fd/".len()..];
            return is_number(number).then_some(ProcPath::Link(Process::Caller, link));
        }
        let rest = path.strip_prefix("/proc")?;
        if rest.is_empty() || rest == "/" {
            return Some(ProcPath::Root);
        }
        let rest = rest.strip_prefix('/')?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return None;
        }
        let (first, below) = rest.split_once('/').unwrap_or((rest, ""));
        match first {
            "self" | "thread-self" => of_process(Process::Caller, below),
            "mounts" => of_process(Process::Caller, rest),
            first if is_number(first) => of_process(Process::Number(first.parse().ok()?), below),
            _ => Some(ProcPath::OfKernel(rest)),
        }
    }
}

fn of_process(process: Process, below: &str) -> Option<ProcPath<'_>> {
    let (first, rest) = below.split_once('/').unwrap_or((below, ""));
    let is_link = match first {
        "fd" if rest.is_empty() => return Some(ProcPath::OfProcess(process, below)),
        "fd" => is_number(rest),
        first if LINKS.contains(&first) => rest.is_empty(),
        _ => return Some(ProcPath::OfProcess(process, below)),
    };
    // What is behind a link is resolved from there.
    is_link.then_some(ProcPath::Link(process, below))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_by_their_text() {
        use ProcPath::{Link, OfKernel, OfProcess, Root};
        let caller = Process::Caller;
        let table = [
            (c"/proc", Some(Root)),
            (c"/proc/", Some(Root)),
            (c"/proc/self", Some(OfProcess(caller, ""))),
            (c"/proc/self/", Some(OfProcess(caller, ""))),
            (c"/proc/self/fd", Some(OfProcess(caller, "fd"))),
            (c"/proc/self/fd/3", Some(Link(caller, "fd/3"))),
            (c"/proc/thread-self/fd/12", Some(Link(caller, "fd/12"))),
            (c"/proc/self/exe", Some(Link(caller, "exe"))),
            (c"/proc/self/status", Some(OfProcess(caller, "status"))),
            (c"/proc/self/fdinfo/3", Some(OfProcess(caller, "fdinfo/3"))),
            (c"/proc/12/exe", Some(Link(Process::Number(12), "exe"))),
            (c"/proc/12", Some(OfProcess(Process::Number(12), ""))),
            (c"/proc/mounts", Some(OfProcess(caller, "mounts"))),
            (c"/proc/cpuinfo", Some(OfKernel("cpuinfo"))),
            (
                c"/proc/sys/kernel/osrelease",
                Some(OfKernel("sys/kernel/osrelease")),
            ),
            (c"/dev/fd/7", Some(Link(caller, "fd/7"))),
            (c"/dev/stderr", Some(Link(caller, "fd/2"))),
            (c"/dev/fd/x", None),
            (c"/dev/null", None),
            (c"/process", None),
            (c"proc/self/exe", None),
            (c"/proc//self/exe", None),
            (c"/proc/./self/exe", None),
            (c"/proc/self/../1/status", None),
            (c"/proc/self/fd/3/etc", None),
            (c"/proc/self/fd/..", None),
            (c"/proc/self/root/proc/1", None),
            (c"/proc/self/cwd/x", None),
            (c"/proc/99999999999/exe", None),
            (c"/usr/proc", None),
            (c"", None),
            (c"/proc/\xff", None),
        ];
        for (path, expected) in table {
            assert_eq!(ProcPath::parse(path), expected, "{path:?}");
        }
    }
}
