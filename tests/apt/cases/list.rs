//! The cases: each asks for one rule of apt.

use super::{ARCHITECTURE, Answer};

/// A demand, the rule that decides it, and the expected names.
pub(crate) struct Case {
    pub suite: &'static str,
    pub demand: &'static str,
    pub(super) rule: &'static str,
    /// Names in the answer; `-` if apt refuses the demand.
    pub(super) present: &'static str,
    /// Names that are not in the answer.
    pub(super) absent: &'static str,
}

const fn case(
    suite: &'static str,
    demand: &'static str,
    rule: &'static str,
    present: &'static str,
    absent: &'static str,
) -> Case {
    Case {
        suite,
        demand,
        rule,
        present,
        absent,
    }
}

pub(crate) const CASES: [Case; 30] = [
    case(
        "trixie",
        "tesseract-ocr-all ocrmypdf",
        "order",
        "fonts-dejavu-core fonts-dejavu-mono",
        "",
    ),
    case(
        "trixie",
        "ocrmypdf tesseract-ocr-all",
        "order",
        "",
        "fonts-dejavu-core fonts-dejavu-mono",
    ),
    case(
        "trixie",
        "python3-django-q python3-dev",
        "order",
        "python3-typing-extensions",
        "",
    ),
    case(
        "trixie",
        "python3-dev python3-django-q",
        "order",
        "",
        "python3-typing-extensions",
    ),
    case(
        "trixie",
        "r-cran-tmb libopenblas-serial-dev",
        "order, no undo",
        "libblas3 liblapack3 libopenblas0-serial",
        "",
    ),
    case(
        "trixie",
        "liblapacke libopenblas0-serial",
        "two passes",
        "",
        "libblas3 liblapack3",
    ),
    case(
        "trixie",
        "hunspell-de-med hunspell-de-ch-frami",
        "two passes",
        "",
        "hunspell-en-us",
    ),
    case(
        "trixie",
        "plplot-tcl-bin",
        "numbers",
        "libtk9.0 libtcl9.0 libtk8.6",
        "",
    ),
    case("trixie", "dgit", "numbers", "sopv-gpgv", "gosop"),
    case(
        "trixie",
        "php8.4-amqp",
        "numbers",
        "php8.4-phpdbg",
        "libapache2-mod-php8.4",
    ),
    case(
        "trixie",
        "mailutils-imap4d mysqmail-courier-logger",
        "protection",
        "courier-base courier-pop",
        "",
    ),
    case(
        "trixie",
        "systemd-standalone-sysusers tomcat10",
        "protection, discard",
        "tomcat10",
        "systemd",
    ),
    case(
        "trixie",
        "kuvert rmail",
        "own conflicts, sweep",
        "sendmail-bin",
        "ssmtp libicu76",
    ),
    case(
        "trixie",
        "libqt5serialport5-dev qtbase5-private-gles-dev",
        "sweep",
        "",
        "libglu1-mesa-dev libopengl-dev",
    ),
    case(
        "trixie",
        "diffmon jcat rmail",
        "repair",
        "sendmail-bin systemd",
        "exim4-config",
    ),
    case(
        "trixie",
        "cloudflare-ddns libeet1 systemd-standalone-shutdown",
        "repair",
        "systemd-standalone-sysusers",
        "systemd",
    ),
    case("trixie", "kdeconnect jmtpfs", "order", "fuse3", "fuse"),
    case("trixie", "xabacus xmabacus", "conflict", "-", ""),
    case(
        "trixie",
        "libmlir-22-dev libmlir-19-dev",
        "conflict",
        "-",
        "",
    ),
    case("trixie", "mail-transport-agent", "virtual demand", "-", ""),
    case("trixie", "dbus", "first alternative", "adduser", ""),
    case(
        "bookworm",
        "elogind janus",
        "next alternative, removal",
        "dbus-x11 dconf-gsettings-backend",
        "libsystemd0 gconf2-common",
    ),
    case(
        "bookworm",
        "libjack0 rakarrack",
        "protection",
        "jackd1",
        "jackd2",
    ),
    case(
        "bookworm",
        "uucp bcron",
        "two passes",
        "",
        "cron sensible-utils",
    ),
    case(
        "bookworm",
        "python3-gnuplotlib gnuplot-nox",
        "two passes",
        "",
        "libxml2 shared-mime-info",
    ),
    case(
        "bookworm",
        "alkimia-bin libqt5gui5-gles",
        "two passes, protection",
        "",
        "libqt5gui5 libgl1",
    ),
    case("bookworm", "japa jackd1", "sweep", "", "libopus0"),
    case(
        "bookworm",
        "epiphany libsdl1.2-compat-dev",
        "sweep",
        "",
        "libcaca0",
    ),
    case("bookworm", "afterstep", "numbers", "", "alacritty xterm"),
    case("bookworm", "php-yac", "numbers", "php8.2-phpdbg", ""),
];

impl Case {
    pub(crate) fn words(&self) -> Vec<String> {
        self.demand.split(' ').map(str::to_owned).collect()
    }

    /// An error if an answer does not depend on the rule as expected.
    pub(super) fn shows(&self, found: Option<&Answer>) -> Result<(), String> {
        let Some(found) = found else {
            return if self.present == "-" {
                Ok(())
            } else {
                Err("refused".to_owned())
            };
        };
        let set = found.set();
        let has = |name: &&str| set.contains_key(format!("{name}:{ARCHITECTURE}").as_str());
        for name in self.present.split_whitespace() {
            if !has(&name) {
                return Err(format!("lacks {name}"));
            }
        }
        for name in self.absent.split_whitespace() {
            if has(&name) {
                return Err(format!("has {name}"));
            }
        }
        Ok(())
    }
}
