//! What a program needs of the system it is to run on, read from its ELF file.

use std::collections::BTreeSet;
use std::fmt;

use object::Endianness;
use object::elf::{DT_NEEDED, EM_X86_64, FileHeader64};
use object::read::elf::{Dyn, FileHeader};

/// A version of glibc.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Glibc(pub u32, pub u32);

impl fmt::Display for Glibc {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "GLIBC_{}.{}", self.0, self.1)
    }
}

/// The newest glibc whose symbols may be used. Debian 10, from 2019, has it.
pub const NEWEST_GLIBC: Glibc = Glibc(2, 28);

/// All that may be linked: they belong to glibc.
pub const LIBRARIES: [&str; 5] = ["ld-linux-x86-64.so.2", "libc.so.6", "libdl.so.2", "libm.so.6", "libpthread.so.0"];

/// What a program is linked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linkage {
    /// Names of the shared libraries, sorted.
    pub libraries: BTreeSet<String>,
    /// The newest glibc whose symbols it uses; none if it uses none.
    pub glibc: Option<Glibc>,
}

/// Why a program would not start on Azure's machines.
#[derive(Debug, thiserror::Error)]
pub enum ElfError {
    /// It cannot be read.
    #[error("the handler is no ELF program of 64 bits")]
    Unreadable(#[from] object::Error),
    /// It is for other machines.
    #[error("the handler is for ELF machine {0}, expected 62 (x86-64)")]
    Machine(u16),
    /// It needs a newer glibc.
    #[error("the handler uses symbols of {0}, expected {NEWEST_GLIBC} at most: link it by `cargo run --bin package`")]
    Glibc(Glibc),
    /// It needs what is not everywhere.
    #[error("the handler links {}, expected nothing but {}", .0.join(", "), LIBRARIES.join(", "))]
    Libraries(Vec<String>),
    /// It has its own C library.
    #[error("the handler is linked statically, expected libc.so.6: a static glibc cannot resolve names")]
    Static,
}

impl Linkage {
    /// Reads it from a program's bytes.
    ///
    /// # Errors
    /// [`ElfError::Unreadable`] or [`ElfError::Machine`].
    pub fn of(program: &[u8]) -> Result<Self, ElfError> {
        let header = FileHeader64::<Endianness>::parse(program)?;
        let endian = header.endian()?;
        let machine = header.e_machine(endian);
        if machine != EM_X86_64 {
            return Err(ElfError::Machine(machine.0));
        }
        let sections = header.sections(endian, program)?;
        let mut linkage = Self { libraries: BTreeSet::new(), glibc: None };
        if let Some((entries, strings)) = sections.dynamic(endian, program)? {
            let strings = sections.strings(endian, program, strings)?;
            for entry in entries.iter().filter(|entry| entry.tag(endian) == DT_NEEDED) {
                linkage.libraries.insert(text(entry.string(endian, strings)?));
            }
        }
        if let Some((mut needs, strings)) = sections.gnu_verneed(endian, program)? {
            let strings = sections.strings(endian, program, strings)?;
            while let Some((_, mut versions)) = needs.next()? {
                while let Some(version) = versions.next()? {
                    linkage.glibc = linkage.glibc.max(glibc(&text(version.name(endian, strings)?)));
                }
            }
        }
        Ok(linkage)
    }

    /// Refuses what would not start on a system with [`NEWEST_GLIBC`].
    ///
    /// # Errors
    /// [`ElfError`] naming what is too much.
    pub fn require_portable(&self) -> Result<(), ElfError> {
        let others = self.libraries.iter().filter(|library| !LIBRARIES.contains(&library.as_str()));
        let others: Vec<String> = others.cloned().collect();
        match self.glibc {
            Some(glibc) if glibc > NEWEST_GLIBC => Err(ElfError::Glibc(glibc)),
            _ if !others.is_empty() => Err(ElfError::Libraries(others)),
            None => Err(ElfError::Static),
            Some(_) => Ok(()),
        }
    }
}

/// `GLIBC_2.28`, or `GLIBC_2.2.5`; private symbols have no version.
fn glibc(version: &str) -> Option<Glibc> {
    let mut numbers = version.strip_prefix("GLIBC_")?.split('.').map(str::parse);
    Some(Glibc(numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linkage(libraries: &[&str], glibc: Option<Glibc>) -> Linkage {
        Linkage { libraries: libraries.iter().map(|name| (*name).to_owned()).collect(), glibc }
    }

    #[test]
    fn versions_are_numbers_not_text() {
        assert!(glibc("GLIBC_2.4") < glibc("GLIBC_2.28") && glibc("GLIBC_2.28") < glibc("GLIBC_2.100"));
        assert_eq!(glibc("GLIBC_2.2.5"), Some(Glibc(2, 2)));
        assert_eq!((glibc("GLIBC_PRIVATE"), glibc("GCC_3.0")), (None, None));
    }

    #[test]
    fn a_program_linked_on_this_machine_is_refused() {
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let linkage = Linkage::of(&program).unwrap();
        assert!(linkage.libraries.contains("libc.so.6"), "{linkage:?}");
        assert!(linkage.glibc > Some(NEWEST_GLIBC), "{linkage:?}");
        assert!(matches!(linkage.require_portable(), Err(ElfError::Glibc(found)) if Some(found) == linkage.glibc));
    }

    #[test]
    fn old_symbols_of_glibc_alone_are_accepted_and_everything_else_is_named() {
        let old = Some(NEWEST_GLIBC);
        linkage(&LIBRARIES, old).require_portable().unwrap();
        for (linkage, named) in [
            (linkage(&LIBRARIES, Some(Glibc(2, 29))), "GLIBC_2.29, expected GLIBC_2.28 at most"),
            (linkage(&["libc.so.6", "libgcc_s.so.1"], old), "links libgcc_s.so.1, expected nothing but"),
            (linkage(&[], None), "linked statically"),
        ] {
            let failure = linkage.require_portable().unwrap_err().to_string();
            assert!(failure.contains(named), "{failure}");
        }
    }

    #[test]
    fn programs_for_other_machines_and_no_programs_are_refused() {
        let mut program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        program[18] = 183;
        assert!(matches!(Linkage::of(&program), Err(ElfError::Machine(183))));
        assert!(matches!(Linkage::of(b"#!/bin/sh"), Err(ElfError::Unreadable(_))));
    }
}
