//! `rbootstrap completions` and `rbootstrap manual`: what a package of the program installs beside
//! it.
//!
//! Both are made from the same description of the command line as `--help`.

use std::io;
use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;
use roff::{Roff, roman};

use super::error::Error;
use super::{help, print_data, reporting};

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

impl CompletionsArgs {
    pub(super) fn execute(self) -> Result<(), Error> {
        let mut script = Vec::new();
        let mut command = help::command();
        clap_complete::generate(self.shell, &mut command, "rbootstrap", &mut script);
        print_data(&String::from_utf8_lossy(&script))
    }
}

#[derive(Debug, Args)]
pub(super) struct ManualArgs {
    /// The directory, which must exist
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

impl ManualArgs {
    pub(super) fn execute(self) -> Result<(), Error> {
        let made = pages().map_err(|source| Error::Write {
            path: self.directory.clone(),
            source,
        })?;
        for page in made {
            reporting::write(&self.directory.join(&page.name), &page.text)?;
        }
        Ok(())
    }
}

/// A manual page: the name of its file, and roff.
struct Page {
    name: String,
    text: String,
}

/// The page of the program and one for each command.
fn pages() -> io::Result<Vec<Page>> {
    let mut command = help::command_for_pages();
    command.build();
    let mut pages = Vec::new();
    for subcommand in command.get_subcommands() {
        if !subcommand.is_hide_set() {
            let name = format!("rbootstrap-{}", subcommand.get_name());
            pages.push(page(subcommand.clone().display_name(name))?);
        }
    }
    pages.push(page(command)?);
    Ok(pages)
}

fn page(command: Command) -> io::Result<Page> {
    let name = command
        .get_display_name()
        .unwrap_or("rbootstrap")
        .to_owned();
    let is_main = name == "rbootstrap";
    let command = match usage(&command) {
        usage if usage.is_empty() => command,
        usage => command.override_usage(usage),
    };
    let man = Man::new(command)
        .date("")
        .source(concat!("rbootstrap ", env!("CARGO_PKG_VERSION")))
        .manual("User Commands");
    let mut text = Vec::new();
    render(&man, is_main, &mut text)?;
    Ok(Page {
        name: format!("{name}.1"),
        // Items of a list in a help text have a line each.
        text: String::from_utf8_lossy(&text).replace("\n\\- ", "\n.br\n\\- "),
    })
}

/// The lines of the usage that call this command.
fn usage(command: &Command) -> String {
    let name = command.get_name();
    let mut lines = Vec::new();
    for line in help::USAGE.lines().map(str::trim) {
        if name == "rbootstrap" || line.split(' ').nth(1) == Some(name) {
            lines.push(line);
        }
    }
    lines.join("\n")
}

fn render(man: &Man, is_main: bool, text: &mut Vec<u8>) -> io::Result<()> {
    man.render_title(text)?;
    man.render_name_section(text)?;
    man.render_synopsis_section(text)?;
    man.render_description_section(text)?;
    man.render_options_section(text)?;
    if is_main {
        man.render_subcommands_section(text)?;
        let examples = format!("{}\n{}", help::EXAMPLES, help::MORE_EXAMPLES);
        for (title, lines) in [
            ("EXAMPLES", examples.as_str()),
            ("EXIT STATUS", help::EXIT_CODES),
            ("ENVIRONMENT", help::ENVIRONMENT),
        ] {
            literal_section(title, lines).to_writer(text)?;
        }
    }
    Ok(())
}

/// A section whose lines stay as they are.
fn literal_section(title: &str, lines: &str) -> Roff {
    let mut section = Roff::new();
    section.control("SH", [title]);
    section.control("nf", []);
    for line in lines.lines() {
        section.text([roman(line)]);
    }
    section.control("fi", []);
    section
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each option and each command of the program has its place in a page.
    #[test]
    fn the_pages_name_everything() {
        let pages = pages().unwrap();
        let mut names: Vec<&str> = pages.iter().map(|page| page.name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "rbootstrap-build.1",
                "rbootstrap-completions.1",
                "rbootstrap-debootstrap.1",
                "rbootstrap-diff.1",
                "rbootstrap-join.1",
                "rbootstrap-mmdebstrap.1",
                "rbootstrap-pack.1",
                "rbootstrap-push.1",
                "rbootstrap-rm.1",
                "rbootstrap-suites.1",
                "rbootstrap.1"
            ]
        );
        let main = pages.iter().find(|page| page.name == "rbootstrap.1");
        let text = main.unwrap().text.replace("\\-", "-");
        for option in help::command().get_arguments() {
            if let Some(long) = option.get_long()
                && !option.is_hide_set()
            {
                assert!(text.contains(&format!("--{long}")), "--{long}");
            }
        }
        for section in ["NAME", "SYNOPSIS", "EXAMPLES", "EXIT STATUS", "ENVIRONMENT"] {
            assert!(text.contains(section), "{section}");
        }
    }
}
