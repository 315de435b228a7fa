//! The function app as a zip: the handler for Azure's machines, with `host.json` and the functions beside it.

pub mod archive;
pub mod elf;

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use self::archive::Entry;
use self::elf::{ElfError, Linkage};
use crate::stage::{Destination, StageError, StageOptions, stage};
use crate::zig::{Zig, ZigError};

/// A zip that Azure Functions takes.
#[derive(Debug)]
pub struct Package {
    /// The zip.
    pub zip: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256 in hex: the same for the same commit, compiler and linker.
    pub sha256: String,
    /// What is in it.
    pub entries: Vec<Entry>,
    /// What the handler needs of the system.
    pub linkage: Linkage,
}

/// Why there is no zip.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The linker cannot be installed.
    #[error("cannot install the linker")]
    Zig(#[from] ZigError),
    /// The handler could not be built or laid out.
    #[error("cannot stage the handler")]
    Stage(#[from] StageError),
    /// The handler would not start in Azure.
    #[error("the handler would not start in Azure")]
    Elf(#[from] ElfError),
    /// A file cannot be read or written.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Builds the handler with zig as its linker, checks what it links, and packs `<folder>/app.zip`; the linker is
/// installed beside it if need be.
///
/// # Errors
/// [`PackageError`] naming the step.
pub fn package(folder: &Path) -> Result<Package, PackageError> {
    let zig = Zig::install(&folder.join("zig"))?;
    let into = Some(folder.join("app"));
    let stage = stage(&StageOptions { release: true, into, destination: Destination::Azure(zig) })?;
    let handler = std::fs::read(&stage.handler).map_err(at(&stage.handler))?;
    let linkage = Linkage::of(&handler)?;
    linkage.require_portable()?;
    let zip = folder.join("app.zip");
    archive::write(&stage.script_root, &zip).map_err(at(&zip))?;
    let bytes = std::fs::read(&zip).map_err(at(&zip))?;
    let entries = archive::entries(&zip).map_err(at(&zip))?;
    Ok(Package { zip, size: bytes.len() as u64, sha256: hex(&Sha256::digest(&bytes)), entries, linkage })
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> PackageError {
    let path = path.to_owned();
    move |source| PackageError::File { path, source }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
