//! The emulator of an architecture, and how binfmt_misc recognizes its programs.

use super::{ARCHITECTURES, Architecture};

/// Architectures that QEMU calls by other names than Debian: Debian's name, QEMU's name.
const QEMU_NAMES: [(&str, &str); 8] = [
    ("amd64", "x86_64"),
    ("arm64", "aarch64"),
    ("armel", "arm"),
    ("armhf", "arm"),
    ("loong64", "loongarch64"),
    ("mips64r6el", "mips64el"),
    ("powerpc", "ppc"),
    ("ppc64el", "ppc64le"),
];

/// How many bytes of an ELF header say for which machine a program is.
const IDENTITY: usize = 20;

impl Architecture {
    /// QEMU's name: its emulator of user programs is called `qemu-` and this name.
    pub(crate) fn qemu_name(&self) -> &'static str {
        let found = QEMU_NAMES.iter().find(|(name, _)| *name == self.name);
        found.map_or(self.name, |(_, qemu_name)| qemu_name)
    }

    /// What is written to binfmt_misc's file `register`, so that the kernel starts `interpreter`
    /// for the architecture's programs (binfmt-misc.rst in the kernel's documentation).
    ///
    /// The flags: the file is opened now, and needs no path later (F); programs keep their argv[0]
    /// (P) and their setuid bits (OC).
    pub(crate) fn binfmt_entry(&self, interpreter: &str) -> String {
        let (magic, mask) = self.identity();
        let name = self.qemu_name();
        let magic = escaped(&magic);
        let mask = escaped(&mask);
        format!(":qemu-{name}:M::{magic}:{mask}:{interpreter}:OCPF")
    }

    /// The start of a program's file, and which of its bits count: not the ABI's, and either kind
    /// of program, position-independent or not.
    fn identity(&self) -> ([u8; IDENTITY], [u8; IDENTITY]) {
        let elf = self.elf;
        let mut magic = [0; IDENTITY];
        let mut mask = [0xff; IDENTITY];
        magic[..4].copy_from_slice(b"\x7fELF");
        magic[4] = 1 + u8::from(elf.is_64_bit);
        magic[5] = 1 + u8::from(elf.is_big_endian);
        magic[6] = 1;
        mask[7] = 0;
        let (kind, machine) = match elf.is_big_endian {
            true => (17, elf.machine.to_be_bytes()),
            false => (16, elf.machine.to_le_bytes()),
        };
        magic[kind] = 2;
        mask[kind] = 0xfe;
        magic[18..].copy_from_slice(&machine);
        (magic, mask)
    }
}

/// The architecture with this number of seccomp filters.
pub(crate) fn of_audit_number(number: u32) -> Option<&'static Architecture> {
    let mut known = ARCHITECTURES.iter();
    known.find(|architecture| architecture.audit_number() == number)
}

fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        text.push_str(&format!("\\x{byte:02x}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::formats::arch;

    /// The magic and the mask of QEMU's own scripts/qemu-binfmt-conf.sh.
    #[test]
    fn entries_are_those_of_qemu() {
        let table = [
            (
                "arm64",
                r":qemu-aarch64:M::\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/q:OCPF",
            ),
            (
                "armhf",
                r":qemu-arm:M::\x7f\x45\x4c\x46\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x28\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/q:OCPF",
            ),
            (
                "s390x",
                r":qemu-s390x:M::\x7f\x45\x4c\x46\x02\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x16:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff:/q:OCPF",
            ),
        ];
        for (name, expected) in table {
            let architecture = arch::named(name).unwrap();
            assert_eq!(architecture.binfmt_entry("/q"), expected);
            let same = arch::of_audit_number(architecture.audit_number()).unwrap();
            assert_eq!(same.qemu_name(), architecture.qemu_name());
        }
        assert_eq!(arch::named("ppc64el").unwrap().qemu_name(), "ppc64le");
        assert_eq!(arch::named("riscv64").unwrap().qemu_name(), "riscv64");
    }
}
