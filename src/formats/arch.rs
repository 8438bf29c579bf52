//! The architectures, one row each: Debian's name, Rust's name, the ELF header and the directories
//! of a merged /usr.
//!
//! A new architecture is a new row here. `suites/*.toml` says which mirrors have it, and
//! `sandbox::seccomp` the numbers of its system calls.

mod emulation;
mod program;

pub(crate) use emulation::of_audit_number;

/// One architecture of Debian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Architecture {
    /// Debian's name: `amd64`.
    pub(crate) name: &'static str,
    elf: Elf,
    /// The library directories in / and /usr besides `lib`.
    library_directories: &'static [&'static str],
    /// The value of [`std::env::consts::ARCH`], if rbootstrap runs there.
    rust_name: Option<&'static str>,
    /// The name of OCI images and its variant, if Go has a name: the values of GOARCH, and the
    /// variants of Docker's official images.
    platform: Option<Platform>,
}

/// An architecture of OCI images: `arm`, and `v7` as its variant.
type Platform = (&'static str, Option<&'static str>);

/// What distinguishes the programs of an architecture (elf.h). One machine number serves several
/// classes and byte orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Elf {
    is_64_bit: bool,
    is_big_endian: bool,
    machine: u16,
}

/// Debian's release architectures, then its ports and former ones.
///
/// The library directories are those of debootstrap's `setup_merged_usr` (1.0.128).
const ARCHITECTURES: [Architecture; 30] = [
    Architecture::new("amd64", little(64, 62), &["lib32", "lib64", "libx32"])
        .rust_name("x86_64")
        .with_platform("amd64", None),
    Architecture::new("i386", little(32, 3), &["lib64", "libx32"])
        .rust_name("x86")
        .with_platform("386", None),
    Architecture::new("arm64", little(64, 183), &[])
        .rust_name("aarch64")
        .with_platform("arm64", Some("v8")),
    // armel has the same ELF header but for the flags.
    Architecture::new("armhf", little(32, 40), &[])
        .rust_name("arm")
        .with_platform("arm", Some("v7")),
    Architecture::new("armel", little(32, 40), &[]).with_platform("arm", Some("v5")),
    Architecture::new("loong64", little(64, 258), &["lib32", "lib64"])
        .rust_name("loongarch64")
        .with_platform("loong64", None),
    Architecture::new("ppc64el", little(64, 21), &["lib64"])
        .rust_name("powerpc64")
        .with_platform("ppc64le", None),
    Architecture::new("riscv64", little(64, 243), &[])
        .rust_name("riscv64")
        .with_platform("riscv64", None),
    Architecture::new("s390x", big(64, 22), &["lib32"])
        .rust_name("s390x")
        .with_platform("s390x", None),
    Architecture::new("alpha", little(64, 0x9026), &[]),
    Architecture::new("hppa", big(32, 15), &[]),
    Architecture::new("ia64", little(64, 50), &[]),
    Architecture::new("m68k", big(32, 4), &[]),
    Architecture::new("mips", big(32, 8), &["lib32", "lib64"]).with_platform("mips", None),
    Architecture::new("mipsel", little(32, 8), &["lib32", "lib64"]).with_platform("mipsle", None),
    Architecture::new("mips64", big(64, 8), &["lib32", "lib64", "libo32"])
        .with_platform("mips64", None),
    Architecture::new("mips64el", little(64, 8), &["lib32", "lib64", "libo32"])
        .with_platform("mips64le", None),
    Architecture::new("mips64r6", big(64, 8), &["lib32", "lib64", "libo32"]),
    Architecture::new("mips64r6el", little(64, 8), &["lib32", "lib64", "libo32"]),
    Architecture::new("mipsn32", big(32, 8), &["lib32", "lib64", "libo32"]),
    Architecture::new("mipsn32el", little(32, 8), &["lib32", "lib64", "libo32"]),
    Architecture::new("mipsn32r6", big(32, 8), &["lib32", "lib64", "libo32"]),
    Architecture::new("mipsn32r6el", little(32, 8), &["lib32", "lib64", "libo32"]),
    Architecture::new("powerpc", big(32, 20), &["lib64"]).with_platform("ppc", None),
    Architecture::new("ppc64", big(64, 21), &["lib32", "lib64"]).with_platform("ppc64", None),
    Architecture::new("sh4", little(32, 42), &[]),
    Architecture::new("sparc", big(32, 2), &["lib64"]).with_platform("sparc", None),
    Architecture::new("sparc64", big(64, 43), &["lib32", "lib64"]).with_platform("sparc64", None),
    Architecture::new("s390", big(32, 22), &[]).with_platform("s390", None),
    Architecture::new("x32", little(32, 62), &["lib32", "lib64", "libx32"]),
];

const fn little(bits: u8, machine: u16) -> Elf {
    Elf {
        is_64_bit: bits == 64,
        is_big_endian: false,
        machine,
    }
}

const fn big(bits: u8, machine: u16) -> Elf {
    Elf {
        is_64_bit: bits == 64,
        is_big_endian: true,
        machine,
    }
}

impl Architecture {
    const fn new(
        name: &'static str,
        elf: Elf,
        library_directories: &'static [&'static str],
    ) -> Architecture {
        Architecture {
            name,
            elf,
            library_directories,
            rust_name: None,
            platform: None,
        }
    }

    const fn rust_name(mut self, rust_name: &'static str) -> Architecture {
        self.rust_name = Some(rust_name);
        self
    }

    const fn with_platform(
        mut self,
        name: &'static str,
        variant: Option<&'static str>,
    ) -> Architecture {
        self.platform = Some((name, variant));
        self
    }

    /// The name and the variant in OCI images. `None` where Go has no name.
    pub(crate) fn platform(&self) -> Option<Platform> {
        self.platform
    }

    /// The kernel's `AUDIT_ARCH_…` number, by which seccomp filters know the architecture
    /// (linux/audit.h).
    pub(crate) fn audit_number(&self) -> u32 {
        let mut number = u32::from(self.elf.machine);
        if self.elf.is_64_bit {
            number |= 0x8000_0000;
        }
        if !self.elf.is_big_endian {
            number |= 0x4000_0000;
        }
        number
    }
}

/// The architectures whose programs the kernel of another runs, by calls of their own.
const COMPATIBLE: [(&str, &str); 4] = [
    ("amd64", "i386"),
    ("amd64", "x32"),
    ("arm64", "armhf"),
    ("arm64", "armel"),
];

/// Whether programs of `name` use other system calls than this program on its own kernel.
pub(crate) fn has_other_calls(name: &str) -> bool {
    host().is_some_and(|host| COMPATIBLE.contains(&(host.name, name)))
}

/// The architecture that Debian calls `name`.
pub(crate) fn named(name: &str) -> Option<&'static Architecture> {
    ARCHITECTURES.iter().find(|known| known.name == name)
}

/// Other names of architectures: of uname(2), of GNU's tools, of vendors and of container images.
const OTHER_NAMES: [(&str, &str); 20] = [
    ("x64", "amd64"),
    ("x86-64", "amd64"),
    ("em64t", "amd64"),
    ("i486", "i386"),
    ("i586", "i386"),
    ("i686", "i386"),
    ("ia32", "i386"),
    ("armv8", "arm64"),
    ("arm64v8", "arm64"),
    ("armv7", "armhf"),
    ("armv7l", "armhf"),
    ("armv7hl", "armhf"),
    ("armv8l", "armhf"),
    ("arm32v7", "armhf"),
    ("armv5", "armel"),
    ("armv5l", "armel"),
    ("armv5tel", "armel"),
    ("arm32v5", "armel"),
    ("powerpc64le", "ppc64el"),
    ("loongarch64", "loong64"),
];

/// Debian's name of the architecture that somebody else calls `name`. `None` if it is Debian's name
/// already, or nobody's.
pub(crate) fn meant(name: &str) -> Option<&'static str> {
    if named(name).is_some() {
        return None;
    }
    let name = name.to_ascii_lowercase();
    if let Some((_, meant)) = OTHER_NAMES.iter().find(|(other, _)| *other == name) {
        return Some(meant);
    }
    let mut known = ARCHITECTURES.iter();
    let known = known.find(|known| {
        let go_name = known.platform.map(|(platform, _)| platform);
        known.name == name || known.rust_name == Some(&name) || go_name == Some(&name)
    });
    known.map(|known| known.name)
}

/// The architecture that this program was built for, and so can run. `None` for one that is not in
/// the table.
pub(crate) fn host() -> Option<&'static Architecture> {
    ARCHITECTURES.iter().find(|architecture| {
        let is_same_order = architecture.elf.is_big_endian == cfg!(target_endian = "big");
        is_same_order && architecture.rust_name == Some(std::env::consts::ARCH)
    })
}

/// The architecture of a program, read from the first 20 bytes of its file. `None` if they are not
/// an ELF header or no architecture matches.
pub(crate) fn of_program(start: &[u8]) -> Option<&'static Architecture> {
    if start.len() < 20 || !start.starts_with(b"\x7fELF") {
        return None;
    }
    let is_big_endian = start[5] == 2;
    let machine = [start[18], start[19]];
    let elf = Elf {
        is_64_bit: start[4] == 2,
        is_big_endian,
        machine: if is_big_endian {
            u16::from_be_bytes(machine)
        } else {
            u16::from_le_bytes(machine)
        },
    };
    ARCHITECTURES.iter().find(|known| known.elf == elf)
}

/// The names in / that are symlinks into /usr where /usr is merged: `bin`, `lib`, `sbin` and the
/// architecture's own library directories. Architectures that are not in the table have none.
pub(crate) fn merged_usr_links(name: &str) -> Vec<&'static str> {
    let mut links = vec!["bin", "lib", "sbin"];
    if let Some(known) = named(name) {
        links.extend(known.library_directories);
    }
    links
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// debootstrap's `setup_merged_usr` (1.0.128), every pattern of its `case` written out.
    /// Architectures that it does not name have no directories of their own.
    const DEBOOTSTRAP: &str = "\
        amd64: lib32 lib64 libx32\n\
        i386: lib64 libx32\n\
        mips mipsel: lib32 lib64\n\
        mips64 mips64el mips64r6 mips64r6el: lib32 lib64 libo32\n\
        mipsn32 mipsn32el mipsn32r6 mipsn32r6el: lib32 lib64 libo32\n\
        loong64: lib32 lib64\n\
        powerpc: lib64\n\
        ppc64: lib32 lib64\n\
        ppc64el: lib64\n\
        s390x: lib32\n\
        sparc: lib64\n\
        sparc64: lib32 lib64\n\
        x32: lib32 lib64 libx32\n\
        alpha arm64 armel armhf hppa ia64 m68k riscv64 s390 sh4:";

    #[test]
    fn merged_usr_links_are_those_of_debootstrap() {
        let mut compared = 0;
        for line in DEBOOTSTRAP.lines() {
            let (names, directories) = line.split_once(':').unwrap();
            for name in names.split_whitespace() {
                let mut expected = vec!["bin", "lib", "sbin"];
                expected.extend(directories.split_whitespace());
                assert_eq!(merged_usr_links(name), expected, "{name}");
                assert!(named(name).is_some(), "{name}");
                compared += 1;
            }
        }
        assert_eq!(compared, ARCHITECTURES.len());
        assert_eq!(merged_usr_links("unheard-of"), ["bin", "lib", "sbin"]);
    }

    #[test]
    fn other_names_of_architectures_are_known() {
        let rows = [
            ("x86_64", Some("amd64")),
            ("X64", Some("amd64")),
            ("AMD64", Some("amd64")),
            ("aarch64", Some("arm64")),
            ("386", Some("i386")),
            ("i686", Some("i386")),
            ("armv7l", Some("armhf")),
            // What uname says to a 32-bit process on a 64-bit kernel.
            ("armv8l", Some("armhf")),
            ("ppc64le", Some("ppc64el")),
            ("amd64", None),
            ("x32", None),
            ("all", None),
            ("sparc-of-old", None),
        ];
        for (name, expected) in rows {
            assert_eq!(meant(name), expected, "{name}");
        }
    }

    #[test]
    fn audit_numbers_are_the_kernels() {
        for (name, expected) in [
            ("amd64", 0xc000_003e),
            ("i386", 0x4000_0003),
            ("arm64", 0xc000_00b7),
            ("armhf", 0x4000_0028),
            ("loong64", 0xc000_0102),
            ("ppc64el", 0xc000_0015),
            ("riscv64", 0xc000_00f3),
            ("s390x", 0x8000_0016),
        ] {
            assert_eq!(named(name).unwrap().audit_number(), expected, "{name}");
        }
    }

    #[test]
    fn programs_name_their_architecture() {
        let header = |class: u8, order: u8, machine: [u8; 2]| {
            let mut header = b"\x7fELF".to_vec();
            header.extend([class, order]);
            header.resize(18, 0);
            header.extend(machine);
            header
        };
        for (class, order, machine, expected) in [
            (2, 1, [62, 0], Some("amd64")),
            (1, 1, [62, 0], Some("x32")),
            (1, 1, [3, 0], Some("i386")),
            (2, 1, [21, 0], Some("ppc64el")),
            (2, 2, [0, 21], Some("ppc64")),
            (2, 2, [0, 22], Some("s390x")),
            (2, 1, [8, 0], Some("mips64el")),
            (1, 1, [40, 0], Some("armhf")),
            (2, 1, [2, 1], Some("loong64")),
            (2, 1, [255, 255], None),
        ] {
            let found = of_program(&header(class, order, machine));
            assert_eq!(found.map(|known| known.name), expected);
        }
        assert!(of_program(b"#!/bin/sh\nexec true and more").is_none());
        assert!(of_program(b"\x7fELF").is_none());
    }

    #[test]
    fn the_host_is_known() {
        let program = fs::read("/proc/self/exe").unwrap();
        let host = host().unwrap();
        assert_eq!(of_program(&program).unwrap().name, host.name);
    }
}
