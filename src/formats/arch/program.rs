//! The smallest program of an architecture: it exits with 0. Whether it runs says whether the host
//! can run the architecture's programs, on its own or through an emulator.

use super::Architecture;

/// The code of `exit(0)`, and the ELF header's flags without which some kernels refuse a program.
struct ExitCode {
    architecture: &'static str,
    code: &'static [u8],
    flags: u32,
}

/// The instructions are those that an assembler makes of the architecture's system call convention
/// (syscall(2)).
const EXIT_CODES: [ExitCode; 9] = [
    // mov eax, 60; xor edi, edi; syscall
    ExitCode::new("amd64", b"\xb8\x3c\0\0\0\x31\xff\x0f\x05"),
    // mov eax, 1; xor ebx, ebx; int 0x80
    ExitCode::new("i386", b"\xb8\x01\0\0\0\x31\xdb\xcd\x80"),
    // mov x8, 93; mov x0, 0; svc 0
    ExitCode::new("arm64", b"\xa8\x0b\x80\xd2\0\0\x80\xd2\x01\0\0\xd4"),
    // mov r7, 1; mov r0, 0; svc 0; the flags say EABI 5
    ExitCode::new("armhf", ARM).flags(0x0500_0000),
    ExitCode::new("armel", ARM).flags(0x0500_0000),
    // li a7, 93; li a0, 0; ecall
    ExitCode::new("riscv64", b"\x93\x08\xd0\x05\x13\x05\0\0\x73\0\0\0"),
    // li r0, 1; li r3, 0; sc; the flags say ELFv2
    ExitCode::new("ppc64el", b"\x01\0\0\x38\0\0\x60\x38\x02\0\0\x44").flags(2),
    // lghi %r2, 0; svc 1
    ExitCode::new("s390x", b"\xa7\x29\0\0\x0a\x01"),
    // li.w a7, 93; move a0, zero; syscall 0
    ExitCode::new("loong64", b"\x0b\x74\x81\x02\x04\0\x15\0\0\0\x2b\0").flags(0x43),
];
const ARM: &[u8] = b"\x01\x70\xa0\xe3\0\0\xa0\xe3\0\0\0\xef";

/// Where the program is loaded.
const ADDRESS: u64 = 0x40_0000;

impl ExitCode {
    const fn new(architecture: &'static str, code: &'static [u8]) -> ExitCode {
        ExitCode {
            architecture,
            code,
            flags: 0,
        }
    }

    const fn flags(mut self, flags: u32) -> ExitCode {
        self.flags = flags;
        self
    }
}

/// Writes numbers in the order and of the size of a class of ELF files.
struct ElfWriter {
    bytes: Vec<u8>,
    is_64_bit: bool,
    is_big_endian: bool,
}

impl ElfWriter {
    fn half(&mut self, value: u16) {
        self.bytes.extend(match self.is_big_endian {
            true => value.to_be_bytes(),
            false => value.to_le_bytes(),
        });
    }

    fn word(&mut self, value: u32) {
        self.bytes.extend(match self.is_big_endian {
            true => value.to_be_bytes(),
            false => value.to_le_bytes(),
        });
    }

    /// An address, an offset or a size.
    fn long(&mut self, value: u64) {
        match (self.is_64_bit, self.is_big_endian) {
            (true, true) => self.bytes.extend(value.to_be_bytes()),
            (true, false) => self.bytes.extend(value.to_le_bytes()),
            (false, _) => self.word(value as u32),
        }
    }
}

impl Architecture {
    /// A program that exits with 0 (elf(5)). None for an architecture whose instructions are not in
    /// the table.
    pub(crate) fn exit_program(&self) -> Option<Vec<u8>> {
        let known = EXIT_CODES.iter().find(|c| c.architecture == self.name)?;
        let elf = self.elf;
        let mut file = ElfWriter {
            bytes: b"\x7fELF".to_vec(),
            is_64_bit: elf.is_64_bit,
            is_big_endian: elf.is_big_endian,
        };
        let header: u16 = if elf.is_64_bit { 64 } else { 52 };
        let segment: u16 = if elf.is_64_bit { 56 } else { 32 };
        let start = u64::from(header + segment);
        let size = start + known.code.len() as u64;
        let class = 1 + u8::from(elf.is_64_bit);
        let order = 1 + u8::from(elf.is_big_endian);
        file.bytes.extend([class, order, 1]);
        file.bytes.resize(16, 0);
        file.half(2); // an executable
        file.half(elf.machine);
        file.word(1);
        file.long(ADDRESS + start);
        file.long(u64::from(header));
        file.long(0);
        file.word(known.flags);
        // Sizes and counts: this header, one segment, no sections.
        for value in [header, segment, 1, 0, 0, 0] {
            file.half(value);
        }
        // The segment, which is loaded, readable and executable.
        file.word(1);
        if elf.is_64_bit {
            file.word(5);
        }
        for value in [0, ADDRESS, ADDRESS, size, size] {
            file.long(value);
        }
        if !elf.is_64_bit {
            file.word(5);
        }
        file.long(0x1000);
        file.bytes.extend_from_slice(known.code);
        Some(file.bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use crate::formats::arch;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "tests write their files with the standard library"
    )]
    fn the_hosts_runs() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("program");
        let program = arch::host().unwrap().exit_program().unwrap();
        std::fs::write(&path, program).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(Command::new(&path).status().unwrap().code(), Some(0));
    }

    #[test]
    fn each_names_its_architecture() {
        let mut count = 0;
        for known in super::EXIT_CODES {
            let architecture = arch::named(known.architecture).unwrap();
            let program = architecture.exit_program().unwrap();
            let found = arch::of_program(&program).unwrap().name;
            // armel has the header of armhf.
            assert_eq!(
                found.replace("armhf", "arm"),
                known
                    .architecture
                    .replace("armhf", "arm")
                    .replace("armel", "arm")
            );
            count += 1;
        }
        assert_eq!(count, 9);
        assert!(arch::named("sh4").unwrap().exit_program().is_none());
    }
}
