//! The environment of maintainer scripts, and which preinsts need not run.

use std::ffi::OsString;

/// Where dpkg extracts the control members while a preinst runs.
pub(crate) const SCRIPT_DIRECTORY: &str = "var/lib/dpkg/tmp.ci";

/// The environment of every maintainer script and dpkg call: what dpkg itself sets, and what keeps
/// scripts from asking questions, translating messages and recording the current time. `epoch` is
/// SOURCE_DATE_EPOCH in seconds, which is left out where it is not known yet.
pub(crate) fn script_environment(epoch: Option<i64>) -> Vec<(OsString, OsString)> {
    let epoch = epoch.map(|seconds| seconds.to_string());
    let all = [
        (
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ),
        ("HOME", "/root"),
        ("LC_ALL", "C.UTF-8"),
        ("LANGUAGE", "C.UTF-8"),
        ("LANG", "C.UTF-8"),
        // TeX's formats have the current time without this.
        ("FORCE_SOURCE_DATE", "1"),
        ("DEBIAN_FRONTEND", "noninteractive"),
        ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
    ];
    let epoch = epoch
        .iter()
        .map(|seconds| ("SOURCE_DATE_EPOCH", seconds.as_str()));
    let mut environment = Vec::with_capacity(all.len() + 1);
    for (name, value) in all.into_iter().chain(epoch) {
        environment.push((name.into(), value.into()));
    }
    environment
}

/// Whether dpkg leaves a script's mode as it is. It sets any other mode to 0755.
pub(crate) fn is_executable(mode: u32) -> bool {
    mode & 0o555 == 0o555
}

/// Whether the kernel can execute a script: it names its interpreter, or it is a program. `execvp`,
/// which dpkg uses, runs any other script with /bin/sh.
pub(crate) fn names_interpreter(script: &[u8]) -> bool {
    script.starts_with(b"#!") || script.starts_with(b"\x7fELF")
}

/// Whether a preinst can have an effect on a fresh installation. A script that consists of
/// comments, `set`, `exit 0` and calls of dpkg-maintscript-helper has none: the helper acts on
/// upgrades and removals only.
pub(crate) fn has_effect(script: &[u8]) -> bool {
    let Ok(script) = std::str::from_utf8(script) else {
        return true;
    };
    let mut lines = script.lines();
    let shells = ["#!/bin/sh", "#! /bin/sh", "#!/bin/sh -e", "#!/bin/bash"];
    let interpreter = lines.next().unwrap_or_default();
    if !shells.contains(&interpreter.trim_end()) {
        return true;
    }
    let mut command = String::new();
    for line in lines {
        // A comment ends with its line, whatever its last character.
        match line.strip_suffix('\\') {
            Some(start) if !line.trim_start().starts_with('#') => command.push_str(start),
            _ => {
                command.push_str(line);
                if !is_idle(std::mem::take(&mut command).trim()) {
                    return true;
                }
            }
        }
    }
    !is_idle(command.trim())
}

fn is_idle(line: &str) -> bool {
    if line.is_empty() || line.starts_with('#') || line == "exit 0" {
        return true;
    }
    for command in ["set -", "dpkg-maintscript-helper "] {
        if let Some(arguments) = line.strip_prefix(command) {
            return is_plain(arguments);
        }
    }
    false
}

/// Whether the arguments contain nothing that could start a second command or a substitution.
fn is_plain(arguments: &str) -> bool {
    let is_known = |c: char| c.is_ascii_alphanumeric() || " /._-~+:@%,\"'\t".contains(c);
    arguments.replace("\"$@\"", "").chars().all(is_known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_without_effect_are_known() {
        let helper =
            "dpkg-maintscript-helper rm_conffile /etc/bash_completion.d/x 1:2.0~ -- \"$@\"";
        for idle in [
            "",
            "set -e\n",
            "set -e\n\n# Automatically added\nexit 0\n",
            &format!("{helper}\n"),
            "dpkg-maintscript-helper \\\n  x\n",
        ] {
            assert!(
                !has_effect(format!("#!/bin/sh\n{idle}").as_bytes()),
                "{idle}"
            );
        }
        for busy in [
            "true",
            "set -e; touch /x",
            "exit 1",
            "dpkg-maintscript-helper x && touch /x",
            "dpkg-maintscript-helper $(touch x)",
            "if true\nthen exit 0\nfi",
            "dpkg-maintscript-helper x `y`",
            "dpkg-maintscript-helper x\\\n; touch y",
            "settle",
            "# x \\\ntouch y",
            "touch \\",
        ] {
            assert!(
                has_effect(format!("#!/bin/sh\n{busy}\n").as_bytes()),
                "{busy}"
            );
        }
        assert!(
            has_effect(b"#!/usr/bin/perl\n") && has_effect(b"") && has_effect(b"#!/bin/sh\n\xff")
        );
    }
}
